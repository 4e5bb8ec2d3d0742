# Semi-supervised: fine-tuning on 1 % of CIFAR-10's labels, 50 per class.
#
#     python tools/benchmarks/train_downstream.py \
#         resnet18_ft-1xb64-steplr-20e_cifar10-1pct WEIGHTS
#
# The recipe of resnet50_ft-4xb64-steplr-20e_in1k-1pct.py on one GPU.
_base_ = [
    './_base_/resnet18_cifar.py', './_base_/cifar10.py',
    './_base_/finetune_20e.py', './_base_/default_runtime.py'
]
train_dataloader = dict(batch_size=64, dataset=dict(max_images=500))
optim_wrapper = dict(
    optimizer=dict(weight_decay=5e-4),
    paramwise_cfg=dict(custom_keys={'head': dict(lr_mult=100.)}))
auto_scale_lr = dict(base_batch_size=64)

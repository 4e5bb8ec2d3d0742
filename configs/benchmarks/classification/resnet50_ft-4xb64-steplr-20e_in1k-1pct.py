# Semi-supervised: fine-tuning on 1 % of ImageNet-1k's labels, 13 per class.
#
#     tools/benchmarks/classification/dist_train.sh configs/benchmarks/\
#         classification/resnet50_ft-4xb64-steplr-20e_in1k-1pct.py WEIGHTS 4
#
# The authors published no number. OpenSelfSup's recipe, which reports the best
# of lr 0.1, 0.01, 0.001 and head 1, 10, 100 times that; here stands one of
# them. For another:
#     --cfg-options optim_wrapper.optimizer.lr=0.1 \
#         optim_wrapper.paramwise_cfg.custom_keys.head.lr_mult=1
# Choose on a part of the training set. meta/train_1percent.txt: `path label`
# per line, made from SimCLR's list (google-research/simclr imagenet_subsets).
_base_ = [
    './_base_/resnet50.py', './_base_/imagenet.py', './_base_/finetune_20e.py',
    './_base_/default_runtime.py'
]
model = dict(backbone=dict(norm_cfg=dict(type='SyncBN')))
train_dataloader = dict(
    batch_size=64, dataset=dict(ann_file='meta/train_1percent.txt'))
optim_wrapper = dict(
    optimizer=dict(weight_decay=5e-4),
    paramwise_cfg=dict(custom_keys={'head': dict(lr_mult=100.)}))

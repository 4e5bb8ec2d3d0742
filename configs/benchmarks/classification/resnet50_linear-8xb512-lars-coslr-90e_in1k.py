# Linear probe on ImageNet-1k: 90 epochs of LARS, batch 4096, SimSiam's recipe.
#
#     tools/benchmarks/classification/dist_train.sh configs/benchmarks/\
#         classification/resnet50_linear-8xb512-lars-coslr-90e_in1k.py \
#         WEIGHTS 8
#
# Top-1, paper: S 71.3; with which probe is not said. Elsewhere: SimSiam 68.1
# at 100 epochs (its README), 69.8 at 200 (MMSelfSup).
#
# lr 1.6 is 0.1 per 256 images.
_base_ = './resnet50_linear-8xb128-steplr-100e_in1k.py'
train_dataloader = dict(batch_size=512)
optim_wrapper = dict(
    optimizer=dict(
        _delete_=True,
        type='mmselfsup.LARS',
        lr=1.6,
        momentum=0.9,
        weight_decay=0.))
param_scheduler = [
    dict(type='CosineAnnealingLR', by_epoch=True, begin=0, end=90, T_max=90)
]
train_cfg = dict(max_epochs=90)
auto_scale_lr = dict(base_batch_size=4096)

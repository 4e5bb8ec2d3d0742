# RegionCL on SimCLR: ImageNet-1k, ResNet-50, 200 epochs, batch 256. Not in
# the paper.
#
#     tools/dist_train.sh configs/regioncl_simclr_r50.py 8
#
# Batch and lr are those of MMSelfSup's SimCLR; the views are those of MoCo v2,
# not SimCLR's stronger ones. Not run here.
_base_ = [
    './_base_/models/simclr_r50.py', './_base_/datasets/imagenet.py',
    './_base_/schedules/lars_coslr_200e.py', './_base_/default_runtime.py'
]
model = dict(
    type='RegionCLSimCLR',
    neck=dict(type='RegionNonLinearNeck'),
    region_swap=dict(
        stride=32,  # of ResNet's last stage: 7 x 7 cells at 224 px
        cells=(3, 5)),  # as RegionCL-M
    region_loss_weight=1.0)
train_dataloader = dict(batch_size=32)
optim_wrapper = dict(optimizer=dict(lr=0.3))
auto_scale_lr = dict(base_batch_size=256)

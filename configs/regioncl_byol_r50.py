# RegionCL on BYOL: ImageNet-1k, ResNet-50, 200 epochs. Not in the paper.
#
#     tools/dist_train.sh configs/regioncl_byol_r50.py 8
#
# MMSelfSup's BYOL is 16 x 256 images with LARS at lr 4.8; eight GPUs reach
# that total batch by accumulating over 4 steps of 128. The views are those of
# MoCo v2, not BYOL's asymmetric ones. Not run here.
_base_ = [
    './_base_/models/byol_r50.py', './_base_/datasets/imagenet.py',
    './_base_/schedules/lars_coslr_200e.py', './_base_/default_runtime.py'
]
model = dict(
    type='RegionCLBYOL',
    neck=dict(type='RegionNonLinearNeck'),
    head=dict(type='RegionLatentPredictHead'),
    region_swap=dict(
        stride=32,  # of ResNet's last stage: 7 x 7 cells at 224 px
        cells=(3, 5)),  # as RegionCL-M
    region_loss_weight=1.0)
optim_wrapper = dict(optimizer=dict(lr=4.8), accumulative_counts=4)
auto_scale_lr = dict(base_batch_size=4096)

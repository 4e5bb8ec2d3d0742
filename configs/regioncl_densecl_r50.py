# RegionCL-D: ImageNet-1k, ResNet-50, 200 epochs, batch 1024.
#
#     tools/dist_train.sh configs/regioncl_densecl_r50.py 8
#
# The authors published no settings. These are RegionCL-M's, whose code base
# they shared, but for the initial weights, which are DenseCL's (fan_out) as
# MMSelfSup has them; DenseCL itself trains with 32 x 8 images and lr 0.03. The
# paper: 68.5 % linear top-1, best of the three on COCO.
_base_ = [
    './_base_/models/densecl_r50.py', './_base_/datasets/imagenet.py',
    './_base_/schedules/sgd_coslr_200e.py', './_base_/default_runtime.py'
]
model = dict(
    type='RegionCLDenseCL',
    neck=dict(type='RegionDenseCLNeck'),
    head=dict(type='RegionContrastiveHead'),
    region_swap=dict(
        stride=32,  # of ResNet's last stage: 7 x 7 cells at 224 px
        cells=(3, 5)),  # as RegionCL-M
    region_loss_weight=1.0,
    region_under_lambda=False)  # not known which; see RegionCLDenseCL
optim_wrapper = dict(optimizer=dict(lr=0.15))  # RegionCL-M's

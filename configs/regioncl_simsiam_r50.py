# RegionCL-S: ImageNet-1k, ResNet-50, 200 epochs, batch 256.
#
#     tools/dist_train.sh configs/regioncl_simsiam_r50.py 8
#
# The authors published no settings. Batch, lr and the fixed lr of the
# predictor are those of MMSelfSup's SimSiam. The paper: 71.3 % linear top-1.
_base_ = [
    './_base_/models/simsiam_r50.py', './_base_/datasets/imagenet.py',
    './_base_/schedules/sgd_coslr_200e.py', './_base_/default_runtime.py'
]
model = dict(
    type='RegionCLSimSiam',
    neck=dict(type='RegionNonLinearNeck'),
    head=dict(type='RegionLatentPredictHead'),
    region_swap=dict(
        stride=32,  # of ResNet's last stage: 7 x 7 cells at 224 px
        cells=(3, 5)),  # as RegionCL-M
    region_loss_weight=1.0)
train_dataloader = dict(batch_size=32)
optim_wrapper = dict(
    optimizer=dict(lr=0.05),  # for 256 images
    paramwise_cfg=dict(custom_keys={'predictor': dict(fix_lr=True)}))
custom_hooks = [
    dict(type='PreflightHook'),
    dict(type='ValidateAtStartHook'),
    # the predictor's lr does not decay (SimSiam, Table 1c)
    dict(type='FixedLrHook'),
]
auto_scale_lr = dict(base_batch_size=256)

# Mask R-CNN R50-FPN, Cityscapes instances, 24k iterations of 8 images.
#
#     tools/benchmarks/mmdetection/dist_train.sh configs/benchmarks/\
#         mmdetection/mask-rcnn_r50-fpn_24k_cityscapes.py WEIGHTS 8
#
# Mask AP of Cityscapes' own evaluation (cityscapes/mAP), paper:
# M 34.9  D 34.8  S 34.9. No training on COCO before.
_base_ = [
    './_base_/mask-rcnn_r50-fpn.py', './_base_/cityscapes_instance.py',
    './_base_/schedule_90k.py', './_base_/default_runtime.py'
]
custom_imports = dict(imports=[
    'mmregioncl.transfer', 'mmregioncl.transfer.cityscapes_evaluation'
])
model = dict(
    roi_head=dict(
        bbox_head=dict(num_classes=8), mask_head=dict(num_classes=8)))

optim_wrapper = dict(optimizer=dict(lr=0.01))
train_cfg = dict(max_iters=24000, val_interval=24000)
param_scheduler = [
    dict(
        type='LinearLR', start_factor=0.001, by_epoch=False, begin=0,
        end=1001),  # see schedule_90k.py
    dict(type='MultiStepLR', by_epoch=False, milestones=[18000], gamma=0.1)
]
auto_scale_lr = dict(base_batch_size=8)

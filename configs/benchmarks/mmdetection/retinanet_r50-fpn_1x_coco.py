# RetinaNet R50-FPN, COCO, 90k iterations of 16 images.
#
#     tools/benchmarks/mmdetection/dist_train.sh \
#         configs/benchmarks/mmdetection/retinanet_r50-fpn_1x_coco.py WEIGHTS 8
#
# Box AP, paper:  M 38.4  D 38.8  S 36.8
_base_ = [
    './_base_/retinanet_r50-fpn.py', './_base_/coco_detection.py',
    './_base_/schedule_90k.py', './_base_/default_runtime.py'
]
optim_wrapper = dict(optimizer=dict(lr=0.01))

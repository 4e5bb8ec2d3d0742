# RetinaNet R50-FPN, COCO, 180k iterations of 16 images.
#
#     tools/benchmarks/mmdetection/dist_train.sh \
#         configs/benchmarks/mmdetection/retinanet_r50-fpn_2x_coco.py WEIGHTS 8
#
# Box AP, paper:  M 40.1  D 40.6  S 39.1
_base_ = [
    './_base_/retinanet_r50-fpn.py', './_base_/coco_detection.py',
    './_base_/schedule_180k.py', './_base_/default_runtime.py'
]
optim_wrapper = dict(optimizer=dict(lr=0.01))

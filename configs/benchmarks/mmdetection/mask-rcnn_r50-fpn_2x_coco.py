# Mask R-CNN R50-FPN, COCO, 180k iterations of 16 images.
#
#     tools/benchmarks/mmdetection/dist_train.sh \
#         configs/benchmarks/mmdetection/mask-rcnn_r50-fpn_2x_coco.py WEIGHTS 8
#
# Box/mask AP, paper:  M 41.6/37.7  D 42.1/38.0  S 41.0/37.1
_base_ = [
    './_base_/mask-rcnn_r50-fpn.py', './_base_/coco_instance.py',
    './_base_/schedule_180k.py', './_base_/default_runtime.py'
]

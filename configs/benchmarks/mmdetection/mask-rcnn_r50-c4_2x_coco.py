# Mask R-CNN R50-C4, COCO, 180k iterations of 16 images.
#
#     tools/benchmarks/mmdetection/dist_train.sh \
#         configs/benchmarks/mmdetection/mask-rcnn_r50-c4_2x_coco.py WEIGHTS 8
#
# Box/mask AP, paper:  M 41.5/35.9  D 41.8/36.4  S 40.7/35.4
_base_ = [
    './_base_/mask-rcnn_r50-c4.py', './_base_/coco_instance_c4.py',
    './_base_/schedule_180k.py', './_base_/c4_runtime.py'
]

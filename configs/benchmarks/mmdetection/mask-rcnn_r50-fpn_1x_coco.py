# Mask R-CNN R50-FPN, COCO, 90k iterations of 16 images.
#
#     tools/benchmarks/mmdetection/dist_train.sh \
#         configs/benchmarks/mmdetection/mask-rcnn_r50-fpn_1x_coco.py WEIGHTS 8
#
# Box/mask AP, paper:  M 40.1/36.3  D 40.4/36.7  S 38.8/35.2
# Elsewhere: MoCo v2 40.4/36.4 (800 epochs), supervised 39.7/35.9 (PixPro);
# in mmdet, after 200 epochs: MoCo v2 40.2/36.1, SimSiam 38.8/34.9 (MMSelfSup).
_base_ = [
    './_base_/mask-rcnn_r50-fpn.py', './_base_/coco_instance.py',
    './_base_/schedule_90k.py', './_base_/default_runtime.py'
]

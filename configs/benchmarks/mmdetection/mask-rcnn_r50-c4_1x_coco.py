# Mask R-CNN R50-C4, COCO, 90k iterations of 16 images.
#
#     tools/benchmarks/mmdetection/dist_train.sh \
#         configs/benchmarks/mmdetection/mask-rcnn_r50-c4_1x_coco.py WEIGHTS 8
#
# Box/mask AP, paper:  M 39.8/34.8  D 40.3/35.2  S 38.7/33.7
# Elsewhere: MoCo v2 39.5/34.5 (800 epochs), supervised 38.2/33.3 (PixPro).
# MoCo v2 of 200 epochs: 38.7/33.9, the mean of 4 (CoinCheung/SelfSup).
_base_ = [
    './_base_/mask-rcnn_r50-c4.py', './_base_/coco_instance_c4.py',
    './_base_/schedule_90k.py', './_base_/c4_runtime.py'
]

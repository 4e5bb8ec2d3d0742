# UPerNet R50, Cityscapes, 80k iterations of 16 crops.
#
#     tools/benchmarks/mmsegmentation/dist_train.sh configs/benchmarks/\
#         mmsegmentation/upernet_r50_80k_cityscapes-512x1024.py WEIGHTS 8
#
# mIoU, paper:  M 79.0  D 79.5  S 78.7. The authors' log of M: 78.99 (aAcc
# 96.26, mAcc 85.20).
# Elsewhere: supervised 78.19 (mmseg, ResNetV1c, 8 crops).
_base_ = [
    './_base_/upernet_r50.py', 'mmseg::_base_/datasets/cityscapes.py',
    'mmseg::_base_/schedules/schedule_80k.py', './_base_/default_runtime.py'
]
default_hooks = dict(checkpoint=dict(max_keep_ckpts=2))
auto_scale_lr = dict(enable=False, base_batch_size=16)

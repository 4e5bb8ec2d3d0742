# DenseCL, Tiny-ImageNet-like images of 64 px: the twin of
# regioncl_densecl_r18_tinyimagenet.py.
#
#     python tools/train.py configs/small/densecl_r18_tinyimagenet.py
_base_ = [
    '../_base_/models/densecl_r50.py', '../_base_/datasets/tinyimagenet.py',
    '../_base_/schedules/sgd_coslr_small.py', '../_base_/default_runtime.py'
]
model = dict(
    queue_len=4096,  # must stay below the data set
    momentum=0.99,  # 0.999 averages over more steps than a small epoch has
    backbone=dict(
        depth=18,
        strides=(1, 2, 2, 1)),  # stride 16: 4 x 4 cells of 64 px
    neck=dict(in_channels=512, hid_channels=512))
custom_hooks = [
    dict(type='PreflightHook'),
    dict(type='ValidateAtStartHook'),
    dict(type='ChannelsLastHook'),  # 1.7 times faster on a CPU
]

# BYOL, CIFAR-10, a quarter of the width, 6 epochs: for a CPU. The twin of
# regioncl_byol_r18w16_cifar10.py.
#
#     python tools/train.py configs/small/byol_r18w16_cifar10.py
_base_ = [
    '../_base_/models/byol_r50.py', '../_base_/datasets/cifar10.py',
    '../_base_/schedules/sgd_coslr_6epochs.py', '../_base_/default_runtime.py'
]
model = dict(
    backbone=dict(
        _delete_=True,
        type='mmcls.ResNet_CIFAR',  # 3 x 3 stem, no max pooling
        depth=18,
        base_channels=16,
        stem_channels=16,
        strides=(2, 2, 2, 1),  # stride 8: 4 x 4 cells of 32 px
        norm_cfg=dict(type='SyncBN')),
    neck=dict(in_channels=128, hid_channels=256, out_channels=128),
    head=dict(
        predictor=dict(
            in_channels=128, hid_channels=256, out_channels=128)))
train_dataloader = dict(batch_size=128)
custom_hooks = [
    dict(type='PreflightHook'),
    dict(type='ValidateAtStartHook'),
    dict(type='ChannelsLastHook'),  # 1.7 times faster on a CPU
]

# SimSiam, CIFAR-10: the twin of regioncl_simsiam_r18_cifar10.py.
#
#     python tools/train.py configs/small/simsiam_r18_cifar10.py
_base_ = [
    '../_base_/models/simsiam_r50.py', '../_base_/datasets/cifar10.py',
    '../_base_/schedules/sgd_coslr_small.py', '../_base_/default_runtime.py'
]
model = dict(
    backbone=dict(
        _delete_=True,
        type='mmcls.ResNet_CIFAR',  # 3 x 3 stem, no max pooling
        depth=18,
        strides=(2, 2, 2, 1),  # stride 8: 4 x 4 cells of 32 px
        norm_cfg=dict(type='SyncBN'),
        zero_init_residual=True),
    neck=dict(in_channels=512, hid_channels=512, out_channels=512),
    head=dict(
        predictor=dict(
            in_channels=512, hid_channels=128, out_channels=512)))
optim_wrapper = dict(
    paramwise_cfg=dict(custom_keys={'predictor': dict(fix_lr=True)}))
custom_hooks = [
    dict(type='PreflightHook'),
    dict(type='ValidateAtStartHook'),
    dict(type='ChannelsLastHook'),  # 1.7 times faster on a CPU
    # the predictor's lr does not decay (SimSiam, Table 1c)
    dict(type='FixedLrHook'),
]

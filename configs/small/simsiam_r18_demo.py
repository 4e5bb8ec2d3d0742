# SimSiam, the demo scenes: the twin of regioncl_simsiam_r18_demo.py.
#
#     python tools/train.py configs/small/simsiam_r18_demo.py
_base_ = [
    '../_base_/models/simsiam_r50.py', '../_base_/datasets/demo.py',
    '../_base_/schedules/sgd_coslr_small.py', '../_base_/default_runtime.py'
]
model = dict(
    backbone=dict(
        depth=18,
        base_channels=16,  # minutes on a CPU
        stem_channels=16,
        strides=(1, 2, 2, 1)),  # stride 16: 4 x 4 cells of 64 px
    neck=dict(in_channels=128, hid_channels=128, out_channels=128),
    head=dict(
        predictor=dict(
            in_channels=128, hid_channels=32, out_channels=128)))
optim_wrapper = dict(
    paramwise_cfg=dict(custom_keys={'predictor': dict(fix_lr=True)}))
custom_hooks = [
    dict(type='PreflightHook'),
    dict(type='ValidateAtStartHook'),
    dict(type='ChannelsLastHook'),  # 1.7 times faster on a CPU
    # the predictor's lr does not decay (SimSiam, Table 1c)
    dict(type='FixedLrHook'),
]
max_epochs = 60  # of 12 steps
param_scheduler = [
    dict(
        type='LinearLR',
        start_factor=0.01,
        by_epoch=True,
        begin=0,
        end=12,
        convert_to_iter_based=True),
    dict(
        type='CosineAnnealingLR',
        by_epoch=True,
        begin=12,
        end=max_epochs,
        T_max=max_epochs - 12,
        convert_to_iter_based=True)
]
train_cfg = dict(max_epochs=max_epochs, val_interval=10)
default_hooks = dict(logger=dict(interval=12))
auto_scale_lr = dict(base_batch_size=64)

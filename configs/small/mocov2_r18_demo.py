# MoCo v2 on the demo scenes: the twin of regioncl_mocov2_r18_demo.py.
#
#     python tools/train.py configs/small/mocov2_r18_demo.py
_base_ = [
    '../_base_/models/mocov2_r50.py', '../_base_/datasets/demo.py',
    '../_base_/default_runtime.py'
]
model = dict(
    queue_len=512,  # below the 800 scenes
    momentum=0.99,
    backbone=dict(
        depth=18,
        base_channels=16,  # minutes on a CPU
        stem_channels=16,
        strides=(1, 2, 2, 1)),  # stride 16: 4 x 4 cells of 64 px
    neck=dict(in_channels=128, hid_channels=128))

max_epochs = 60  # of 12 steps
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.03, momentum=0.9, weight_decay=5e-4))
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
train_cfg = dict(
    type='ResumableTrainLoop', max_epochs=max_epochs, val_interval=10)
default_hooks = dict(logger=dict(interval=12))
auto_scale_lr = dict(base_batch_size=64, enable=False)
custom_hooks = [
    dict(type='PreflightHook'),
    dict(type='ValidateAtStartHook'),
    dict(type='ChannelsLastHook'),  # 1.7 times faster on a CPU
]

# BYOL, Tiny-ImageNet-like images of 64 px, a quarter of the width, 6 epochs:
# for a CPU. The twin of regioncl_byol_r18w16_tinyimagenet.py.
#
#     python tools/train.py configs/small/byol_r18w16_tinyimagenet.py
_base_ = [
    '../_base_/models/byol_r50.py', '../_base_/datasets/tinyimagenet.py',
    '../_base_/schedules/sgd_coslr_6epochs.py', '../_base_/default_runtime.py'
]
model = dict(
    backbone=dict(
        depth=18,
        base_channels=16,
        stem_channels=16,
        strides=(1, 2, 2, 1)),  # stride 16: 4 x 4 cells of 64 px
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

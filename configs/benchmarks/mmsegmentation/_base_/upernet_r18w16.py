# A small UPerNet, minutes on a CPU. The trunk is that of configs/small/
# *_r18w16_tinyimagenet.py and *_r18_demo.py, strides included, so that their
# weights arrive whole.
_base_ = './upernet_r50.py'
norm_cfg = dict(type='BN', requires_grad=True)
model = dict(
    backbone=dict(
        depth=18,
        base_channels=16,
        stem_channels=16,
        strides=(1, 2, 2, 1),
        norm_cfg=norm_cfg),
    decode_head=dict(
        in_channels=[16, 32, 64, 128], channels=32, norm_cfg=norm_cfg),
    auxiliary_head=dict(in_channels=64, channels=32, norm_cfg=norm_cfg))

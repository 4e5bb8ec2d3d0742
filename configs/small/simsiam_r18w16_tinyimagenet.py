# SimSiam, Tiny-ImageNet-like images of 64 px, a quarter of the width, 6
# epochs: for a CPU. The twin of regioncl_simsiam_r18w16_tinyimagenet.py.
#
#     python tools/train.py configs/small/simsiam_r18w16_tinyimagenet.py
_base_ = './simsiam_r18_tinyimagenet.py'
model = dict(
    backbone=dict(base_channels=16, stem_channels=16),
    neck=dict(in_channels=128, hid_channels=128, out_channels=128),
    head=dict(
        predictor=dict(
            in_channels=128, hid_channels=32, out_channels=128)))
train_dataloader = dict(batch_size=128)
max_epochs = 6
param_scheduler = [
    dict(
        type='LinearLR',
        start_factor=0.01,
        by_epoch=True,
        begin=0,
        end=1,
        convert_to_iter_based=True),
    dict(
        type='CosineAnnealingLR',
        by_epoch=True,
        begin=1,
        end=max_epochs,
        T_max=max_epochs - 1,
        convert_to_iter_based=True)
]
train_cfg = dict(max_epochs=max_epochs, val_interval=2)
auto_scale_lr = dict(base_batch_size=128)

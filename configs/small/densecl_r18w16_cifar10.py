# DenseCL, CIFAR-10, a quarter of the width, 4 epochs: for a
# CPU. The twin of regioncl_densecl_r18w16_cifar10.py.
#
#     python tools/train.py configs/small/densecl_r18w16_cifar10.py
_base_ = './densecl_r18_cifar10.py'
model = dict(
    backbone=dict(base_channels=16, stem_channels=16),
    neck=dict(in_channels=128, hid_channels=128))
train_dataloader = dict(batch_size=128)
max_epochs = 4
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

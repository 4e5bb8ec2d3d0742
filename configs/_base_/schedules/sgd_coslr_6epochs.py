# For a CPU: sgd_coslr_small.py in 6 epochs of batches of 128.
_base_ = './sgd_coslr_small.py'
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
        end=6,
        T_max=5,
        convert_to_iter_based=True)
]
train_cfg = dict(max_epochs=6, val_interval=2)
auto_scale_lr = dict(base_batch_size=128)

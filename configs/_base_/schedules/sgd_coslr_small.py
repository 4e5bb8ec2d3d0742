# For small images and small batches: five epochs of warm-up, then a cosine.
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.03, momentum=0.9, weight_decay=5e-4))
param_scheduler = [
    dict(
        type='LinearLR',
        start_factor=0.01,
        by_epoch=True,
        begin=0,
        end=5,
        convert_to_iter_based=True),
    dict(
        type='CosineAnnealingLR',
        by_epoch=True,
        begin=5,
        end=200,
        T_max=195,
        convert_to_iter_based=True)
]
train_cfg = dict(type='ResumableTrainLoop', max_epochs=200, val_interval=10)
auto_scale_lr = dict(base_batch_size=256, enable=False)

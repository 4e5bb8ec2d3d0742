# 90,000 iterations of 16 images, evaluated once, at the end.
train_cfg = dict(
    type='IterBasedTrainLoop', max_iters=90000, val_interval=90000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

param_scheduler = [
    dict(
        type='LinearLR', start_factor=0.001, by_epoch=False, begin=0,
        end=1001),  # LinearLR arrives a step before its end: at 1000, as d2
    dict(
        type='MultiStepLR',
        by_epoch=False,
        milestones=[60000, 80000],
        gamma=0.1)
]

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.02, momentum=0.9, weight_decay=1e-4),
    paramwise_cfg=dict(norm_decay_mult=0.))  # WEIGHT_DECAY_NORM 0
auto_scale_lr = dict(enable=False, base_batch_size=16)

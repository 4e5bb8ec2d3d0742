# The "2x" schedule: 180,000 iterations.
_base_ = './schedule_90k.py'
train_cfg = dict(max_iters=180000, val_interval=180000)
param_scheduler = [
    dict(
        type='LinearLR', start_factor=0.001, by_epoch=False, begin=0,
        end=1001),  # see schedule_90k.py
    dict(
        type='MultiStepLR',
        by_epoch=False,
        milestones=[120000, 160000],
        gamma=0.1)
]

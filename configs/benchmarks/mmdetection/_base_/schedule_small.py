# A few hundred iterations of 8 images, evaluated once, at the end.
_base_ = './schedule_90k.py'
max_iters = 250
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=50),
    dict(
        type='CosineAnnealingLR',
        by_epoch=False,
        begin=50,
        end=max_iters,
        T_max=max_iters - 50)
]
# Batches of 8 take half of the lr of 16. Gradients are clipped: no schedule of
# a few hundred steps survives a jump from random weights.
optim_wrapper = dict(clip_grad=dict(max_norm=10.))
auto_scale_lr = dict(enable=False, base_batch_size=8)

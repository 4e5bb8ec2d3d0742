# default_runtime.py for a few hundred iterations.
_base_ = './default_runtime.py'
default_hooks = dict(
    logger=dict(interval=20), checkpoint=dict(interval=1000, max_keep_ckpts=1))
custom_hooks = [
    dict(type='CheckPretrainedHook'),
    dict(type='PreciseBNHook', num_iters=20),
]

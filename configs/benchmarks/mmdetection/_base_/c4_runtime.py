# default_runtime.py for a backbone whose res5 is in the RoI head.
_base_ = './default_runtime.py'
custom_imports = dict(
    imports=[
        'mmregioncl.transfer', 'mmregioncl.transfer.res_layer_extra_norm'
    ],
    allow_failed_imports=False)
custom_hooks = [
    dict(type='CheckPretrainedHook', shared_head='roi_head.shared_head'),
    dict(type='PreciseBNHook', num_iters=200),
]

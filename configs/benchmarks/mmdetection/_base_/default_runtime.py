# What every transfer to MMDetection shares, as the authors' logs of
# detectron2 0.5 have it.
_base_ = 'mmdet::_base_/default_runtime.py'
custom_imports = dict(
    imports=['mmregioncl.transfer'], allow_failed_imports=False)
# One rank alone computes some metrics while the others wait, by an estimate up
# to 20 minutes for Cityscapes' instances; nccl's limit of 10 would end it.
env_cfg = dict(dist_cfg=dict(timeout=7200))  # seconds

default_hooks = dict(
    logger=dict(interval=50),
    checkpoint=dict(by_epoch=False, interval=5000, max_keep_ckpts=2))
custom_hooks = [
    dict(type='CheckPretrainedHook'),  # stops if a tensor did not arrive
    dict(type='PreciseBNHook', num_iters=200),  # TEST.PRECISE_BN
]
log_processor = dict(by_epoch=False)

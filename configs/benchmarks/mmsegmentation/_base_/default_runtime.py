# What every transfer to MMSegmentation shares.
_base_ = 'mmseg::_base_/default_runtime.py'
custom_imports = dict(
    imports=['mmregioncl.transfer'], allow_failed_imports=False)
# seconds; for ranks that wait for the one that computes a metric
env_cfg = dict(dist_cfg=dict(timeout=7200))
custom_hooks = [
    dict(type='CheckPretrainedHook'),  # stops if a tensor did not arrive
]

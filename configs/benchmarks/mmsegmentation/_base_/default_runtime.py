# What every transfer to MMSegmentation shares.
_base_ = 'mmseg::_base_/default_runtime.py'
custom_imports = dict(
    imports=['mmregioncl.transfer'], allow_failed_imports=False)
custom_hooks = [
    dict(type='CheckPretrainedHook'),  # stops if a tensor did not arrive
]

# What every classification benchmark shares: mmcls's classifier and metric,
# our image folders and our gate.
_base_ = 'mmcls::_base_/default_runtime.py'
custom_imports = dict(
    imports=['mmregioncl.register', 'mmregioncl.transfer'],
    allow_failed_imports=False)
# seconds; for ranks that wait for the one that computes a metric
env_cfg = dict(dist_cfg=dict(timeout=7200))
default_hooks = dict(
    # the best epoch is what the authors report, and most others
    checkpoint=dict(interval=10, max_keep_ckpts=2, save_best='accuracy/top1'))
custom_hooks = [
    dict(type='CheckPretrainedHook'),  # stops if a tensor did not arrive
    dict(type='CheckClassesHook'),  # head and data sets must agree
    dict(type='mmselfsup.PreflightHook'),  # names an lr for another batch
]

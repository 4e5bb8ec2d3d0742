# What every pretraining run shares. MMSelfSup's own tools run these configs
# too: custom_imports brings RegionCL in, whoever starts the run.
default_scope = 'mmselfsup'
custom_imports = dict(
    imports=['mmregioncl.register'], allow_failed_imports=False)

default_hooks = dict(
    runtime_info=dict(type='RuntimeInfoHook'),
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50),
    param_scheduler=dict(type='ParamSchedulerHook'),
    # each 10 epochs, and inside an epoch when 10 minutes have passed
    checkpoint=dict(
        type='ResumableCheckpointHook',
        interval=10,
        max_keep_ckpts=3,
        minutes=10),
    preemption=dict(type='PreemptionHook'),  # SIGTERM: saves, exits with 75
    sampler_seed=dict(type='DistSamplerSeedHook'),
    # feature spread, queue, paste; undoes steps that are not finite
    health=dict(type='HealthHook', interval=50))

# The first checks the run before it starts; the second prints k-NN at random
# weights where a config evaluates k-NN, to have something to compare with, and
# on resume makes up for one that was cut.
custom_hooks = [
    dict(type='PreflightHook'),
    dict(type='ValidateAtStartHook'),
]

env_cfg = dict(
    cudnn_benchmark=True,  # all views of a run have one size
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    # gloo is taken where there is no GPU. A rank that hangs ends the job after
    # so many seconds; one that dies ends it at once
    dist_cfg=dict(backend='nccl', timeout=600))

log_processor = dict(
    by_epoch=True,
    window_size=10,
    # these are averaged over the window; all else is of one iteration
    mean_pattern=r'.*(loss|acc|gap|time|data_time|grad_norm).*')
visualizer = dict(
    type='SelfSupVisualizer',
    vis_backends=[dict(type='LocalVisBackend')],
    name='visualizer')

randomness = dict(seed=0)  # as the authors; RegionSwap tells ranks apart
log_level = 'INFO'
load_from = None
resume = False

# The authors' schedule: SGD, cosine to 0 stepped once per epoch, no warm-up,
# weight decay on all parameters.
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.15, momentum=0.9, weight_decay=1e-4))
param_scheduler = [
    dict(type='CosineAnnealingLR', T_max=200, by_epoch=True, begin=0, end=200)
]
train_cfg = dict(type='ResumableTrainLoop', max_epochs=200)
# --auto-scale-lr takes lr for another total batch than that of the config
auto_scale_lr = dict(base_batch_size=1024, enable=False)

# The linear probe of MoCo. lr 30 is no slip: MoCo's authors found it, with no
# weight decay, by a grid search (their section 4.1). What a contrastive loss
# leaves has another magnitude than the features of supervised training, for
# which 0.1 serves; and one layer on a frozen backbone is a convex problem.
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=30., momentum=0.9, weight_decay=0.))
param_scheduler = [
    dict(type='MultiStepLR', by_epoch=True, milestones=[60, 80], gamma=0.1)
]
train_cfg = dict(by_epoch=True, max_epochs=100, val_interval=1)

# RegionCL on SimCLR, CIFAR-10, a quarter of the width.
#
#     python tools/train.py configs/small/regioncl_simclr_r18w16_cifar10.py
_base_ = './simclr_r18w16_cifar10.py'
model = dict(
    type='RegionCLSimCLR',
    neck=dict(type='RegionNonLinearNeck'),
    region_swap=dict(
        stride=8,
        cells=(2, 3)),  # of 4: the share of a side that (3, 5) is of 7
    region_loss_weight=0.5)  # as RegionCL-M at this size

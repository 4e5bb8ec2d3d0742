# RegionCL on BYOL, Tiny-ImageNet-like images of 64 px.
#
#     python tools/train.py configs/small/regioncl_byol_r18w16_tinyimagenet.py
_base_ = './byol_r18w16_tinyimagenet.py'
model = dict(
    type='RegionCLBYOL',
    neck=dict(type='RegionNonLinearNeck'),
    head=dict(type='RegionLatentPredictHead'),
    region_swap=dict(
        stride=16,
        cells=(2, 3)),  # of 4: the share of a side that (3, 5) is of 7
    region_loss_weight=0.5)  # as RegionCL-M at this size

# RegionCL-S, the demo scenes.
#
#     python tools/train.py configs/small/regioncl_simsiam_r18_demo.py
_base_ = './simsiam_r18_demo.py'
model = dict(
    type='RegionCLSimSiam',
    neck=dict(type='RegionNonLinearNeck'),
    head=dict(type='RegionLatentPredictHead'),
    region_swap=dict(
        stride=16,
        cells=(2, 3)),  # of 4: the share of a side that (3, 5) is of 7
    region_loss_weight=0.5)  # as RegionCL-M at this size

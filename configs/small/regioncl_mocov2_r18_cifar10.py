# RegionCL-M, CIFAR-10, ResNet-18 of stride 8, batch 256, 200 epochs.
#
#     python tools/train.py configs/small/regioncl_mocov2_r18_cifar10.py
_base_ = './mocov2_r18_cifar10.py'
model = dict(
    type='RegionCLMoCo',
    neck=dict(type='RegionMoCoV2Neck'),
    head=dict(type='RegionContrastiveHead'),
    region_swap=dict(
        stride=8,
        cells=(2, 3)),  # of 4: the share of a side that (3, 5) is of 7
    region_loss_weight=0.5)  # 1 and 0.2: docs/results/evidence.md

# RegionCL-M on any folder of images, found at any depth: no list, no labels.
#
#     python tools/train.py configs/small/regioncl_mocov2_r18_folder.py \
#         --cfg-options data_root=/any/folder
_base_ = './mocov2_r18_folder.py'
model = dict(
    type='RegionCLMoCo',
    neck=dict(type='RegionMoCoV2Neck'),
    head=dict(type='RegionContrastiveHead'),
    region_swap=dict(stride=32, cells=(3, 5)),  # of 7, as in the paper
    region_loss_weight=0.5)  # 1 and 0.2: docs/results/evidence.md

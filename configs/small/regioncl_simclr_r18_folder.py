# RegionCL on SimCLR, any folder of images, found at any depth: no list, no
# labels.
#
#     python tools/train.py configs/small/regioncl_simclr_r18_folder.py \
#         --cfg-options data_root=/any/folder
_base_ = './simclr_r18_folder.py'
model = dict(
    type='RegionCLSimCLR',
    neck=dict(type='RegionNonLinearNeck'),
    region_swap=dict(stride=32, cells=(3, 5)),  # of 7, as in the paper
    region_loss_weight=0.5)  # as in docs/results/evidence.md

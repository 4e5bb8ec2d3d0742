# SimCLR on any folder of images: the twin of regioncl_simclr_r18_folder.py.
#
#     python tools/train.py configs/small/simclr_r18_folder.py \
#         --cfg-options data_root=/any/folder
_base_ = [
    '../_base_/models/simclr_r50.py', '../_base_/datasets/folder.py',
    '../_base_/schedules/sgd_coslr_small.py', '../_base_/default_runtime.py'
]
model = dict(
    backbone=dict(depth=18), neck=dict(in_channels=512, hid_channels=512))
train_dataloader = dict(batch_size=128)  # the negatives: as many as fit
auto_scale_lr = dict(base_batch_size=128)  # of one GPU

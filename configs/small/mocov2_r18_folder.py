# MoCo v2 on any folder of images: the twin of regioncl_mocov2_r18_folder.py.
#
#     python tools/train.py configs/small/mocov2_r18_folder.py \
#         --cfg-options data_root=/any/folder
_base_ = [
    '../_base_/models/mocov2_r50.py', '../_base_/datasets/folder.py',
    '../_base_/schedules/sgd_coslr_small.py', '../_base_/default_runtime.py'
]
model = dict(
    queue_len=4096,  # at most as many as there are images; it warns
    momentum=0.99,  # 0.999 suits runs of 100,000 steps and more
    backbone=dict(depth=18),
    neck=dict(in_channels=512, hid_channels=512))
auto_scale_lr = dict(base_batch_size=64)  # of one GPU

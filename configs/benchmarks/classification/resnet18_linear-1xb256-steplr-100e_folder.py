# Linear probe on any folder of labelled images: data_root/train/<class>/ and
# data_root/val/<class>/.
#
#     python tools/benchmarks/train_downstream.py \
#         resnet18_linear-1xb256-steplr-100e_folder WEIGHTS \
#         --cfg-options data_root=/any/folder model.head.num_classes=20
_base_ = [
    './_base_/resnet18.py', './_base_/folder.py',
    './_base_/linear_sgd_100e.py', './_base_/default_runtime.py'
]
model = dict(backbone=dict(frozen_stages=4))  # all of it, BN in eval mode
train_dataloader = dict(batch_size=256)
auto_scale_lr = dict(enable=False, base_batch_size=256)

# Linear probe on the drawn scenes (data/demo/folders), for weights of
# configs/small/*_r18_demo.py, a quarter of the width. A minute on a CPU.
#
#     python tools/dataset_converters/make_demo_data.py data/demo
#     python tools/benchmarks/train_downstream.py \
#         resnet18w16_linear-1xb64-steplr-20e_demo WEIGHTS
_base_ = [
    './_base_/resnet18.py', './_base_/folder.py',
    './_base_/linear_sgd_100e.py', './_base_/default_runtime.py'
]
model = dict(
    backbone=dict(
        base_channels=16,
        stem_channels=16,
        strides=(1, 2, 2, 1),
        frozen_stages=4),  # all of it, BN in eval mode
    head=dict(num_classes=8, in_channels=128))
train_pipeline = _base_.train_pipeline
train_pipeline[1].scale = 96
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(96, 96)),
    dict(type='PackClsInputs')
]
data_root = 'data/demo/folders'
train_dataloader = dict(
    num_workers=1, dataset=dict(data_root=data_root, pipeline=train_pipeline))
val_dataloader = dict(
    num_workers=1, dataset=dict(data_root=data_root, pipeline=test_pipeline))
test_dataloader = val_dataloader
# lr 30 suits ResNet-50's features; those of this small network are longer.
optim_wrapper = dict(optimizer=dict(lr=1.))
param_scheduler = [
    dict(type='MultiStepLR', by_epoch=True, milestones=[12, 16], gamma=0.1)
]
train_cfg = dict(max_epochs=20, val_interval=5)
default_hooks = dict(logger=dict(interval=4))
auto_scale_lr = dict(enable=False, base_batch_size=64)

# A small UPerNet on CamVid in the Cityscapes layout (data/camvid): 80 frames
# of 480 x 360, 300 iterations of 8 crops. Minutes on a CPU.
#
#     python tools/benchmarks/train_downstream.py upernet_r18w16_camvid WEIGHTS
#
# The recipe is that of Cityscapes at a quarter of the size: frames scaled by
# 0.5 to 2, crops of about half of a frame's sides; and, as these are few
# iterations, five times the lr: the better of the two from random weights.
_base_ = [
    './_base_/upernet_r18w16.py', 'mmseg::_base_/datasets/cityscapes.py',
    'mmseg::_base_/schedules/schedule_40k.py', './_base_/default_runtime.py'
]
# The classes that occur. With all 19 of Cityscapes, one that is predicted
# somewhere and is nowhere would count as an IoU of 0.
classes = ('road', 'sidewalk', 'building', 'fence', 'pole', 'traffic sign',
           'vegetation', 'sky', 'person', 'rider', 'car')
data_root = 'data/camvid'
crop_size = (192, 256)
model = dict(
    data_preprocessor=dict(size=crop_size),
    decode_head=dict(num_classes=len(classes)),
    auxiliary_head=dict(num_classes=len(classes)))

train_pipeline = _base_.train_pipeline
train_pipeline[2].scale = (480, 360)
train_pipeline[3].crop_size = crop_size
test_pipeline = _base_.test_pipeline
test_pipeline[1].scale = (480, 360)
train_dataloader = dict(
    batch_size=8,
    num_workers=1,
    dataset=dict(
        data_root=data_root,
        metainfo=dict(classes=classes),
        pipeline=train_pipeline))
val_dataloader = dict(
    num_workers=1,
    dataset=dict(
        data_root=data_root,
        metainfo=dict(classes=classes),
        pipeline=test_pipeline))
test_dataloader = val_dataloader

optim_wrapper = dict(optimizer=dict(lr=0.05))
max_iters = 300
param_scheduler = [
    dict(
        type='PolyLR',
        eta_min=1e-4,
        power=0.9,
        begin=0,
        end=max_iters,
        by_epoch=False)
]
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
default_hooks = dict(
    logger=dict(interval=20),
    checkpoint=dict(interval=max_iters, max_keep_ckpts=1))
auto_scale_lr = dict(enable=False, base_batch_size=8)

# The small UPerNet on the drawn street scenes (data/demo/cityscapes): 24
# scenes of 256 x 128, 100 iterations of 4 crops. A minute on a CPU.
#
#     python tools/dataset_converters/make_demo_data.py data/demo
#     python tools/benchmarks/train_downstream.py upernet_r18w16_demo WEIGHTS
_base_ = './upernet_r18w16_camvid.py'
classes = ('road', 'sidewalk', 'building', 'vegetation', 'terrain', 'sky',
           'person', 'rider', 'car', 'truck', 'motorcycle', 'bicycle')
data_root = 'data/demo/cityscapes'
crop_size = (128, 128)
model = dict(
    data_preprocessor=dict(size=crop_size),
    decode_head=dict(num_classes=len(classes)),
    auxiliary_head=dict(num_classes=len(classes)))

train_pipeline = _base_.train_pipeline
train_pipeline[2].scale = (256, 128)
train_pipeline[3].crop_size = crop_size
test_pipeline = _base_.test_pipeline
test_pipeline[1].scale = (256, 128)
train_dataloader = dict(
    batch_size=4,
    dataset=dict(
        data_root=data_root,
        metainfo=dict(classes=classes),
        pipeline=train_pipeline))
val_dataloader = dict(
    dataset=dict(
        data_root=data_root,
        metainfo=dict(classes=classes),
        pipeline=test_pipeline))
test_dataloader = val_dataloader

max_iters = 100
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
    logger=dict(interval=10),
    checkpoint=dict(interval=max_iters, max_keep_ckpts=1))
auto_scale_lr = dict(enable=False, base_batch_size=4)

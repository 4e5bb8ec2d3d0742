# COCO 2017 without masks, else as coco_instance.py.
_base_ = 'mmdet::_base_/datasets/coco_detection.py'
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(
        type='RandomChoiceResize',
        scales=[(1333, short) for short in range(640, 801, 32)],
        keep_ratio=True),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackDetInputs')
]
train_dataloader = dict(
    batch_size=2,  # of 8 GPUs
    num_workers=4,
    sampler=dict(type='InfiniteSampler'),
    dataset=dict(pipeline=train_pipeline))

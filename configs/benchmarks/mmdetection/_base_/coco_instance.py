# COCO 2017 with masks: shorter side 640 to 800 in training, 800 in testing.
# detectron2 resizes with Pillow, mmdet with OpenCV: the same but for images
# that shrink, which hardly any of COCO's does.
_base_ = 'mmdet::_base_/datasets/coco_instance.py'
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(
        type='LoadAnnotations',
        with_bbox=True,
        with_mask=True,
        poly2mask=False),  # targets are cut from polygons, as in detectron2
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

# Cityscapes instances: shorter side 800 to 1024 in training. mmdet's converter
# stores masks where detectron2 reads polygons; both are cut at 28 x 28.
_base_ = 'mmdet::_base_/datasets/cityscapes_instance.py'
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True, with_mask=True),
    dict(
        type='RandomChoiceResize',
        scales=[(2048, short) for short in range(800, 1025, 32)],
        keep_ratio=True),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackDetInputs')
]
train_dataloader = dict(
    batch_size=1,  # of 8 GPUs
    num_workers=4,
    sampler=dict(type='InfiniteSampler'),
    dataset=dict(
        _delete_=True,  # mmdet repeats the set 8 times to make its epochs
        type='CityscapesDataset',
        data_root=_base_.data_root,
        ann_file='annotations/instancesonly_filtered_gtFine_train.json',
        data_prefix=dict(img='leftImg8bit/train/'),
        filter_cfg=dict(filter_empty_gt=True, min_size=32),
        pipeline=train_pipeline))

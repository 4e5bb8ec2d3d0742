# Tiny-ImageNet, or any labelled set of 64 px images in class folders
# train/<class>/, val/<class>/; the augmentations of MoCo v2, blur at half the
# width: a sigma of 2 px of 224 is 0.6 of 64.
view_pipeline = [
    dict(
        type='RandomResizedCrop', size=64, scale=(0.2, 1.), backend='pillow'),
    dict(
        type='RandomApply',
        transforms=[
            dict(
                type='ColorJitter',
                brightness=0.4,
                contrast=0.4,
                saturation=0.4,
                hue=0.1)
        ],
        prob=0.8),
    dict(
        type='RandomGrayscale',
        prob=0.2,
        keep_channels=True,
        channel_weights=(0.114, 0.587, 0.2989)),  # BGR
    dict(type='RandomGaussianBlur', sigma_min=0.1, sigma_max=1.0, prob=0.5),
    dict(type='RandomFlip', prob=0.5),
]

# Decoded once for both views, which are finished on the device.
train_pipeline = [
    dict(type='LoadViews', num_views=2, transforms=[view_pipeline]),
    dict(type='PackViews', meta_keys=['img_path'])
]
# The same views, to a rounding, by MMSelfSup's own transforms alone:
#     train_dataloader = dict(dataset=dict(pipeline=_base_.stock_pipeline))
stock_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='MultiView', num_views=2, transforms=[view_pipeline]),
    dict(type='PackSelfSupInputs', meta_keys=['img_path'])
]

train_dataloader = dict(
    batch_size=256,
    num_workers=2,
    drop_last=True,
    persistent_workers=True,
    sampler=dict(type='ResumableSampler', shuffle=True),
    collate_fn=dict(type='default_collate'),
    dataset=dict(
        type='ImageFolder',
        data_root='data/tiny-imagenet/train',
        pipeline=train_pipeline))

# k-NN: 10,000 images of the training set vote on those of the
# val set. Labels are used here only.
eval_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(64, 64)),
    dict(type='PackLabelledImage')
]
bank_dataloader = dict(
    batch_size=256,
    num_workers=1,
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='default_collate'),
    dataset=dict(
        type='ImageFolder',
        data_root='data/tiny-imagenet/train',
        with_label=True,
        max_images=10000,
        pipeline=eval_pipeline))
val_dataloader = dict(
    batch_size=256,
    num_workers=1,
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='default_collate'),
    dataset=dict(
        type='ImageFolder',
        data_root='data/tiny-imagenet/val',
        with_label=True,
        pipeline=eval_pipeline))
val_cfg = dict(type='KNNLoop', bank_dataloader=bank_dataloader)
val_evaluator = dict(type='KNNMetric', k=20, temperature=0.07)

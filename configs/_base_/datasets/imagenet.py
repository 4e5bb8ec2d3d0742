# ImageNet-1k under data/imagenet/train, no list file and no labels needed;
# two views by the augmentations of MoCo v2, through MMSelfSup's transforms.
view_pipeline = [
    dict(
        type='RandomResizedCrop', size=224, scale=(0.2, 1.), backend='pillow'),
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
    dict(type='RandomGaussianBlur', sigma_min=0.1, sigma_max=2.0, prob=0.5),
    dict(type='RandomFlip', prob=0.5),
]

# Decoded once for both views, which are finished on the device.
train_pipeline = [
    dict(type='LoadViews', num_views=2, transforms=[view_pipeline]),
    dict(type='PackViews', meta_keys=['img_path'])
]
# The same views, to a rounding and what LoadViews.reducing_gap does to large
# JPEGs, by MMSelfSup's own transforms alone:
#     train_dataloader = dict(dataset=dict(pipeline=_base_.stock_pipeline))
stock_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='MultiView', num_views=2, transforms=[view_pipeline]),
    dict(type='PackSelfSupInputs', meta_keys=['img_path'])
]

train_dataloader = dict(
    batch_size=128,  # per GPU; 8 GPUs make the paper's 1024
    num_workers=10,
    drop_last=True,
    persistent_workers=True,
    pin_memory=True,
    sampler=dict(type='ResumableSampler', shuffle=True),
    collate_fn=dict(type='default_collate'),
    dataset=dict(
        type='ImageFolder',
        data_root='data/imagenet/train',
        pipeline=train_pipeline))

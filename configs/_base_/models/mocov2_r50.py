# MoCo v2 (https://arxiv.org/abs/2003.04297) as RegionCL-M trains it: the
# numbers of Annbless/RegionCL configs/selfsup/regionCL-M/regionCLM-r50.py.
model = dict(
    type='MoCo',
    queue_len=65536,
    feat_dim=128,
    momentum=0.999,  # share of the key encoder that stays in a step
    data_preprocessor=dict(
        type='DeviceViewsPreprocessor',
        mean=(123.675, 116.28, 103.53),
        std=(58.395, 57.12, 57.375),
        bgr_to_rgb=True),
    backbone=dict(
        type='ResNet',
        depth=50,
        out_indices=[4],  # 0: conv-1, x: stage-x
        norm_cfg=dict(type='BN'),  # not SyncBN: shuffle-BN needs it per GPU
        # fan_in as in the authors' code; torchvision takes fan_out
        init_cfg=[
            dict(type='Kaiming', layer='Conv2d', mode='fan_in'),
            dict(type='Constant', val=1, layer=['_BatchNorm', 'GroupNorm'])
        ]),
    neck=dict(
        type='MoCoV2Neck',
        in_channels=2048,
        hid_channels=2048,
        out_channels=128,
        init_cfg=dict(type='Kaiming', layer='Linear', mode='fan_in')),
    head=dict(
        type='ContrastiveHead',
        loss=dict(type='mmcls.CrossEntropyLoss'),
        temperature=0.2))

# DenseCL (https://arxiv.org/abs/2011.09157), MMSelfSup's numbers.
model = dict(
    type='DenseCL',
    queue_len=65536,
    feat_dim=128,
    momentum=0.999,  # share of the key encoder that stays in a step
    loss_lambda=0.5,  # (1 - lambda) instance + lambda dense
    data_preprocessor=dict(
        type='DeviceViewsPreprocessor',
        mean=(123.675, 116.28, 103.53),
        std=(58.395, 57.12, 57.375),
        bgr_to_rgb=True),
    backbone=dict(
        type='ResNet',
        depth=50,
        out_indices=[4],  # 0: conv-1, x: stage-x
        norm_cfg=dict(type='BN')),  # not SyncBN: shuffle-BN needs it per GPU
    neck=dict(
        type='DenseCLNeck',
        in_channels=2048,
        hid_channels=2048,
        out_channels=128,
        num_grid=None),  # the dense branch keeps the 7 x 7 cells
    head=dict(
        type='ContrastiveHead',
        loss=dict(type='mmcls.CrossEntropyLoss'),
        temperature=0.2))

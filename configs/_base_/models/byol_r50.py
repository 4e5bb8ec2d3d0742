# BYOL (https://arxiv.org/abs/2006.07733), MMSelfSup's numbers.
model = dict(
    type='BYOL',
    base_momentum=0.99,  # rises to 1 over the run
    data_preprocessor=dict(
        type='DeviceViewsPreprocessor',
        mean=(123.675, 116.28, 103.53),
        std=(58.395, 57.12, 57.375),
        bgr_to_rgb=True),
    backbone=dict(
        type='ResNet',
        depth=50,
        out_indices=[4],  # 0: conv-1, x: stage-x
        norm_cfg=dict(type='SyncBN')),  # BN in one process, and on CPUs
    neck=dict(
        type='NonLinearNeck',
        in_channels=2048,
        hid_channels=4096,
        out_channels=256,
        with_bias=True,
        with_last_bn=False),
    head=dict(
        type='LatentPredictHead',
        loss=dict(type='CosineSimilarityLoss'),
        predictor=dict(
            type='NonLinearNeck',
            in_channels=256,
            hid_channels=4096,
            out_channels=256,
            with_avg_pool=False,
            with_bias=True,
            with_last_bn=False)))

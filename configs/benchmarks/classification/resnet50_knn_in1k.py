# k-NN on ImageNet-1k: 1.28 million images vote on those of val.
#
#     tools/dist_test.sh configs/benchmarks/classification/\
#         resnet50_knn_in1k.py WEIGHTS 8
#
# The authors published no number. k = 20 and 200, temperature 0.07.
_base_ = [
    '../../_base_/models/mocov2_r50.py', '../../_base_/default_runtime.py'
]
eval_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='mmcls.ResizeEdge', scale=256, edge='short', backend='pillow'),
    dict(type='CenterCrop', crop_size=224),
    dict(type='PackLabelledImage')
]
data_root = 'data/imagenet'
bank_dataloader = dict(
    batch_size=256,
    num_workers=8,
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='default_collate'),
    dataset=dict(
        type='ImageFolder',
        data_root=data_root,
        data_prefix='train',
        with_label=True,
        pipeline=eval_pipeline))
val_dataloader = dict(
    batch_size=256,
    num_workers=8,
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='default_collate'),
    dataset=dict(
        type='ImageFolder',
        data_root=data_root,
        data_prefix='val',
        ann_file='meta/val.txt',  # '' where val holds class folders
        with_label=True,
        test_mode=True,
        pipeline=eval_pipeline))
val_cfg = dict(type='KNNLoop', bank_dataloader=bank_dataloader)
val_evaluator = [
    dict(type='KNNMetric', k=20, temperature=0.07),
    dict(type='KNNMetric', k=200, temperature=0.07, prefix='knn200')
]

# Semi-supervised: fine-tuning on 10 % of ImageNet-1k's labels, 128 per class.
#
#     tools/benchmarks/classification/dist_train.sh configs/benchmarks/\
#         classification/resnet50_ft-4xb64-steplr-20e_in1k-10pct.py WEIGHTS 4
#
# As resnet50_ft-4xb64-steplr-20e_in1k-1pct.py, which says how to choose lr and
# head; less weight decay. meta/train_10percent.txt likewise.
_base_ = [
    './_base_/resnet50.py', './_base_/imagenet.py', './_base_/finetune_20e.py',
    './_base_/default_runtime.py'
]
model = dict(backbone=dict(norm_cfg=dict(type='SyncBN')))
train_dataloader = dict(
    batch_size=64, dataset=dict(ann_file='meta/train_10percent.txt'))

# The small Mask R-CNN on the drawn scenes (data/demo/coco): 60 images of
# 320 x 240, 200 iterations of 8. Minutes on a CPU.
#
#     python tools/dataset_converters/make_demo_data.py data/demo
#     python tools/benchmarks/train_downstream.py \
#         mask-rcnn_r18w16-fpn_demo WEIGHTS
_base_ = [
    './_base_/mask-rcnn_r18w16-fpn.py', './_base_/coco_small.py',
    './_base_/schedule_small.py', './_base_/small_runtime.py'
]
classes = ('ball', 'car', 'chair', 'house', 'mug', 'ring', 'star', 'tree')
data_root = 'data/demo/coco/'
model = dict(
    roi_head=dict(
        bbox_head=dict(num_classes=len(classes)),
        mask_head=dict(num_classes=len(classes))))
train_dataloader = dict(
    dataset=dict(
        data_root=data_root,
        metainfo=dict(classes=classes),
        ann_file='annotations/instances_train.json',
        data_prefix=dict(img='images/train/')))
val_dataloader = dict(
    dataset=dict(
        data_root=data_root,
        metainfo=dict(classes=classes),
        ann_file='annotations/instances_val.json',
        data_prefix=dict(img='images/val/')))
test_dataloader = val_dataloader
val_evaluator = dict(ann_file=data_root + 'annotations/instances_val.json')
test_evaluator = val_evaluator

max_iters = 200
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=50),
    dict(
        type='CosineAnnealingLR',
        by_epoch=False,
        begin=50,
        end=max_iters,
        T_max=max_iters - 50)
]

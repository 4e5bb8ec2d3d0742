# A small Faster R-CNN on blood cells (data/bccd, COCO format, boxes only): 205
# images of 640 x 480 at about half of that, 250 iterations of 8. Minutes on a
# CPU.
#
#     python tools/benchmarks/train_downstream.py \
#         faster-rcnn_r18w16-fpn_bccd WEIGHTS
_base_ = [
    './_base_/faster-rcnn_r18w16-fpn.py', './_base_/coco_small.py',
    './_base_/schedule_small.py', './_base_/small_runtime.py'
]
classes = ('RBC', 'WBC', 'Platelets')
data_root = 'data/bccd/'
model = dict(roi_head=dict(bbox_head=dict(num_classes=len(classes))))
train_pipeline = _base_.train_pipeline
train_pipeline[1] = dict(type='LoadAnnotations', with_bbox=True)
test_pipeline = _base_.test_pipeline
test_pipeline[2] = dict(type='LoadAnnotations', with_bbox=True)
train_dataloader = dict(
    dataset=dict(
        data_root=data_root,
        metainfo=dict(classes=classes),
        pipeline=train_pipeline))
val_dataloader = dict(
    dataset=dict(
        data_root=data_root,
        metainfo=dict(classes=classes),
        pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(
    ann_file=data_root + 'annotations/instances_val2017.json', metric='bbox')
test_evaluator = val_evaluator

# A small Mask R-CNN on 80 + 20 images of COCO (data/coco128): 250 iterations
# of 8. Minutes on a CPU, and far too few images for an AP to speak of: to see
# real COCO data go through.
#
#     python tools/benchmarks/train_downstream.py \
#         mask-rcnn_r18w16-fpn_coco128 WEIGHTS
_base_ = [
    './_base_/mask-rcnn_r18w16-fpn.py', './_base_/coco_small.py',
    './_base_/schedule_small.py', './_base_/small_runtime.py'
]
data_root = 'data/coco128/'
train_dataloader = dict(dataset=dict(data_root=data_root))
val_dataloader = dict(dataset=dict(data_root=data_root))
test_dataloader = val_dataloader
val_evaluator = dict(ann_file=data_root + 'annotations/instances_val2017.json')
test_evaluator = val_evaluator

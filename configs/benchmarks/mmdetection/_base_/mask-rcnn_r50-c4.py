# Mask R-CNN on res4, with res5 and one more SyncBN as box head. The RPN takes
# 12,000/2,000 boxes in training and 6,000/1,000 in testing, as mmdet's base.
_base_ = 'mmdet::_base_/models/mask-rcnn_r50-caffe-c4.py'
norm_cfg = dict(type='SyncBN', requires_grad=True)
model = dict(
    data_preprocessor=dict(
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_size_divisor=1),  # detectron2 pads for FPNs only
    backbone=dict(
        frozen_stages=-1,
        norm_cfg=norm_cfg,
        norm_eval=False,
        style='pytorch',  # STRIDE_IN_1X1 False
        init_cfg=dict(
            _delete_=True,
            type='Pretrained',
            checkpoint='WEIGHTS',  # the launch scripts put the file here
            prefix='backbone.')),
    roi_head=dict(
        shared_head=dict(
            type='ResLayerExtraNorm',
            style='pytorch',
            norm_cfg=norm_cfg,
            norm_eval=False,
            init_cfg=dict(  # res5 is layer4 of the same file
                type='Pretrained',
                checkpoint='WEIGHTS',
                prefix='backbone.'))),
    # anchors that cross the border train as well: RPN.BOUNDARY_THRESH -1
    train_cfg=dict(rpn=dict(allowed_border=-1)))

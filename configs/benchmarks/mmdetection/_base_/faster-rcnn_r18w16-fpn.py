# Faster R-CNN for a CPU: ResNet-18 and FPN of a quarter of the width. The
# backbone is that of configs/small/*_r18_demo.py and *_r18w16_tinyimagenet.py;
# they pretrain it with other strides, which leave no trace in the weights.
#
# BN everywhere as in the large runs, and in training mode: weights without
# labels come with activations of another scale than those of supervised ones,
# and random ones with no statistics at all. Batches of 8 are enough for it: a
# channel sees 8 feature maps of at least 8 x 10.
_base_ = 'mmdet::_base_/models/faster-rcnn_r50_fpn.py'
norm_cfg = dict(type='BN', requires_grad=True)
model = dict(
    backbone=dict(
        depth=18,
        base_channels=16,
        stem_channels=16,
        frozen_stages=-1,
        norm_cfg=norm_cfg,
        norm_eval=False,
        init_cfg=dict(
            _delete_=True,
            type='Pretrained',
            checkpoint='WEIGHTS',  # the launch scripts put the file here
            prefix='backbone.')),
    neck=dict(
        in_channels=[16, 32, 64, 128], out_channels=64, norm_cfg=norm_cfg),
    rpn_head=dict(
        in_channels=64, feat_channels=64,
        anchor_generator=dict(scales=[4])),  # from 16 px: images are small
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=64),
        bbox_head=dict(in_channels=64, fc_out_channels=256)),
    # boxes to train on and to look at: a quarter, as there are fewer objects
    train_cfg=dict(
        rpn_proposal=dict(nms_pre=500, max_per_img=250),
        rcnn=dict(sampler=dict(num=128))),
    test_cfg=dict(rpn=dict(nms_pre=500, max_per_img=250)))

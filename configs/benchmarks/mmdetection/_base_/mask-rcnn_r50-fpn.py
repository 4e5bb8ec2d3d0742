# Mask R-CNN with FPN. Nothing frozen; SyncBN in backbone and FPN only, no
# norm in the heads.
_base_ = 'mmdet::_base_/models/mask-rcnn_r50_fpn.py'
norm_cfg = dict(type='SyncBN', requires_grad=True)
model = dict(
    backbone=dict(
        frozen_stages=-1,
        norm_cfg=norm_cfg,
        norm_eval=False,
        init_cfg=dict(
            _delete_=True,
            type='Pretrained',
            checkpoint='WEIGHTS',  # the launch scripts put the file here
            prefix='backbone.')),
    neck=dict(norm_cfg=norm_cfg),
    # detectron2 lets no box below IoU 0.5 count as a match
    train_cfg=dict(rcnn=dict(assigner=dict(match_low_quality=False))))

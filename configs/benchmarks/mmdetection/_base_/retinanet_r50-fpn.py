# RetinaNet. What mmdet cannot say as detectron2 has it: SyncBN also after the
# convolutions of P6 and P7, which have none there; and the loss is divided by
# the positives of the batch, not by their running average.
_base_ = 'mmdet::_base_/models/retinanet_r50_fpn.py'
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
    neck=dict(norm_cfg=norm_cfg, relu_before_extra_convs=True))

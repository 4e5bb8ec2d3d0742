# UPerNet on a plain ResNet-50: mmseg's own base has ResNetV1c, whose stem of
# three convolutions cannot take the weights, and fetches weights of its own.
# Nothing frozen, SyncBN everywhere, BN in training mode.
_base_ = 'mmseg::_base_/models/upernet_r50.py'
model = dict(
    pretrained=None,
    data_preprocessor=dict(size=(512, 1024)),
    backbone=dict(
        type='ResNet',
        init_cfg=dict(
            type='Pretrained',
            checkpoint='WEIGHTS',  # the launch scripts put the file here
            prefix='backbone.')))

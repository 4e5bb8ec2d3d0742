# The trunk of configs/small/*_r18_cifar10.py. For the weights of a quarter of
# the width (*_r18w16_cifar10.py):
#     --cfg-options model.backbone.base_channels=16 \
#         model.backbone.stem_channels=16 model.head.in_channels=128
_base_ = './resnet50.py'
model = dict(
    backbone=dict(
        type='ResNet_CIFAR',  # 3 x 3 stem, no max pooling
        depth=18,
        strides=(2, 2, 2, 1)),
    head=dict(num_classes=10, in_channels=512))

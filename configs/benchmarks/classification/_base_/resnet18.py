# The trunk of configs/small/*_r18_folder.py.
_base_ = './resnet50.py'
model = dict(backbone=dict(depth=18), head=dict(in_channels=512))

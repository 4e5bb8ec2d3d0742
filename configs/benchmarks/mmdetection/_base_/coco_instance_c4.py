# The C4 runs' COCO: the longer side is at most 1200 in training (1333 in
# testing, as everywhere).
_base_ = './coco_instance.py'
train_pipeline = _base_.train_pipeline
train_pipeline[2].scales = [(1200, short) for short in range(640, 801, 32)]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))

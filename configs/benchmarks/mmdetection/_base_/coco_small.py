# Images at about half of COCO's size, in batches of 8, with masks where there
# are any.
_base_ = './coco_instance.py'
train_pipeline = _base_.train_pipeline
train_pipeline[2].scales = [(400, short) for short in range(192, 289, 32)]
test_pipeline = _base_.test_pipeline
test_pipeline[1].scale = (400, 240)
train_dataloader = dict(
    batch_size=8, num_workers=1, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=4, num_workers=1, dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

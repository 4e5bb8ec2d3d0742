# Any folder of labelled images: data_root/train/<class>/ and
# data_root/val/<class>/.
_base_ = './imagenet.py'
data_root = '/any/folder'
train_dataloader = dict(
    batch_size=64, num_workers=4, dataset=dict(data_root=data_root))
val_dataloader = dict(
    batch_size=64,
    num_workers=4,
    dataset=dict(data_root=data_root, ann_file=''))
test_dataloader = val_dataloader

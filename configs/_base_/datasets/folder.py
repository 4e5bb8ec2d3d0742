# Any folder of images, found at any depth: no labels and no list file.
_base_ = './imagenet.py'
data_root = '/any/folder'
train_dataloader = dict(
    batch_size=64, num_workers=4, dataset=dict(data_root=data_root))

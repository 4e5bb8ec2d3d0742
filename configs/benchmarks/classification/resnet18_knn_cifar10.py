# k-NN on CIFAR-10: the whole training set votes on the test set. While they
# pretrain, the configs in configs/small evaluate with 10,000 images of it.
#
#     python tools/test.py resnet18_knn_cifar10 WEIGHTS
_base_ = '../../small/mocov2_r18_cifar10.py'
bank_dataloader = dict(dataset=dict(max_images=None))
val_cfg = dict(bank_dataloader=dict(dataset=dict(max_images=None)))

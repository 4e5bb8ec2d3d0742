# Linear probe on CIFAR-10, MoCo's recipe. For weights of
# configs/small/*_r18_cifar10.py; _base_/resnet18_cifar.py says how the
# *_r18w16_cifar10.py ones fit.
#
#     python tools/benchmarks/train_downstream.py \
#         resnet18_linear-1xb256-steplr-100e_cifar10 WEIGHTS
#
# tools/benchmarks/classification/probe.py tells nearly the same in seconds.
_base_ = [
    './_base_/resnet18_cifar.py', './_base_/cifar10.py',
    './_base_/linear_sgd_100e.py', './_base_/default_runtime.py'
]
model = dict(backbone=dict(frozen_stages=4))  # all of it, BN in eval mode
auto_scale_lr = dict(enable=False, base_batch_size=256)

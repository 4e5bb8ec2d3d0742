# Linear probe on ImageNet-1k: 100 epochs of SGD, batch 1024, lr 30.
#
#     tools/benchmarks/classification/dist_train.sh configs/benchmarks/\
#         classification/resnet50_linear-8xb128-steplr-100e_in1k.py WEIGHTS 8
#
# Top-1, paper:  M 69.4  D 68.5  S 71.3. The authors' log of M: 69.37 in the
# best epoch, 69.30 in the last; loss 6.908 = ln(1000) in the first iteration.
# Elsewhere: MoCo v2 67.5 (its README), DenseCL 63.6 (MMSelfSup).
#
# MoCo's recipe for a batch of 256, with the authors' batch and its lr as it
# is. Their log does not name the augmentations: MoCo's are assumed.
_base_ = [
    './_base_/resnet50.py', './_base_/imagenet.py',
    './_base_/linear_sgd_100e.py', './_base_/default_runtime.py'
]
model = dict(backbone=dict(frozen_stages=4))  # all of it, BN in eval mode
auto_scale_lr = dict(enable=False, base_batch_size=1024)

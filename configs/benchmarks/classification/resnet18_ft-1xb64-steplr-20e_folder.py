# Fine-tuning on any folder of labelled images: data_root/train/<class>/ and
# data_root/val/<class>/, or on a share of them, evenly taken from all classes.
#
#     python tools/benchmarks/train_downstream.py \
#         resnet18_ft-1xb64-steplr-20e_folder WEIGHTS \
#         --cfg-options data_root=/any/folder model.head.num_classes=20 \
#         train_dataloader.dataset.max_images=1000
#
# The recipe of resnet50_ft-4xb64-steplr-20e_in1k-10pct.py on one GPU.
_base_ = [
    './_base_/resnet18.py', './_base_/folder.py', './_base_/finetune_20e.py',
    './_base_/default_runtime.py'
]
auto_scale_lr = dict(base_batch_size=64)

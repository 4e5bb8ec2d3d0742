# k-NN on any folder of labelled images: those of data_root/train/<class>/ vote
# on those of data_root/val/<class>/.
#
#     python tools/test.py resnet18_knn_folder WEIGHTS \
#         --cfg-options data_root=/any/folder
_base_ = './resnet50_knn_in1k.py'
model = dict(
    backbone=dict(depth=18), neck=dict(in_channels=512, hid_channels=512))
data_root = '/any/folder'
bank_dataloader = dict(
    batch_size=64, num_workers=2, dataset=dict(data_root=data_root))
val_dataloader = dict(
    batch_size=64,
    num_workers=2,
    dataset=dict(data_root=data_root, ann_file=''))
val_cfg = dict(bank_dataloader=bank_dataloader)
val_evaluator = dict(_delete_=True, type='KNNMetric', k=20, temperature=0.07)

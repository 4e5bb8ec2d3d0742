# SimpleBaseline R50, AP-10K, 210 epochs of 512 animals, split 1.
#
#     tools/benchmarks/mmpose/dist_train.sh configs/benchmarks/mmpose/\
#         simple-baseline_r50_210e_ap10k-256x256.py WEIGHTS 8
#
# AP, paper:  M 70.6  D 72.1  S 71.6. Elsewhere: supervised 69.9 in mmpose
# 0.20, and 68.0 of the same checkpoint in mmpose 1.x, which evaluates
# otherwise: the paper's numbers are most likely of the former. Compare with a
# supervised run of your own.
#
# The recipe is chosen as in simple-baseline_r50_210e_coco-256x192.py.
_base_ = ('mmpose::animal_2d_keypoint/topdown_heatmap/ap10k/'
          'td-hm_res50_8xb64-210e_ap10k-256x256.py')
custom_imports = dict(
    imports=['mmregioncl.transfer'], allow_failed_imports=False)
custom_hooks = [
    dict(type='SyncBuffersHook'),  # mmpose's own
    dict(type='CheckPretrainedHook'),  # stops if a tensor did not arrive
]
# BN in training mode, nothing frozen: mmpose's ResNet as it is.
model = dict(
    backbone=dict(
        init_cfg=dict(
            _delete_=True,
            type='Pretrained',
            checkpoint='WEIGHTS',  # the launch scripts put the file here
            prefix='backbone.')))

train_pipeline = _base_.train_pipeline
train_pipeline[4].shift_prob = 0.
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))

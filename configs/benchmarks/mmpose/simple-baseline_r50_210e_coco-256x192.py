# SimpleBaseline R50, COCO keypoints, 210 epochs of 512 people.
#
#     tools/benchmarks/mmpose/dist_train.sh configs/benchmarks/mmpose/\
#         simple-baseline_r50_210e_coco-256x192.py WEIGHTS 8
#
# AP, paper:  M 72.3  D 73.6  S 72.2. Elsewhere: supervised 71.8 (mmpose
# 0.20). Boxes of a person detector (56.4 AP) in testing.
#
# The authors published neither config nor log, only "SimpleBaseline". This is
# mmpose's recipe of the time (0.20, November 2021) on mmpose 1.x, whose shift
# of the box, new since, is off. Scale and rotation are drawn from a truncated
# normal instead of a clipped one; ranges and chances are the same.
_base_ = ('mmpose::body_2d_keypoint/topdown_heatmap/coco/'
          'td-hm_res50_8xb64-210e_coco-256x192.py')
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

#!/usr/bin/env bash
# Fine-tune a classifier with several processes, one per GPU.
#
#     tools/benchmarks/classification/dist_train.sh CONFIG WEIGHTS GPUS \
#         [arguments of train_downstream.py]
#
# Several machines: NNODES, NODE_RANK, MASTER_ADDR, PORT as tools/dist_train.sh.
exec "$(dirname "$0")/../mmdetection/dist_train.sh" "$@"

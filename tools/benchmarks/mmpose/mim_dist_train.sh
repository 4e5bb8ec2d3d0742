#!/usr/bin/env bash
# Fine-tune a pose estimator through `mim train mmpose` (pip install openmim).
#
#     tools/benchmarks/mmpose/mim_dist_train.sh CONFIG WEIGHTS GPUS \
#         [KEY=VALUE ...]
exec "$(dirname "$0")/../mim_train.sh" mmpose "$@"

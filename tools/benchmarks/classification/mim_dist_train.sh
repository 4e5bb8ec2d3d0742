#!/usr/bin/env bash
# Fine-tune a classifier through `mim train mmcls` (pip install openmim).
#
#     tools/benchmarks/classification/mim_dist_train.sh CONFIG WEIGHTS GPUS \
#         [KEY=VALUE ...]
exec "$(dirname "$0")/../mim_train.sh" mmcls "$@"

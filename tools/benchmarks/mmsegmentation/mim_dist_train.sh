#!/usr/bin/env bash
# Fine-tune a segmentor through `mim train mmseg` (pip install openmim).
#
#     tools/benchmarks/mmsegmentation/mim_dist_train.sh CONFIG WEIGHTS GPUS \
#         [KEY=VALUE ...]
exec "$(dirname "$0")/../mim_train.sh" mmseg "$@"

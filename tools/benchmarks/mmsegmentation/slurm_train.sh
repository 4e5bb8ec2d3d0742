#!/usr/bin/env bash
# Fine-tune a segmentor on a slurm cluster.
#
#     GPUS=8 tools/benchmarks/mmsegmentation/slurm_train.sh PARTITION JOB \
#         CONFIG WEIGHTS [arguments of train_downstream.py]
#
# GPUS, GPUS_PER_NODE, CPUS_PER_TASK, SRUN_ARGS as tools/slurm_train.sh.
exec "$(dirname "$0")/../mmdetection/slurm_train.sh" "$@"

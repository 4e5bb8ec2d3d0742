#!/usr/bin/env bash
# Fine-tune a detector on a slurm cluster.
#
#     GPUS=8 tools/benchmarks/mmdetection/slurm_train.sh PARTITION JOB CONFIG \
#         WEIGHTS [arguments of train_downstream.py]
#
# GPUS in all, GPUS_PER_NODE (0 for CPU nodes, with GPUS processes then),
# CPUS_PER_TASK, and SRUN_ARGS for anything else, such as
# SRUN_ARGS="--time=24:00:00 --requeue".
if [ $# -lt 4 ]; then
    echo "usage: $0 PARTITION JOB CONFIG WEIGHTS [arguments of" \
        "train_downstream.py]" >&2
    exit 2
fi
set -x
TOOLS=$(cd "$(dirname "$0")/.." && pwd)
GPUS=${GPUS:-8}
GPUS_PER_NODE=${GPUS_PER_NODE:-$((GPUS < 8 ? GPUS : 8))}
CPUS_PER_TASK=${CPUS_PER_TASK:-5}
if [ "$GPUS_PER_NODE" -gt 0 ]; then
    TASKS=(--gres="gpu:$GPUS_PER_NODE" --ntasks-per-node="$GPUS_PER_NODE")
else
    TASKS=()
fi
# SRUN_ARGS holds several words, and is split on purpose
# shellcheck disable=SC2086
PYTHONPATH="$TOOLS/../..${PYTHONPATH:+:$PYTHONPATH}" \
exec srun -p "$1" \
    --job-name="$2" \
    --ntasks="$GPUS" \
    "${TASKS[@]}" \
    --cpus-per-task="$CPUS_PER_TASK" \
    --kill-on-bad-exit=1 \
    ${SRUN_ARGS:-} \
    python -u "$TOOLS/train_downstream.py" "$3" "$4" --launcher slurm "${@:5}"

#!/usr/bin/env bash
# Evaluate a fine-tuned detector with several processes.
#
#     tools/benchmarks/mmdetection/dist_test.sh CONFIG CHECKPOINT GPUS \
#         [arguments of test_downstream.py]
if [ $# -lt 3 ]; then
    echo "usage: $0 CONFIG CHECKPOINT GPUS [arguments of" \
        "test_downstream.py]" >&2
    exit 2
fi
TOOLS=$(cd "$(dirname "$0")/.." && pwd)
PYTHONPATH="$TOOLS/../..${PYTHONPATH:+:$PYTHONPATH}" \
exec python -m torch.distributed.run \
    --nnodes="${NNODES:-1}" \
    --node_rank="${NODE_RANK:-0}" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" \
    --master_port="${PORT:-29500}" \
    --nproc_per_node="$3" \
    "$TOOLS/test_downstream.py" "$1" "$2" --launcher pytorch "${@:4}"

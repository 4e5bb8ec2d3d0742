#!/usr/bin/env bash
# Fine-tune a detector with one process, on a GPU or a CPU.
#
#     tools/benchmarks/mmdetection/train.sh CONFIG WEIGHTS \
#         [arguments of train_downstream.py]
if [ $# -lt 2 ]; then
    echo "usage: $0 CONFIG WEIGHTS [arguments of train_downstream.py]" >&2
    exit 2
fi
exec python "$(dirname "$0")/../train_downstream.py" "$@"

#!/usr/bin/env bash
# Fine-tune a classifier in one process: on a GPU, or on a CPU.
#
#     tools/benchmarks/classification/train.sh CONFIG WEIGHTS \
#         [arguments of train_downstream.py]
exec python "$(dirname "$0")/../train_downstream.py" "$@"

#!/usr/bin/env bash
# Evaluate a classifier that was fine-tuned, with several processes.
#
#     tools/benchmarks/classification/dist_test.sh CONFIG CHECKPOINT GPUS \
#         [arguments of test_downstream.py]
exec "$(dirname "$0")/../mmdetection/dist_test.sh" "$@"

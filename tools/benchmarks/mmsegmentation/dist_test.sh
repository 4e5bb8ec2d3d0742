#!/usr/bin/env bash
# Evaluate a segmentor that was fine-tuned, with several processes.
#
#     tools/benchmarks/mmsegmentation/dist_test.sh CONFIG CHECKPOINT GPUS \
#         [arguments of test_downstream.py]
exec "$(dirname "$0")/../mmdetection/dist_test.sh" "$@"

#!/usr/bin/env bash
# All transfer benchmarks of the paper, one after the other, and a table.
#
#     tools/benchmarks/run_all.sh WEIGHTS              # days on 8 GPUs
#     tools/benchmarks/run_all.sh [WEIGHTS] --dry-run  # minutes on a CPU
#
# `--help` says the rest.
exec python "$(dirname "$0")/run_all.py" "$@"

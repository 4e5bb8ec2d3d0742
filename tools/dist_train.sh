#!/usr/bin/env bash
# Pretrain with several processes, one per GPU; on a machine without a GPU,
# one per CPU share.
#
#     tools/dist_train.sh CONFIG GPUS [arguments of train.py]
#
# Several machines: on each, NNODES=2 NODE_RANK=0 MASTER_ADDR=host, and a
# PORT that is free on that host.
if [ $# -lt 2 ]; then
    echo "usage: $0 CONFIG GPUS [arguments of train.py]" >&2
    exit 2
fi
TOOLS=$(cd "$(dirname "$0")" && pwd)
PYTHONPATH="$TOOLS/..${PYTHONPATH:+:$PYTHONPATH}" \
exec python -m torch.distributed.run \
    --nnodes="${NNODES:-1}" \
    --node_rank="${NODE_RANK:-0}" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" \
    --master_port="${PORT:-29500}" \
    --nproc_per_node="$2" \
    "$TOOLS/train.py" "$1" --launcher pytorch "${@:3}"

#!/usr/bin/env bash
# Fine-tune a detector with several processes, one per GPU; on a machine
# without a GPU, one per CPU share.
#
#     tools/benchmarks/mmdetection/dist_train.sh CONFIG WEIGHTS GPUS \
#         [arguments of train_downstream.py]
#
# The lr of a config is for 8 GPUs. With fewer, let each take more images
# (--cfg-options train_dataloader.batch_size=4), or add --auto-scale-lr.
# Several machines: on each, NNODES=2 NODE_RANK=0 MASTER_ADDR=host, and a
# PORT that is free on that host.
if [ $# -lt 3 ]; then
    echo "usage: $0 CONFIG WEIGHTS GPUS [arguments of" \
        "train_downstream.py]" >&2
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
    "$TOOLS/train_downstream.py" "$1" "$2" --launcher pytorch "${@:4}"

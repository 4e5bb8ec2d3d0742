#!/usr/bin/env bash
# Pretrain with several processes, one per GPU; on a machine without a GPU,
# one per CPU share.
#
#     tools/dist_train.sh CONFIG GPUS [arguments of train.py]
#
# Several machines: on each, NNODES=2 NODE_RANK=0 MASTER_ADDR=host, and a
# PORT that is free on that host.
#
# Told to stop by SIGTERM or SIGUSR1, it saves and ends with 75.
if [ $# -lt 2 ]; then
    echo "usage: $0 CONFIG GPUS [arguments of train.py]" >&2
    exit 2
fi
TOOLS=$(cd "$(dirname "$0")" && pwd)
# torchrun makes a 1 of every exit code; the ranks write theirs here
MMREGIONCL_EXIT_FILE=$(mktemp)
export MMREGIONCL_EXIT_FILE
trap 'rm -f "$MMREGIONCL_EXIT_FILE"' EXIT
PYTHONPATH="$TOOLS/..${PYTHONPATH:+:$PYTHONPATH}" \
python -m torch.distributed.run \
    --nnodes="${NNODES:-1}" \
    --node_rank="${NODE_RANK:-0}" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" \
    --master_port="${PORT:-29500}" \
    --nproc_per_node="$2" \
    "$TOOLS/train.py" "$1" --launcher pytorch "${@:3}" &
LAUNCHER=$!
# torchrun hands SIGTERM on to the ranks; of SIGUSR1 it would die
trap 'kill -TERM $LAUNCHER' TERM USR1
trap 'kill -INT $LAUNCHER' INT
wait $LAUNCHER
CODE=$?
while kill -0 $LAUNCHER 2> /dev/null; do # a signal ended the waiting
    wait $LAUNCHER
    CODE=$?
done
[ -s "$MMREGIONCL_EXIT_FILE" ] && CODE=$(cat "$MMREGIONCL_EXIT_FILE")
exit "$CODE"

#!/usr/bin/env bash
# The same through `mim train mmdet`, for those who have mim.
#
#     tools/benchmarks/mmdetection/mim_dist_train.sh CONFIG WEIGHTS GPUS \
#         [KEY=VALUE ...] [arguments of mmdet's train.py]
#
# CONFIG is a path here. WEIGHTS needs `backbone.` before its keys: a training
# checkpoint of ours or of MMSelfSup, or what tools/export.py writes; the other
# scripts find the backbone wherever it is.
if [ $# -lt 3 ]; then
    echo "usage: $0 CONFIG WEIGHTS GPUS [KEY=VALUE ...]" \
        "[arguments of mmdet's train.py]" >&2
    exit 2
fi
WEIGHTS=$(realpath "$2")
OPTIONS=("model.backbone.init_cfg.checkpoint=$WEIGHTS")
case $1 in
    *c4*)  # res5 is in the RoI head
        OPTIONS+=("model.roi_head.shared_head.init_cfg.checkpoint=$WEIGHTS")
        ;;
esac
REPO=$(cd "$(dirname "$0")/../../.." && pwd)
PYTHONPATH="$REPO${PYTHONPATH:+:$PYTHONPATH}" \
exec mim train mmdet "$1" \
    --launcher pytorch \
    --gpus "$3" \
    --cfg-options "${OPTIONS[@]}" "${@:4}"

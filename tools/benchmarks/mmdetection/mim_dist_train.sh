#!/usr/bin/env bash
# Fine-tune a detector through `mim train mmdet` (pip install openmim).
#
#     tools/benchmarks/mmdetection/mim_dist_train.sh CONFIG WEIGHTS GPUS \
#         [KEY=VALUE ...]
OPTIONS=("${@:4}")
case $(basename "$1") in
    *c4*)  # res5 is in the RoI head
        [ $# -lt 3 ] && exec "$(dirname "$0")/../mim_train.sh"  # says how
        FILE=$(realpath "$2")
        OPTIONS=("model.roi_head.shared_head.init_cfg.checkpoint=$FILE"
            "${OPTIONS[@]}") ;;
esac
exec "$(dirname "$0")/../mim_train.sh" mmdet "${@:1:3}" "${OPTIONS[@]}"

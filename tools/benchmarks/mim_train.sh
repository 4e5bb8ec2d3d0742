#!/usr/bin/env bash
# Fine-tune through `mim train PACKAGE`, that is the package's own train.py.
# The mim_dist_train.sh scripts of the folders beside this one call it.
#
# CONFIG is a path here. WEIGHTS needs `backbone.` before its keys: a training
# checkpoint of ours or of MMSelfSup, or what tools/export.py writes; the other
# scripts find the backbone wherever it is. GPUS 0 is one process on a CPU.
if [ $# -lt 4 ]; then
    echo "usage: $0 PACKAGE CONFIG WEIGHTS GPUS [KEY=VALUE ...]" \
        "[arguments of the package's train.py]" >&2
    exit 2
fi
if [ ! -f "$3" ]; then
    echo "$0: there are no weights $3" >&2
    exit 2
fi
REPO=$(cd "$(dirname "$0")/../.." && pwd)
if [ "$4" = 0 ]; then LAUNCHER=none; else LAUNCHER=pytorch; fi
PYTHONPATH="$REPO${PYTHONPATH:+:$PYTHONPATH}" \
exec mim train "$1" "$2" \
    --launcher $LAUNCHER \
    --gpus "$4" \
    --cfg-options "model.backbone.init_cfg.checkpoint=$(realpath "$3")" \
    "${@:5}"

#!/usr/bin/env bash
# What `make demo` does after set-up: draw scenes, pretrain RegionCL-M on them
# without labels, export the backbone, and show what happened.
set -euo pipefail
cd "$(dirname "$0")/.."
out=demo/out
run=$out/regioncl_mocov2_r18_demo
start=$SECONDS
rm -rf "$out"
mkdir -p "$out"

echo '== 1/4 scenes (data/demo)'
python tools/dataset_converters/make_demo_data.py data/demo --layouts folders

echo "== 2/4 pretraining on the CPU or GPU (log: $out/pretrain.log)"
# Of the log only the lines that tell how it is going.
python tools/train.py configs/small/regioncl_mocov2_r18_demo.py \
    --work-dir "$run" 2>&1 | tee "$out/pretrain.log" |
    grep --line-buffered -E 'ln\(K|Before the first|Epoch\((train|val)|Error' |
    sed -u 's/^.* - INFO - //'

echo '== 3/4 export'
checkpoint=$(cat "$run/last_checkpoint")
python tools/export.py "$checkpoint" --out "$out/backbone.pth"

echo '== 4/4 what happened'
python demo/picture.py "$run" "$out/demo.png"
echo "backbone:  $(ls "$out"/backbone*.pth)"
echo "all of it took $((SECONDS - start)) s"

#!/usr/bin/env bash
# What `make demo` does after set-up: draw scenes, pretrain RegionCL-M and its
# host MoCo v2 on them without labels, export the backbone, fine-tune a small
# segmentor from both and from random weights, and show what happened.
set -euo pipefail
cd "$(dirname "$0")/.."
out=demo/out
run=$out/regioncl_mocov2_r18_demo
twin=$out/mocov2_r18_demo
start=$SECONDS
rm -rf "$out"
mkdir -p "$out"
# threads that wait for each other must not keep the cores busy meanwhile
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-PASSIVE}

step() { printf '== %s [%d s]\n' "$*" $((SECONDS - start)); }

pretrain() {  # of the log only the lines that tell how it is going
    python tools/train.py "configs/small/$(basename "$1").py" \
        --work-dir "$1" 2>&1 | tee "$1.log" |
        grep --line-buffered -E \
            'ln\(K|Before the first|\[ *[0-9]*0\]\[|Epoch\(val\)|Error' |
        sed -u 's/^.* - INFO - //'
}

step '1/6 scenes (data/demo)'
python tools/dataset_converters/make_demo_data.py data/demo \
    --layouts folders cityscapes

step "2/6 RegionCL-M, pretraining (log: $run.log)"
pretrain "$run"

step "3/6 MoCo v2, the same without regions (log: $twin.log)"
pretrain "$twin"

step '4/6 export'
checkpoint=$(cat "$run/last_checkpoint")
python tools/export.py "$checkpoint" --out "$out/backbone.pth"

step "5/6 a small UPerNet from random weights and from both (log: $out/transfer.log)"
python tools/benchmarks/transfer.py --init random \
    --init mocov2 "$(cat "$twin/last_checkpoint")" \
    --init regioncl_mocov2 "$checkpoint" --configs upernet_r18w16_demo \
    --seeds 0 --work-dir "$out/transfer" --out "$out" >"$out/transfer.log" 2>&1
grep '^|' "$out/transfer.md"
echo '(one short run each, to show that the weights arrive; what pretraining'
echo 'brings: docs/results/transfer.md)'

step '6/6 what happened'
python demo/picture.py "$run" "$twin" "$out/demo.png"
echo "backbone:  $(ls "$out"/backbone*.pth)"
echo "all of it took $((SECONDS - start)) s"

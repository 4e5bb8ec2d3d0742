#!/usr/bin/env bash
# Make .venv and install the verified set into it; `make` calls this.
#
#   tools/setup_env.sh
#
#   PYTHON             interpreter to make .venv with (python3.11)
#   MMREGIONCL_WHEELS  where wheels are kept for the next checkout on this
#                      machine (${XDG_CACHE_HOME:-~/.cache}/mmregioncl/wheels)
#   MAX_JOBS           compilers at a time while mmcv is built
#   MMREGIONCL_CUDA_OPS=1  compile mmcv's ops for CUDA as well (nvcc needed);
#                      detection on a GPU needs that, nothing else does
#
# Nothing outside .venv and that wheel folder is written.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

MMCV=$(sed -n 's/^mmcv==//p' requirements/constraints.txt)
WHEELS=${MMREGIONCL_WHEELS:-${XDG_CACHE_HOME:-$HOME/.cache}/mmregioncl/wheels}
PIN_TAG=cp311-linux_x86_64  # what constraints.txt was verified on
PY=.venv/bin/python

say_size() {  # every 10 s until killed: how much a folder holds by now
  while sleep 10 >/dev/null 2>&1; do
    say "  $(du -sm "$1" | cut -f 1) MB"
  done
}

quietly() {  # what a command says, if it fails
  local output
  output=$("$@" 2>&1) || fail "$output"
}

say() { printf '[set-up %3d s] %s\n' "$SECONDS" "$*"; }
fail() { printf '[set-up] %s\n' "$@" >&2; exit 1; }

# ---------------------------------------------------------------- surroundings
# A user's Python settings must not reach the install, except for what says how
# the package registry is reached.
keep=' INDEX_URL EXTRA_INDEX_URL NO_INDEX FIND_LINKS TRUSTED_HOST CERT '
keep+='CLIENT_CERT PROXY TIMEOUT DEFAULT_TIMEOUT RETRIES CONFIG_FILE '
keep+='CACHE_DIR KEYRING_PROVIDER CONSTRAINT '
for name in $(compgen -e PIP_ || true); do
  [[ $keep == *" ${name#PIP_} "* ]] || unset "$name"
done
unset PYTHONPATH PYTHONHOME PYTHONDONTWRITEBYTECODE VIRTUAL_ENV
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_USER=0

mkdir -p "$WHEELS" || fail "cannot write to the wheel folder $WHEELS;" \
  'name another one in MMREGIONCL_WHEELS'
WHEELS=$(cd "$WHEELS" && pwd)
TMP=$(mktemp -d "$WHEELS/making.XXXXXX")  # same disk: what is done is moved
clean_up() {
  kill $(jobs -p) 2>/dev/null || true
  # again, should a compiler have written one more file meanwhile
  rm -rf "$TMP" 2>/dev/null || { sleep 2; rm -rf "$TMP"; }
}
trap clean_up EXIT
export TMPDIR=$TMP  # pip downloads there, and a /tmp in memory is too small
trap 'exit 130' INT TERM

find_python() {
  local each
  for each in ${PYTHON:-python3.11 /usr/bin/python3.11 python3 python}; do
    if "$each" -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
      >/dev/null 2>&1; then
      echo "$each"
      return
    fi
  done
  fail "no Python 3.10 or newer under: ${PYTHON:-python3.11 python3 python}" \
    'name one: make PYTHON=/path/to/python3.11'
}

make_venv() {
  $PY -m pip --version >/dev/null 2>&1 && return
  local python
  python=$(find_python)
  say "making .venv with $("$python" --version)"
  "$python" -m venv .venv || fail 'Python cannot make virtual environments;' \
    'on Debian and Ubuntu: apt-get install python3.11-venv'
}

# ------------------------------------------------------------- the pinned set
relax_pins() {  # leave the pins that this Python or platform has no wheel for
  local error name
  say "this is $TAG; the pins were verified on $PIN_TAG. Checking them"
  grep -v '^mmcv==' "$PINS" >"$TMP/try.txt"
  until error=$($PY -m pip install -q --dry-run --no-deps --ignore-installed \
    --only-binary :all: -r "$TMP/try.txt" 2>&1); do
    name=$(sed -nE "s/^ERROR: No matching distribution found for ([^=]+)==.*/\1/p
      s/^ERROR: Package '([^']+)' requires a different Python.*/\1/p" \
      <<<"$error" | head -n 1)
    [[ -n $name ]] || fail "$error"
    say "left: the pin of $name (no such wheel for $TAG)"
    sed -i.old "/^$name==/Id" "$TMP/try.txt" "$PINS"
  done
}

fetch_set() {  # everything but mmcv, once per machine and state of the pins
  say 'downloading the pinned set: torch with CUDA and some 120 others,' \
    '2.8 GB'
  mkdir "$TMP/set"
  say_size "$TMP" &
  local reporter=$!
  $PY -m pip download -q --no-cache-dir --only-binary :all: -d "$TMP/set" \
    -c "$PINS" -r requirements/dev.txt
  kill $reporter
  mv -T "$TMP/set" "$SET" 2>/dev/null || [[ -d $SET ]]  # another was faster
}

install_set() {
  say 'unpacking it, 5.4 GB'
  touch "$SET"
  say_size .venv &
  local reporter=$!
  local part parts=() failed=0 pids=()
  # One pip writes with one core, and this is most of the work. Large wheels
  # first, dealt out in turn: the parts take equally long. --no-compile:
  # what is used gets compiled below, all of it would take as long again.
  ls -S "$SET"/*.whl | split -n r/2 - "$TMP/part."
  for part in "$TMP"/part.*; do
    $PY -m pip install -q --no-deps --no-index --no-compile -r "$part" &
    pids+=($!)
  done
  for part in "${pids[@]}"; do wait "$part" || failed=1; done
  kill $reporter
  ((failed == 0)) || fail 'installing the pinned set failed, see above'
}

# ------------------------------------------------------------------------ mmcv
show_build() {  # the compiler's lines to the log, how far it is to the reader
  local line begin=$SECONDS every=2 gone
  [[ -t 1 ]] && every=1
  while IFS= read -r line; do
    printf '%s\n' "$line"
    [[ $line =~ ^\ *\[([0-9]+)/([0-9]+)\] ]] || continue
    local k=${BASH_REMATCH[1]} n=${BASH_REMATCH[2]}
    ((k % every == 0 || k == 1 || k == n)) || continue
    gone=$((SECONDS - begin))
    printf '%s  %d of %d files, %d:%02d min gone, about %d to go%s' \
      "${CR-}" "$k" "$n" $((gone / 60)) $((gone % 60)) \
      $((gone * (n - k) / k / 60 + 1)) "${LF-$'\n'}" >&3
  done
}

build_mmcv() {
  local header
  header=$($PY -c 'import sysconfig
print(sysconfig.get_path("include"))')/Python.h
  command -v "${CXX:-c++}" >/dev/null || fail \
    'no C++ compiler, and mmcv has to be compiled;' \
    'on Debian and Ubuntu: apt-get install g++'
  [[ -f $header ]] || fail "no $header, and mmcv has to be compiled;" \
    'on Debian and Ubuntu: apt-get install python3.11-dev'
  local jobs=${MAX_JOBS:-$(nproc)} log=$TMP/mmcv_build.log
  say "compiling mmcv $MMCV with its ops, $jobs files at a time. There is no" \
    'wheel of it; this takes 10 to 20 minutes on 2 cores, once per machine'
  exec 3>&1
  [[ -t 1 ]] && CR=$'\r' LF=''
  # Python's own flags ask for debug symbols, which double the time; newer
  # setuptools put CFLAGS in their place, so all that matter are named.
  # No GPU in sight unless asked for: mmcv would look for nvcc.
  if ! {
    if [[ ${MMREGIONCL_CUDA_OPS:-0} == 1 ]]; then
      export FORCE_CUDA=1
    else
      export FORCE_CUDA=0 CUDA_VISIBLE_DEVICES=
    fi
    MMCV_WITH_OPS=1 MAX_JOBS=$jobs CFLAGS='-DNDEBUG -O3 -g0' \
      $PY -m pip wheel -v --no-cache-dir --no-build-isolation --no-deps \
      --no-binary mmcv -w "$TMP/mmcv" "mmcv==$MMCV" 2>&1
  } | show_build >"$log"; then
    cp "$log" .venv/mmcv_build.log
    tail -n 30 "$log" >&2
    fail 'compiling mmcv failed; all of its output: .venv/mmcv_build.log' \
      'if the compiler was killed, memory ran out: make MAX_JOBS=1'
  fi
  [[ -t 1 ]] && echo
  mv -T "$TMP/mmcv" "$1" 2>/dev/null || [[ -d $1 ]]
}

install_mmcv() {
  # The wheel fits one torch build, one Python and one platform only, and its
  # own name tells nothing of torch; pip's cache would hand it to another.
  local folder torch
  torch=$($PY -c 'import torch; print(torch.__version__)')
  folder=$WHEELS/mmcv-$MMCV-torch$torch-$TAG
  [[ ${MMREGIONCL_CUDA_OPS:-0} == 1 ]] && folder+=-cuda
  [[ -d $folder ]] || build_mmcv "$folder"
  say "installing mmcv from $folder"
  # forced: the version alone does not tell one build from another
  $PY -m pip install -q --no-deps --no-index --no-compile --force-reinstall \
    "$folder"/mmcv-*.whl
}

# ----------------------------------------------------------------------- check
check_set() {
  local error
  if ! error=$($PY -c 'import cv2' 2>&1); then
    # the registry's opencv-python wants libGL and glib from the system
    say "OpenCV: ${error##*$'\n'}"
    say 'taking the build without windows instead (opencv-python-headless)'
    $PY -m pip install -q --no-deps --force-reinstall -c "$PINS" \
      opencv-python-headless
  fi
  say 'checking that everything imports'
  # This compiles to bytecode what is used, too; hence as two processes.
  local pids=() failed=0 each
  for each in 'mmengine.runner, mmcv.ops, mmdet.apis, mmseg.apis' \
    'torchvision, timm, kornia, sklearn.svm, matplotlib.pyplot, hypothesis'; do
    $PY -W ignore -c "import $each" &
    pids+=($!)
  done
  for each in "${pids[@]}"; do wait "$each" || failed=1; done
  ((failed == 0)) || fail 'the set is installed but does not import, see' \
    "above; was a wheel in $WHEELS made for something else? Remove it."
}

# 2.8 GB each: sets that no checkout has asked for in a month go, and what a
# killed set-up left
find "$WHEELS" -maxdepth 1 \( -name 'set-????????????-cp*' -mtime +30 -o \
  -name 'making.??????' -mtime +1 \) -exec rm -rf {} +
make_venv
TAG=$($PY -c 'import sys, sysconfig
print("cp%d%d-%s" % (*sys.version_info[:2], sysconfig.get_platform()
                     .replace("-", "_").replace(".", "_")))')
PINS=$TMP/constraints.txt
cp requirements/constraints.txt "$PINS"
SET=$WHEELS/set-$(cat requirements/*.txt | sha256sum | cut -c 1-12)-$TAG
if [[ -d $SET ]]; then
  $PY -m pip install -q --no-index -f "$SET" -c "$PINS" --upgrade pip
else
  $PY -m pip install -q -c "$PINS" --upgrade pip
  [[ $TAG == "$PIN_TAG" ]] || relax_pins
  fetch_set
fi
install_set
install_mmcv
quietly $PY -m pip install -q --no-deps --no-build-isolation -e .
check_set
rm -f .venv/.ready-cuda
[[ ${MMREGIONCL_CUDA_OPS:-0} != 1 ]] || touch .venv/.ready-cuda
touch .venv/.ready
say "ready. To use it in this shell: . .venv/bin/activate"

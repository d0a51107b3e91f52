#!/usr/bin/env bash
# Tests and measures the CUDA back end on a machine with a GPU, without network.
#   bash tests/gpu/run.sh prepare      where the libraries of tests/run.sh are: builds the programs and packs them, with the
#                                      libraries that they need, into build/gpu-programs.tar.xz (no GPU needed); MIXO_PRESET
#                                      chooses another CMake preset than gpu
#   bash tests/gpu/run.sh PART...      on the machine with the GPU, in a copy of the working tree that has that file:
#     kernels       every kernel against the oracle, and their bits against the host's emulation
#     models        the golden checkpoints against Hugging Face transformers
#     sanitizer     the kernel tests under compute-sanitizer, memcheck and racecheck
#     bench         decoding random:qwen3-30b-a3b (MIXO_GPU_MODEL chooses another shape)
#     transformers  the same shape decoded by Hugging Face transformers
#     all           all of these
#   --results DIR   where <device>-<date>.json goes; tests/gpu/results otherwise
# Each part takes minutes at most. The exit status is 1 when a part failed; the others have run then.
set -uo pipefail
cd "$(dirname "$0")/../.."

root=$PWD
archive=$root/build/gpu-programs.tar.xz
programs=$root/build/gpu-programs
results=$root/tests/gpu/results
model=${MIXO_GPU_MODEL:-qwen3-30b-a3b}

say() { printf '\n== %s\n' "$*"; }
fail() { printf '\ntests/gpu/run.sh: %s\n' "$*" >&2; exit 1; }

# Programs without debug information, and every library that is not part of the C library.
prepare() {
  command -v nvcc >/dev/null || fail "nvcc is needed to build the CUDA back end"
  local preset=${MIXO_PRESET:-gpu} names=(mixo_kernels_tests mixo_engine_tests step_benchmark)
  cmake --preset "$preset" -DMIXO_TESTS=ON >build/configure-gpu.log || fail "CMake could not configure the build: build/configure-gpu.log"
  cmake --build "build/$preset" --target "${names[@]}" || fail "the build failed"
  rm -rf "$programs" "$archive"
  mkdir -p "$programs/lib"
  local name library
  for name in "${names[@]}"; do
    strip -o "$programs/$name" "build/$preset/bin/$name" || fail "$name is missing"
    for library in $(ldd "build/$preset/bin/$name" | awk '/=> \// { print $3 }' |
      grep -vE '/(libc|libm|libdl|librt|libpthread|ld-linux[^/]*)\.so'); do
      cp -Ln "$library" "$programs/lib/"
    done
  done
  tar -C build -cJf "$archive" gpu-programs || fail "the programs could not be packed"
  say "Packed: $(du -h "$archive" | cut -f1) in build/gpu-programs.tar.xz"
}

unpack() {
  [ -x "$programs/mixo_kernels_tests" ] && return
  [ -f "$archive" ] || fail "build/gpu-programs.tar.xz is missing: run 'bash tests/gpu/run.sh prepare' where the program is built and bring it along"
  tar -C build -xJf "$archive" || fail "build/gpu-programs.tar.xz cannot be unpacked"
}

failed=()
# part NAME COMMAND...: runs it, keeps its output, notes its failure.
part() {
  local name=$1 status=0
  shift
  say "$name"
  local start=$SECONDS
  "$@" || status=$?
  [ "$status" -eq 0 ] || failed+=("$name")
  python3 - "$report" "$name" "$status" $((SECONDS - start)) <<'PYTHON'
import json, sys
path, name, status, seconds = sys.argv[1:]
report = json.load(open(path))
report["parts"][name] = {"passed": status == "0", "seconds": int(seconds)}
json.dump(report, open(path, "w"), indent=1)
PYTHON
}

# Puts the JSON object in a file into the report under a key.
keep() {
  python3 - "$report" "$1" "$2" <<'PYTHON'
import json, sys
path, key, file = sys.argv[1:]
report = json.load(open(path))
report[key] = json.load(open(file))
json.dump(report, open(path, "w"), indent=1)
PYTHON
}

kernels() { "$programs/mixo_kernels_tests" --gtest_filter='*/CudaDevice' --gtest_brief=1; }
models() {
  MIXO_GOLDEN_DIRECTORY=$root/tests/golden "$programs/mixo_engine_tests" \
    --gtest_filter='*ModelGolden*_cuda_*:*GenerationInvariance*cuda_moe-*host_cuda*' --gtest_brief=1
}
sanitizer() {
  command -v compute-sanitizer >/dev/null || { echo "compute-sanitizer not found"; return 1; }
  local tool
  for tool in memcheck racecheck; do
    echo "-- $tool"
    compute-sanitizer --tool "$tool" --error-exitcode 1 --print-limit 20 "$programs/mixo_kernels_tests" \
      --gtest_filter='*/CudaDevice-*EveryCount*:*AnyHeads*:*LongContexts*' --gtest_brief=1 || return 1
  done
}
bench() {
  "$programs/step_benchmark" --model "$model" >"$work/steps.json" || return 1
  keep steps "$work/steps.json"
}
transformers() {
  python3 tests/gpu/transformers_benchmark.py --model "$model" >"$work/transformers.json" || return 1
  keep transformers "$work/transformers.json"
}

parts=()
while [ $# -gt 0 ]; do
  case $1 in
    prepare) prepare; exit 0 ;;
    kernels | models | sanitizer | bench | transformers) parts+=("$1") ;;
    all) parts=(kernels models sanitizer bench transformers) ;;
    --results) shift; results=${1:?--results needs a folder} ;;
    *) fail "unknown: $1; the head of this file says what there is" ;;
  esac
  shift
done
[ ${#parts[@]} -gt 0 ] || fail "say what is to be run; the head of this file says what there is"

command -v nvidia-smi >/dev/null || fail "SKIPPED: this machine has no NVIDIA driver, so nothing was tested"
unpack
export LD_LIBRARY_PATH=$programs/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
mkdir -p "$results"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
device=$(nvidia-smi --query-gpu=name --format=csv,noheader -i 0 | tr ' /' '--')
report=$results/$device-$(date -u +%Y-%m-%d).json
[ -f "$report" ] || echo '{"parts": {}}' >"$report"
nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.max.sm,clocks.max.memory --format=csv
for name in "${parts[@]}"; do part "$name" "$name"; done
say "Results: $report"
[ ${#failed[@]} -eq 0 ] || fail "failed: ${failed[*]}"

#!/usr/bin/env bash
# Sets everything up, builds, and runs all tests. Safe to run again.
#   bash tests/run.sh                 the tests
#   bash tests/run.sh --sanitizers    and again under the address, undefined-behaviour and thread sanitizers
#   bash tests/run.sh --fuzz          and a search of MIXO_FUZZ_SECONDS (20) by each fuzz target
# MIXO_PRESET chooses another CMake preset than release (continuous integration: ci, where warnings are errors).
set -euo pipefail
source "$(dirname "$0")/../app/setup.sh"

preset=${MIXO_PRESET:-release}
sanitizers=no
fuzz=no
for option in "$@"; do
  case $option in
    --sanitizers) sanitizers=yes ;;
    --fuzz) fuzz=yes ;;
    *) fail "tests/run.sh knows --sanitizers and --fuzz, found $option" ;;
  esac
done

# mixo_test PRESET WHAT: runs the tests that the preset selects.
mixo_test() {
  say "Testing ($1): $2"
  (cd "$mixo_root" && ctest --preset "$1" --progress --output-on-failure) || fail "tests failed under the preset $1; the messages above say which"
}

packages=("${mixo_build_packages[@]}" "${mixo_test_packages[@]}")
[ "$sanitizers$fuzz" = nono ] || packages+=("${mixo_clang_packages[@]}")
mixo_install "${packages[@]}"

if command -v nvcc >/dev/null; then
  echo "   nvcc is here: building the CUDA back end too; its kernels are tested on the host, tests/gpu/run.sh tests them on a GPU"
else
  echo "   nvcc not found: leaving the CUDA back end out; its kernels are tested on the host all the same"
fi

mixo_build "$preset" -DMIXO_TESTS=ON
mixo_test "$preset" "all tests"

# One build folder serves the tests under the address sanitizer and the fuzz targets.
if [ "$sanitizers" = yes ]; then
  mixo_build asan
  mixo_test asan "all tests under the address, leak and undefined-behaviour sanitizers"
  mixo_build tsan
  mixo_test tsan "all tests but those of the window under the thread sanitizer"
fi
if [ "$fuzz" = yes ]; then
  mixo_build asan:fuzz
  mixo_test fuzz "each fuzz target searches for ${MIXO_FUZZ_SECONDS:-20} s"
fi

say "All tests passed"

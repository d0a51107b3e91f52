#!/usr/bin/env bash
# Sets everything up, builds, and runs all tests. Safe to run again.
#   bash tests/run.sh                 the tests
#   bash tests/run.sh --sanitizers    and again under address/undefined-behaviour and thread sanitizers
#   bash tests/run.sh --fuzz          and every fuzz target for a bounded time
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

mixo_run_tests() {
  say "Testing ($1)"
  (cd "$mixo_root" && ctest --preset "$1" --progress --output-on-failure) || fail "tests failed under the preset $1; the messages above say which"
}

packages=("${mixo_build_packages[@]}" "${mixo_test_packages[@]}")
[ "$fuzz" = no ] || packages+=("${mixo_fuzz_packages[@]}")
mixo_install "${packages[@]}"

if command -v nvcc >/dev/null; then
  echo "   nvcc is here, but this version has a CPU engine only"
else
  echo "   nvcc not found: building the CPU engine only"
fi

mixo_build "$preset" -DMIXO_TESTS=ON
mixo_run_tests "$preset"

if [ "$sanitizers" = yes ]; then
  for sanitizer in asan tsan; do
    mixo_build "$sanitizer"
    mixo_run_tests "$sanitizer"
  done
fi

if [ "$fuzz" = yes ]; then
  mixo_build fuzz
  say "Fuzzing (bounded)"
  (cd "$mixo_root" && ctest --preset fuzz -L fuzz) || fail "a fuzz target found an input that breaks a reader; the messages above name it"
fi

say "All tests passed"

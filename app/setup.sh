# Sourced by app/run.sh and tests/run.sh: installs the Debian packages that are missing, configures and builds.
# Says what it installs before it does, shows progress, changes nothing when everything is there.

mixo_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# say TEXT: a heading, with the time since the start once that is a minute.
say() {
  local after=
  ((SECONDS < 60)) || printf -v after '  (after %d min %02d s)' $((SECONDS / 60)) $((SECONDS % 60))
  printf '\n== %s%s\n' "$*" "$after"
}

fail() {
  printf '\nmixoscope: %s\n' "$*" >&2
  exit 1
}

# What the program needs: compiler and build tools, then one package a library (CMakeLists.txt says what each is for).
mixo_build_packages=(
  g++ cmake ninja-build pkg-config
  qt6-base-dev qt6-charts-dev qt6-svg-dev libqt6opengl6-dev libgl-dev libxkbcommon-dev
  libsqlitecpp-dev libsqlite3-dev libicu-dev nlohmann-json3-dev libhwy-dev libcli11-dev
)
# What the tests need on top.
mixo_test_packages=(libgtest-dev libbenchmark-dev xvfb xauth python3 python3-numpy python3-pandas)
# What sanitizers and fuzzers need on top; llvm-14 turns the addresses of a report into lines.
mixo_clang_packages=(clang-14 libclang-rt-14-dev llvm-14)

# mixo_install PACKAGE...: installs those that are missing.
mixo_install() {
  command -v dpkg-query >/dev/null || fail "this script installs Debian packages and found no dpkg. On another system install the equivalents of: $*"
  local missing=() package
  for package in "$@"; do
    dpkg-query -W -f='${Status}\n' "$package" 2>/dev/null | grep -q '^install ok installed$' || missing+=("$package")
  done
  if [ ${#missing[@]} -eq 0 ]; then
    say "Packages: all ${#} are installed"
    return
  fi
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || fail "these packages are missing and neither root nor sudo is at hand to install them: ${missing[*]}"
    as_root=(sudo)
  fi
  say "Packages: installing ${#missing[@]} that are missing: ${missing[*]}"
  mkdir -p "$mixo_root/build"
  local log=$mixo_root/build/packages.log
  : >"$log"
  "${as_root[@]}" apt-get update -q >>"$log" 2>&1 ||
    echo "   the package lists could not be refreshed (see $log); going on with those at hand"
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}" >>"$log" 2>&1 ||
    fail "apt-get could not install the packages; the end of $log says: $(tail -n 3 "$log")"
  echo "   done (log: build/packages.log)"
}

# mixo_progress: of ninja's lines, every one that is no step, the number of steps, and how far it is at each 5 %. (Debian's
# awk waits for 4 KiB before it looks at the first line.)
mixo_progress() {
  local line all=0 shown=0 part
  while IFS= read -r line; do
    if [[ ! $line =~ ^\[([0-9]+)/([0-9]+)\]\  ]]; then
      printf '%s\n' "$line"
      continue
    fi
    if [ "${BASH_REMATCH[2]}" -ne "$all" ]; then
      all=${BASH_REMATCH[2]} shown=0
      [ "$all" -lt 10 ] || echo "   $all steps"
    fi
    part=$((20 * BASH_REMATCH[1] / all))
    [ "$all" -lt 10 ] || [ "$part" -eq "$shown" ] || echo "   $((5 * part)) % built ($((BASH_REMATCH[1])) of $all)"
    shown=$part
  done
}

# mixo_build PRESET[:BUILD_PRESET] [CMake options...]: configures and builds into build/PRESET, with one line a step on a
# terminal and elsewhere the number of steps and a line every 5 % of them.
mixo_build() {
  local preset=${1%%:*} build_preset=${1##*:}
  shift
  say "Configuring ($preset)"
  mkdir -p "$mixo_root/build"
  local log=$mixo_root/build/configure-$preset.log
  if ! (cd "$mixo_root" && cmake --preset "$preset" "$@") >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    fail "CMake could not configure the build; the whole log is build/configure-$preset.log"
  fi
  grep -E '^-- (CUDA|GUI)' "$log" | sed 's/^-- /   /' || true
  say "Building ($build_preset) into build/$preset"
  local status=0
  if [ -t 1 ]; then
    (cd "$mixo_root" && cmake --build --preset "$build_preset") || status=$?
  else
    (cd "$mixo_root" && NINJA_STATUS='[%f/%t] ' cmake --build --preset "$build_preset" 2>&1) | mixo_progress || status=$?
  fi
  [ "$status" -eq 0 ] || fail "the build failed; the messages above say where"
}

#!/usr/bin/env bash
# Sets everything up, builds, and opens the workbench on the embedded demo model. With no display it runs the same demo
# headless and leaves screenshots, CSV files and session files in demo-output/. A recorded session (.mixo) is opened in the
# window, or without a display its picture and its CSV files are written. Safe to run again.
#   bash app/run.sh [--headless] [MODEL or SESSION]
set -euo pipefail
source "$(dirname "$0")/setup.sh"

headless=no
if [ "${1:-}" = --headless ]; then
  headless=yes
  shift
fi
[ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ] || headless=yes
subject=${1:-demo}

mixo_install "${mixo_build_packages[@]}"
mixo_build release -DMIXO_TESTS=OFF
program=$mixo_root/build/release/bin/mixoscope

out=$mixo_root/demo-output
mkdir -p "$out"

if [[ $subject == *.mixo ]]; then
  if [ "$headless" = no ]; then
    say "Opening the recorded session"
    exec "$program" open "$subject"
  fi
  say "No display: the recorded session's picture and its CSV files"
  name=$(basename "$subject" .mixo)
  "$program" export "$subject" --csv "$out/$name-csv"
  "$program" screenshot --session "$subject" --out "$out/$name.png"
  exit
fi

if [ "$headless" = no ]; then
  say "Opening the workbench"
  exec "$program" open "$subject"
fi

say "No display: a chat runs headless"
question='Tom has 12 apples. He buys 30 more, gives away 5 and then finds 18. How many apples does he have now?'

# chat NAME MODE BUDGET: one recorded turn, its CSV files and its picture.
chat() {
  local name=$1 mode=$2 budget=$3
  local session=$out/$name.mixo
  rm -f "$session" "$session-wal" "$session-shm"
  printf '\n-- mode %s, budget %s\n' "$mode" "$budget"
  "$program" generate --model "$subject" --prompt "$question" --mode "$mode" --budget "$budget" --seed 1 --record "$session"
  "$program" export "$session" --csv "$out/$name-csv"
  "$program" screenshot --session "$session" --out "$out/$name.png"
  written+=("$out/$name.png" "$out/$name-csv" "$session")
}

written=()
chat think-unlimited think unlimited
chat think-32 think 32
chat think-8 think 8
chat no-think no_think unlimited

say "Written"
printf '   %s\n' "${written[@]}"

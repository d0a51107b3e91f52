#!/usr/bin/env bash
# Makes the pictures of README.md with the program itself, from runs of the demo model.
set -euo pipefail
cd "$(dirname "$0")/../.."
mixoscope=build/release/bin/mixoscope
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$mixoscope" compare --model demo --greedy --forced --prompt "Tom has 12 apples. He buys 30 more and gives away 5. How many apples does he have now?" \
  --lane policy=model --lane policy=top-k:k=1,capacity=1.25 --lane policy=any-experts --lane policy=random \
  --record "$folder/lanes.mixo" >"$folder/lanes.txt"
"$mixoscope" sweep resources/experiments/demo-budget.json --out "$folder/demo-budget" >"$folder/sweep.txt"
for theme in light dark; do
  "$mixoscope" screenshot --out "resources/screenshots/chat-$theme.png" --theme "$theme" --size 1600x1000
  "$mixoscope" screenshot --out "resources/screenshots/compare-$theme.png" --theme "$theme" --size 1600x1000 --session "$folder/lanes.mixo"
  "$mixoscope" screenshot --out "resources/screenshots/experiment-$theme.png" --theme "$theme" --size 1600x1000 \
    --session "$folder/demo-budget/experiment.mixo"
done

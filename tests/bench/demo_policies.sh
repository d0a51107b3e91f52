#!/usr/bin/env bash
# Every routing policy on the demo model over 200 held-out items of four tasks: accuracy with 95 % intervals, active experts,
# load CV, dropped selections, tokens/s of a batch of 8. Writes OUT/results.csv, runs.csv and experiment.mixo.
#   bash tests/bench/demo_policies.sh OUT [PROGRAM]
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
out=${1:?the folder for the results}
program=$(realpath "${2:-$root/build/release/bin/mixoscope}")
mkdir -p "$out"
cd "$out"  # the experiment names the calibration by its file name
cat "$root"/resources/demo/eval/validation/{sums,stories,scenes,lookups}.jsonl >calibration-prompts.jsonl
"$program" calibrate --model demo --prompts calibration-prompts.jsonl --out calibration.json
"$program" sweep "$root/tests/bench/experiments/demo_policies.json" --out . --resume

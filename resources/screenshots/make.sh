#!/usr/bin/env bash
# Makes the pictures of README.md with the program itself, from a run of the demo model.
set -euo pipefail
cd "$(dirname "$0")/../.."
for theme in light dark; do
  build/release/bin/mixoscope screenshot --out "resources/screenshots/chat-$theme.png" --theme "$theme" --size 1600x1000
done

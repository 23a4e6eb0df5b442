#!/usr/bin/env bash
# How the settings of `graft demo` were chosen: each strategy with several values, on pictures of another seed
# than the demo's own, so that nothing is fitted to the pictures that the demo is judged by.
#   bench/demo_settings.sh [GRAFT [SEED]]          about 6 minutes on 2 cores
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
graft=${1:-$here/../build/cpu/app/graft}
seed=${2:-2}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

measure() {  # strategy, setting, values...
  local strategy=$1 setting=$2 value
  shift 2
  for value; do
    "$graft" demo --seed "$seed" --strategy "$strategy" --set "$setting=$value" --out "$folder/run" \
      --json "$folder/run.json" >"$folder/log" 2>&1 || { cat "$folder/log"; exit 1; }
    printf '%-10s %-14s %-6s %5.1f %%\n' "$strategy" "$setting" "$value" \
      "$(sed -n 's/.*"accuracy": *\([0-9.]*\).*/\1/p' "$folder/run.json" | awk 'NR == 1 { print 100 * $1 }')"
    rm -rf "$folder"/run*
  done
}

measure scratch learning_rate 0.02 0.05 0.1 0.2
measure partial:1 learning_rate 0.005 0.01 0.02 0.05
measure full learning_rate 0.005 0.01 0.02 0.05
measure head weight_decay 0.01 0.1 1

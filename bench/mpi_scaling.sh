#!/usr/bin/env bash
# Pictures a second of one training in 1, 2, 4, ... processes, with the processors divided among them, so that only the
# way of working together differs; and of one process with as many threads as several have together, to compare.
#   bench/mpi_scaling.sh [GRAFT] [PROCESSES...]      default: build/cpu/app/graft 1 2 4
# Trains everything (`full`) of the network that ships with graft on drawn plants, batch 32, three epochs, and tells the
# training's own time (without start, loading and scoring). Takes the best of three rounds, since others may be at work.
set -euo pipefail
cd "$(dirname "$0")/.."
graft=$(realpath "${1:-build/cpu/app/graft}")
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- 1 2 4
weights=$PWD/weights/meadow.safetensors
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
"$graft" meadow draw --out plants --per-class 48 >/dev/null
processors=$(nproc)
root=()
[ "$(id -u)" != 0 ] || root=(--allow-run-as-root)

# seconds PROCESSES THREADS: of one run's training
seconds() {
  local start=()
  [ "$1" = 1 ] || start=(mpirun "${root[@]}" --oversubscribe --bind-to none -np "$1")
  rm -rf run
  "${start[@]}" "$graft" tune plants --model meadow_resnet --weights "$weights" --strategy full --epochs 3 --batch 32 \
    --set head_first=false --no-cache --threads "$2" --out run --json run.json >/dev/null 2>log || { cat log >&2; exit 1; }
  python3 -c 'import json; r = json.load(open("run/metrics.json")); print(r["timings"]["train"])'
}

echo "$processors processors, load $(cut -d' ' -f1-3 /proc/loadavg)"
echo "processes  threads each  seconds  to one process with one thread"
alone=
for round in 1 2 3; do
  for processes in "$@"; do
    for threads in 1 $((processors / processes)); do
      [ "$threads" -ge 1 ] && seconds "$processes" "$threads" >>"$processes-$threads"
    done
  done
done
for processes in "$@"; do
  for threads in 1 $((processors / processes)); do
    [ -f "$processes-$threads" ] || continue
    best=$(sort -g "$processes-$threads" | head -1)
    alone=${alone:-$best}
    awk -v p="$processes" -v t="$threads" -v s="$best" -v a="$alone" \
      'BEGIN { printf "%9d  %12d  %7.2f  %.2f\n", p, t, s, a / s }'
    rm "$processes-$threads"
  done
done
echo "load $(cut -d' ' -f1-3 /proc/loadavg)"

#!/usr/bin/env bash
# Another camera, without labels: what re-estimating batch norm's statistics gains on four made domains of real photos.
#   examples/adapt/run.sh FLOWERS WEIGHTS [OUT] [PYTHON] [GRAFT]
# FLOWERS has train/ and test/ with class folders, WEIGHTS is MobileNetV2's published file; PYTHON has Pillow and NumPy.
# Prints a table: held-out pictures right before and after. docs/adapt.md tells what it shows.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
flowers=${1:?a folder with train/ and test/} weights=${2:?mobilenet_v2.pth}
out=${3:-adapt-example} python=${4:-python3} graft=${5:-$here/../../build/cpu/app/graft}
mkdir -p "$out"

accuracy() {  # MODEL DATA
  "$graft" eval "$1" "$2" --json "$out/eval.json" >/dev/null 2>&1
  sed -n 's/^  "accuracy": \([0-9.e-]*\),$/\1/p' "$out/eval.json"
}

# The source: statistics of the flowers' own photos, then a head on the trunk with these.
"$graft" adapt --model mobilenet_v2 --weights "$weights" "$flowers/train" --out "$out/own.graft" >/dev/null 2>&1
"$graft" tune "$flowers" --model mobilenet_v2 --weights "$out/own.graft" --no-cache --out "$out/source" >/dev/null 2>&1
source=$out/source/model.graft
printf '%-8s %8s %8s\n' domain before after
printf '%-8s %8s\n' photos "$(accuracy "$source" "$flowers")"

"$python" "$here/other_camera.py" "$flowers" "$out/cameras"
for domain in "$out"/cameras/*; do
  kind=$(basename "$domain")
  "$graft" adapt "$source" "$domain/train" --out "$out/$kind.graft" >/dev/null 2>&1
  printf '%-8s %8s %8s\n' "$kind" "$(accuracy "$source" "$domain")" "$(accuracy "$out/$kind.graft" "$domain")"
done

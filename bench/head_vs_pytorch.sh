#!/usr/bin/env bash
# Head retraining, cold process to trained head, on this machine in one run: graft, then PyTorch's tutorial.
#   bench/head_vs_pytorch.sh DATA WEIGHTS [EPOCHS]       (MobileNetV2; PYTHON names a Python with torchvision)
set -euo pipefail
data=$1 weights=$2 epochs=${3:-25}
root=$(cd "$(dirname "$0")/.." && pwd)
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

# A cold run: no cached features, nothing left from before.
"$root/build/cpu/app/graft" tune "$data" --model mobilenet_v2 --weights "$weights" --strategy head --epochs "$epochs" \
  --no-cache --out "$out/run" --json "$out/graft.json" >"$out/log"
"${PYTHON:-/usr/bin/python3}" "$root/bench/tutorial_pytorch.py" "$data" --weights "$weights" --epochs "$epochs" |
  tail -n 1 >"$out/torch.json"
"${PYTHON:-/usr/bin/python3}" - "$out" <<'PY'
import json, sys
a = json.load(open(sys.argv[1] + "/graft.json"))
b = json.load(open(sys.argv[1] + "/torch.json"))
print(f"graft    {a['seconds']:8.1f} s   accuracy {a['accuracy']:.3f}")
print(f"PyTorch  {b['seconds']:8.1f} s   accuracy {b['last']:.3f} (best epoch {b['best']:.3f}), torch {b['torch']}")
print(f"graft is {b['seconds'] / a['seconds']:.1f} times as fast")
PY

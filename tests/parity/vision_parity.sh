#!/usr/bin/env bash
# CLIP ViT-B/32 and ViT-B/16, random weights, against transformers and torchvision: writes references to a folder of its
# own (3 GB), compares in f32 and f64, prints a table.
#   tests/parity/vision_parity.sh PYTHON [TESTS]
# PYTHON has torch, torchvision, transformers and safetensors (tests/golden/vision_models.py); TESTS is the test program.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
python=${1:?the Python that has transformers}
tests=${2:-$here/../../build/cpu/tests/graft_tests}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$python" "$here/../golden/vision_models.py" full "$folder"
GRAFT_PARITY=$folder "$tests" --source-file='*nn/full_vision_parity_test.cpp'

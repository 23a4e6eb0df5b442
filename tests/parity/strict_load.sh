#!/usr/bin/env bash
# Networks saved by graft, as .pth and as .safetensors, loaded by PyTorch with strict=True; logits compared; prints a table.
#   tests/parity/strict_load.sh [PYTHON] [TESTS]
# PYTHON has torch and torchvision (default: Debian's /usr/bin/python3); TESTS is the test program.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
python=${1:-/usr/bin/python3}
tests=${2:-$here/../../build/cpu/tests/graft_tests}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
GRAFT_PARITY=$folder "$tests" --source-file='*weights/export_test.cpp' >"$folder/log" || { cat "$folder/log"; exit 1; }
"$python" "$here/strict_load.py" "$folder"

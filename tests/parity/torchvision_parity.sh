#!/usr/bin/env bash
# Full-size networks against torchvision: writes references to a folder of its own, compares, prints a table.
#   tests/parity/torchvision_parity.sh [PYTHON] [TESTS]
# PYTHON has torch and torchvision (default: Debian's /usr/bin/python3); TESTS is the test program.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
python=${1:-/usr/bin/python3}
tests=${2:-$here/../../build/cpu/tests/graft_tests}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$python" "$here/../golden/models.py" full "$folder"
GRAFT_PARITY=$folder "$tests" --source-file='*nn/full_parity_test.cpp'

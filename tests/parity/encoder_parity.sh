#!/usr/bin/env bash
# BERT-base and RoBERTa-base, random weights, against transformers: writes references to a folder of its own (3 GB), compares,
# prints a table.
#   tests/parity/encoder_parity.sh PYTHON [TESTS]
# PYTHON has torch, transformers and safetensors (tests/golden/encoder_models.py); TESTS is the test program.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
python=${1:?the Python that has transformers}
tests=${2:-$here/../../build/cpu/tests/graft_tests}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$python" "$here/../golden/encoder_models.py" full "$folder"
GRAFT_PARITY=$folder "$tests" --source-file='*nn/full_encoder_parity_test.cpp'

#!/usr/bin/env bash
# GPT-2 small and T5-small, random weights, against transformers: writes references to a folder of its own (2 GB),
# compares, prints a table.
#   tests/parity/decoder_parity.sh PYTHON [TESTS]
# PYTHON has torch, transformers and safetensors (tests/golden/decoder_models.py); TESTS is the test program.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
python=${1:?the Python that has transformers}
tests=${2:-$here/../../build/cpu/tests/graft_tests}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$python" "$here/../golden/decoder_models.py" full "$folder"
GRAFT_PARITY=$folder "$tests" --source-file='*nn/full_decoder_parity_test.cpp'

#!/usr/bin/env bash
# The published checkpoints against the outputs that their publishers' own tests expect (published_values.json): prints a table;
# a wrong value fails, what is not there is said.
#   tests/parity/published_values.sh DIR [TESTS]
# DIR holds what Hugging Face's and torchvision's pages give, under the names of the table: bert-base-uncased/ (config.json,
# weights, tokenizer files), roberta-base/, roberta-large-mnli/, gpt2/, t5-small/, t5-v1_1-small/, clip-vit-base-patch32/,
# vit-base-patch16-224/, resnet18-5c106cde.pth, and the picture coco_000000039769.png. TESTS is the test program.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=$(realpath "${1:?a folder with published checkpoints}")
tests=${2:-$here/../../build/cpu/tests/graft_tests}
GRAFT_PARITY=$folder "$tests" --no-skip "--test-case=published values: the files in GRAFT_PARITY"

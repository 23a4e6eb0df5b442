#!/usr/bin/env bash
# Compares the tokenizers with the real libraries over every code point, 100,000 generated strings and the sentences of the
# assets, and prints each string whose ids differ. Needs GRAFT_ASSETS and a Python with what tests/golden/tokenizer_ids.py asks for.
#   tests/parity/tokenizers.sh BUILD [PYTHON]        BUILD: such as build/cpu
set -euo pipefail
build=$(realpath "$1")
python=${2:-python3}
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
GRAFT_PARITY=$work "$build/tests/graft_tests" --no-skip "--test-case=tokenizers: write the blocks that differ"
count=0
for file in "$work"/*; do
  [ -e "$file" ] || break
  read -r name part block <<<"$(basename "$file")"
  "$python" tests/golden/tokenizer_ids.py differences "$name" "$part" "$block" "$file"
  count=$((count + 1))
done
echo "$count blocks differ"
rm -f "$work"/*
cat "$GRAFT_ASSETS"/text/*/* | tr -d '\r' >"$work/sentences.txt"
GRAFT_PARITY=$work "$build/tests/graft_tests" --no-skip "--test-case=tokenizers: write the ids of sentences" >/dev/null
"$python" tests/golden/tokenizer_ids.py sentences "$work"
[ "$count" = 0 ]

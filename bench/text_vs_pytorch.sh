#!/usr/bin/env bash
# Fine-tuning a small BERT on SST-2 and TREC: graft beside PyTorch, from the same weights, in the same order, by the same schedule.
#   bench/text_vs_pytorch.sh ASSETS [SEEDS] [ROWS]     (PYTHON names a Python with torch and transformers; 1 thread each)
# ASSETS/text/{sst2,trec} and ASSETS/tokenizers/bert-base-uncased/vocab.txt are read; of SST-2 the first ROWS rows are trained on.
# Two tables: without dropout the loss of every step beside PyTorch's; with dropout, of which the two programs draw their own, the
# accuracies over the seeds. graft drops vectors, not attention's probabilities: the model's attention dropout is 0.
set -euo pipefail
assets=$1 seeds=${2:-3} rows=${3:-6000}
root=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-/usr/bin/python3} torch="$root/bench/text_pytorch.py" graft="$root/build/cpu/app/graft"
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
export OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 TRANSFORMERS_VERBOSITY=error
vocabulary=$assets/tokenizers/bert-base-uncased/vocab.txt

mkdir -p "$out/sst2" "$out/trec"
head -n $((rows + 1)) "$assets/text/sst2/train.tsv" >"$out/sst2/train.tsv"
cp "$assets/text/sst2/dev.tsv" "$out/sst2/dev.tsv"
cp "$assets"/text/trec/*.label "$out/trec/"

for data in sst2 trec; do
  classes=2 epochs=3
  if [ $data = trec ]; then classes=6 epochs=6; fi
  for dropout in 0.0 0.1; do
    "$python" "$torch" make "$out/$data-$dropout" "$vocabulary" $dropout $classes
    last=$seeds; [ $dropout = 0.0 ] && last=1
    for seed in $(seq 1 "$last"); do
      "$graft" tune "$out/$data" --weights "$out/$data-$dropout" --strategy full --epochs $epochs --batch 32 --lr 5e-4 --seed "$seed" \
        --set keep_head=true --set by_length=false --threads 1 --out "$out/run" --json "$out/graft.json" >"$out/log" 2>&1
      "$python" "$torch" tune "$out/$data-$dropout" "$out/$data" "$out/torch.json" "$seed" $epochs 32 5e-4
      printf '%s, dropout %s, seed %s: ' "$data" "$dropout" "$seed"
      "$python" "$torch" compare "$out/graft.json" "$out/torch.json"
    done
  done
done

#!/usr/bin/env bash
# From ImageNet's photos to other real photos, few of them labelled: what each step of domain adaptation gains.
#   examples/adapt/real_photos.sh PHOTOS WEIGHTS [OUT] [GRAFT]
# PHOTOS is a folder of class folders, which each seed halves: one half trains, the other is scored, and the reverse; or has
# train/ and test/. WEIGHTS is MobileNetV2's published file. Prints a table of percentages, one column a seed.
# SEEDS ("1 2 3"), EPOCHS (4), CAREFUL and USUAL (the settings of two ways to train every layer) and METHODS come from the
# environment. docs/adapt.md tells what it shows.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
photos=$(cd "${1:?a folder of class folders, or with train/ and test/}" && pwd) weights=${2:?mobilenet_v2.pth}
out=${3:-real-photos} graft=${4:-$here/../../build/cpu/app/graft}
seeds=${SEEDS:-1 2 3} epochs=${EPOCHS:-4}
careful=${CAREFUL:-learning_rate=1e-4 body_lr_scale=1 l2_sp=0.01}  # one small rate for every layer, held near where it was
usual=${USUAL:-}                                                   # what graft does unless told
methods=${METHODS:-head own-head full careful}
mkdir -p "$out"
out=$(cd "$out" && pwd)
export GRAFT_CACHE=$out/cache
results=$out/results.tsv
: >"$results"

quietly() {
  "$@" >"$out/log" 2>&1 || { tail -5 "$out/log" >&2; exit 1; }
}

# Links to the pictures: of each class, in an order that the seed draws, every second one to $2/a, the others to $2/b.
halve() {  # SEED FOLDER
  local class name half
  for class in "$photos"/*/; do
    half=a
    mkdir -p "$2/a/$(basename "$class")" "$2/b/$(basename "$class")"
    while read -r _ name; do
      ln -sfn "$class$name" "$2/$half/$(basename "$class")/$name"
      [ $half = a ] && half=b || half=a
    done < <(cd "$class" && for name in *; do printf '%s %s\n' "$(printf '%s' "$1 $name" | sha256sum | cut -c1-16)" "$name"; done | sort)
  done
}

# "own-": the statistics of batch norm are first estimated on the training photos, without their labels.
tune() {  # METHOD DATA SEED -> a line of results
  local start=$weights settings=() option
  if [[ $1 == own-* ]]; then
    start=$out/own.graft
    quietly "$graft" adapt --model mobilenet_v2 --weights "$weights" "$2/train" --seed "$3" --out "$start"
  fi
  case $1 in
    *full) for option in $usual; do settings+=(--set "$option"); done ;;
    *careful) for option in $careful; do settings+=(--set "$option"); done ;;
  esac
  [[ $1 == *head ]] || settings+=(--strategy full --epochs "$epochs")
  quietly "$graft" tune "$2" --model mobilenet_v2 --weights "$start" --seed "$3" "${settings[@]}" --out "$out/run"
  sed -n -e 's/^  "accuracy": \(.*\),$/\1/p' -e 's/^  "count": \(.*\),$/\1/p' "$out/run/metrics.json" |
    paste -sd' ' | awk -v m="$1" -v s="$3" '{printf "%s\t%s\t%d\t%d\n", m, s, $1 * $2 + 0.5, $2}' >>"$results"
}

for seed in $seeds; do
  if [ -d "$photos/train" ] && [ -d "$photos/test" ]; then
    folds=("$photos")
  else
    halve "$seed" "$out/split-$seed"
    for fold in ab ba; do
      mkdir -p "$out/$seed-$fold"
      ln -sfn "$out/split-$seed/${fold:0:1}" "$out/$seed-$fold/train"
      ln -sfn "$out/split-$seed/${fold:1:1}" "$out/$seed-$fold/test"
    done
    folds=("$out/$seed-ab" "$out/$seed-ba")
  fi
  for fold in "${folds[@]}"; do
    for method in $methods; do tune "$method" "$fold" "$seed"; done
  done
done

# Per method: the share of right answers by seed, their mean and spread, and what each seed gains over the first method.
awk -F'\t' -v seeds="$seeds" -v methods="$methods" '
  { right[$1, $2] += $3; count[$1, $2] += $4 }
  function spread(x, n, mean, i, sum) {
    for (i = 1; i <= n; i++) sum += (x[i] - mean) ^ 2
    return n > 1 ? sqrt(sum / (n - 1)) : 0
  }
  END {
    n = split(seeds, seed, " "); k = split(methods, method, " ")
    printf "%-12s", "method"
    for (i = 1; i <= n; i++) printf " %8s", "seed " seed[i]
    printf " %8s %7s   %s\n", "mean", "spread", "gain over " method[1]
    for (j = 1; j <= k; j++) {
      printf "%-12s", method[j]
      mean = gain = 0
      for (i = 1; i <= n; i++) {
        x[i] = 100 * right[method[j], seed[i]] / count[method[j], seed[i]]
        d[i] = x[i] - 100 * right[method[1], seed[i]] / count[method[1], seed[i]]
        mean += x[i] / n; gain += d[i] / n
        printf " %8.2f", x[i]
      }
      printf " %8.2f %7.2f   %+.2f (%.2f)\n", mean, spread(x, n, mean), gain, spread(d, n, gain)
    }
    printf "of %d scored photos a seed; spread and (brackets): standard deviation over seeds\n", count[method[1], seed[1]]
  }' "$results"

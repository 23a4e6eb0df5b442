#!/usr/bin/env python3
"""Text from GPT-2 by graft and by transformers, on the same CPU, in turns: tokens per second, and whether they grow with length.

    bench/generate_vs_transformers.py [--graft PROGRAM] [--threads N] [--size small|medium|tiny] [--rounds R]

Needs `pip install torch transformers safetensors`. The weights are random (speed does not depend on them); both read the same
file, both keep keys and values, both are greedy and stop at no token, and their tokens are compared. A figure is the best of R
rounds; reading the prompt of 16 tokens is in it, loading is not. The last line says what a token costs at the end of the longest
text beside one in the shortest: with keys and values kept, little more. Beside each row stands the machine's load (of the last
minute, before the row): where it is above the threads in use by more than a half, other programs were in the way.
"""
import argparse
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

import torch
from transformers import GPT2Config, GPT2LMHeadModel

SIZES = {"tiny": {"n_embd": 128, "n_layer": 2, "n_head": 2}, "small": {}, "medium": {"n_embd": 1024, "n_layer": 24, "n_head": 16}}


def main():
    here = Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--graft", default=str(here / "../build/cpu/app/graft"))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--counts", default="32,64,128,256,512")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(1)
    net = GPT2LMHeadModel(GPT2Config(**SIZES[arguments.size])).eval()
    net.generation_config.eos_token_id = None
    prompt = torch.randint(0, 50257, (1, 16))

    def transformers_run(count):
        begin = time.perf_counter()
        with torch.no_grad():
            out = net.generate(prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=count, do_sample=False, pad_token_id=0)
        return time.perf_counter() - begin, out[0, 16:].tolist()

    with tempfile.TemporaryDirectory() as folder:
        net.save_pretrained(folder)

        def graft_run(count):
            out = Path(folder) / "out.json"
            subprocess.run([arguments.graft, "generate", "--weights", folder, "--tokens", ",".join(map(str, prompt[0].tolist())), "--count",
                            str(count), "--greedy", "--no-end", "--threads", str(arguments.threads), "--json", str(out)],
                           check=True, capture_output=True)
            result = json.loads(out.read_text())
            return result["seconds"], result["tokens"]

        print(f"GPT-2 {arguments.size}, {arguments.threads} threads, f32, prompt 16; tokens/s: best of {arguments.rounds}")
        print(f"{'count':>6} {'graft':>8} {'transformers':>13} {'ratio':>6}  {'tokens':6}  load")
        best = {}
        for count in map(int, arguments.counts.split(",")):
            ours, theirs, load = [], [], os.getloadavg()[0]
            for _ in range(arguments.rounds):
                ours.append(graft_run(count))
                theirs.append(transformers_run(count))
            best[count] = [min(seconds for seconds, _ in runs) for runs in (ours, theirs)]
            a, b = (count / seconds for seconds in best[count])
            equal = "equal" if ours[0][1] == theirs[0][1] else "differ"
            print(f"{count:6} {a:8.1f} {b:13.1f} {a / b:6.2f}  {equal:6}  {load:.1f}", flush=True)
        if len(best) > 1:
            counts = sorted(best)
            growth = [(best[counts[-1]][i] - best[counts[-2]][i]) / (counts[-1] - counts[-2]) / (best[counts[0]][i] / counts[0])
                      for i in range(2)]
            print(f"a token after {counts[-2]} costs as much as {growth[0]:.2f} of the first {counts[0]} (transformers: {growth[1]:.2f})")


if __name__ == "__main__":
    main()

"""References for GPT-2, T5 and generation, from the real transformers on random weights.

    decoder_models.py tiny OUT        narrow variants, small enough to be committed (tests/golden/decoders/)
    decoder_models.py full OUT        GPT-2 small and T5-small as transformers initialises them (tests/parity/decoder_parity.sh)

Needs `pip install torch==1.13.1 transformers==4.36.2 safetensors`. For each network a folder OUT/NAME:

    config.json, and pytorch_model.bin or model.safetensors     as published
    golden.safetensors     inputs, the output of every block ("block/..."), logits, loss, gradients ("grad/...")
    generation.json        prompts with settings of generate() and the tokens it gave; continuations with their log-likelihoods

Everything is computed in f64 from weights that are f32 numbers, and rounded to f32. Tokens that f32 and f64 do not agree on
are an error. OUT/filters.json: probabilities after the logits processors and warpers. OUT/buckets.json: T5's buckets of relative
positions.
"""
import copy
import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn
from transformers import GPT2Config, GPT2LMHeadModel, T5Config, T5ForConditionalGeneration
from transformers.generation import logits_process
from transformers.models.gpt2.modeling_gpt2 import GPT2MLP, GPT2Attention, GPT2Block
from transformers.models.t5 import modeling_t5 as t5

BLOCKS = (GPT2Block, GPT2Attention, GPT2MLP, nn.LayerNorm, t5.T5Block, t5.T5LayerSelfAttention, t5.T5LayerCrossAttention,
          t5.T5LayerFF, t5.T5Attention, t5.T5DenseActDense, t5.T5DenseGatedActDense, t5.T5LayerNorm)


def randomise(net, spread, norm_bias):
    """Weights wide enough for tokens to differ from step to step; no norm is the identity."""
    for name, p in net.named_parameters():
        if "ln_" in name or "layer_norm" in name:
            nn.init.normal_(p, 1.0 if name.endswith("weight") else 0.0, 0.2 if name.endswith("weight") else norm_bias)
        elif "relative_attention_bias" in name:
            nn.init.normal_(p, 0, 1)
        elif p.dim() == 2:
            nn.init.normal_(p, 0, spread / p.shape[-1] ** 0.5)
        else:
            nn.init.normal_(p, 0, 0.1)


def references(net, **inputs):
    golden = {k: v.clone() for k, v in inputs.items()}
    net = copy.deepcopy(net).double().eval()

    def note(name):
        def hook(module, args, output):
            golden["block/" + name] = (output[0] if isinstance(output, tuple) else output).detach().clone()
        return hook

    for name, module in net.named_modules():
        if isinstance(module, BLOCKS):
            module.register_forward_hook(note(name))
    out = net(**inputs)
    out.loss.backward()
    golden["logits"], golden["loss"] = out.logits.detach(), out.loss.detach()
    for name, parameter in net.named_parameters():
        golden["grad/" + name] = parameter.grad
    return {k: (v.float() if v.is_floating_point() else v).contiguous() for k, v in golden.items()}


def likelihood(net, prompt, continuation):
    """Sum of the natural logarithms of the probabilities of `continuation` behind `prompt`."""
    labels = torch.tensor([continuation])
    with torch.no_grad():
        if net.config.is_encoder_decoder:
            logits = net(input_ids=torch.tensor([prompt]), labels=labels).logits[0]
        else:
            logits = net(input_ids=torch.tensor([prompt + continuation])).logits[0, len(prompt) - 1:-1]
    return torch.log_softmax(logits, -1).gather(1, labels.T).sum().item()


SETTINGS = [
    {}, {"min_new_tokens": 8}, {"repetition_penalty": 1.7}, {"repetition_penalty": 0.6, "num_beams": 2},
    {"no_repeat_ngram_size": 2}, {"no_repeat_ngram_size": 1}, {"num_beams": 2}, {"num_beams": 3}, {"num_beams": 4}, {"num_beams": 7},
    {"num_beams": 4, "length_penalty": 0.0}, {"num_beams": 4, "length_penalty": 2.0}, {"num_beams": 3, "length_penalty": -1.0},
    {"num_beams": 4, "early_stopping": True}, {"num_beams": 4, "early_stopping": "never"},
    {"num_beams": 3, "early_stopping": "never", "length_penalty": 2.5}, {"num_beams": 3, "early_stopping": "never", "length_penalty": -0.5},
    {"num_beams": 4, "repetition_penalty": 1.4}, {"num_beams": 3, "no_repeat_ngram_size": 2}, {"num_beams": 4, "num_return_sequences": 4},
    {"num_beams": 4, "early_stopping": True, "length_penalty": 0.5, "num_return_sequences": 3}, {"num_beams": 3, "min_new_tokens": 6},
]


def generations(net, prompts, ends, settings=SETTINGS):
    wide = copy.deepcopy(net).double().eval()
    cases = []
    for prompt in prompts:
        for eos in ends:
            for setting in settings:
                if eos is None and "min_new_tokens" in setting:
                    continue
                results = []
                for model in (net, wide):
                    model.generation_config.eos_token_id = eos
                    out = model.generate(torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
                                         max_new_tokens=14, do_sample=False, pad_token_id=0, return_dict_in_generate=True,
                                         output_scores=True, **setting)
                    results.append(out)
                tokens = [r.sequences.tolist() for r in results]
                assert tokens[0] == tokens[1], ("f32 and f64 differ", setting, tokens)
                case = {"prompt": prompt, "eos": [] if eos is None else eos if isinstance(eos, list) else [eos],
                        "max_new_tokens": 14, "setting": setting, "sequences": tokens[1]}
                if "num_beams" in setting:
                    case["scores"] = results[1].sequences_scores.tolist()
                cases.append(case)
    return cases


def write(out, name, net, golden, generation, state, safetensors):
    folder = out / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(net.config.to_json_string())
    if safetensors:
        save_file(state, folder / "model.safetensors", {"format": "pt"})
    else:
        torch.save(state, folder / "pytorch_model.bin")
    save_file(golden, folder / "golden.safetensors")
    (folder / "generation.json").write_text(json.dumps(generation, separators=(",", ":")).replace("},{", "},\n{") + "\n")
    print(name, sum(p.numel() for p in net.parameters()), "parameters", len(generation["cases"]), "generations")


def make_gpt2(out):
    torch.manual_seed(3)
    config = GPT2Config(vocab_size=31, n_positions=40, n_embd=24, n_layer=2, n_head=3, bos_token_id=30, eos_token_id=30)
    net = GPT2LMHeadModel(config).eval()
    randomise(net, 1.5, 0.3)
    ids = torch.randint(0, 31, (2, 11))
    golden = references(net, input_ids=ids, labels=torch.where(torch.arange(11) % 5 == 3, -100, ids))
    # The published files have no "transformer." and hold the causal masks; lm_head is wte.
    state = {k.removeprefix("transformer."): v for k, v in net.state_dict().items() if k != "lm_head.weight"}
    for i in range(config.n_layer):
        state[f"h.{i}.attn.bias"] = torch.tril(torch.ones(1, 1, 40, 40))
        state[f"h.{i}.attn.masked_bias"] = torch.tensor(-1e4)
    prompts = torch.randint(0, 31, (3, 5)).tolist()
    generation = {"cases": generations(net, prompts, [None, 7, [3, 11, 19, 23, 28]])}
    generation["scores"] = [{"prompt": p, "continuation": c, "log_likelihood": likelihood(copy.deepcopy(net).double(), p, c)}
                            for p, c in ((prompts[0], [4]), (prompts[0], [1, 2, 30, 7]), (prompts[1][:1], prompts[2]))]
    write(out, "gpt2", net, golden, generation, state, safetensors=False)


def make_t5(out, name, seed, safetensors, **kind):
    torch.manual_seed(seed)
    config = T5Config(vocab_size=29, d_model=16, d_kv=6, d_ff=20, num_heads=3, relative_attention_num_buckets=8,
                      relative_attention_max_distance=20, decoder_start_token_id=0, **kind)
    net = T5ForConditionalGeneration(config).eval()
    randomise(net, 1.5, 0)
    if config.tie_word_embeddings:  # the head divides by the square root of d_model
        net.shared.weight.data.mul_(4)
    ids, mask = torch.randint(2, 29, (2, 23)), torch.ones(2, 23, dtype=torch.long)
    mask[1, 17:], ids[1, 17:] = 0, 0
    labels = torch.randint(1, 29, (2, 12))
    labels[0, 9:] = -100
    golden = references(net, input_ids=ids, attention_mask=mask, labels=labels)
    state = {k: v.clone() for k, v in net.state_dict().items()}
    if safetensors:  # tied names are written once
        tied = ["encoder.embed_tokens.weight", "decoder.embed_tokens.weight"] + ["lm_head.weight"] * config.tie_word_embeddings
        for key in tied:
            del state[key]
    else:  # as in the file of the published T5 v1.0: a table that nothing reads
        state["decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight"] = torch.randn(8, 3)
    prompts = [torch.randint(2, 29, (n,)).tolist() for n in (1, 6, 23)]
    generation = {"cases": generations(net, prompts, [None, 1, [4, 9, 14, 20, 25]])}
    generation["scores"] = [{"prompt": p, "continuation": c, "log_likelihood": likelihood(copy.deepcopy(net).double(), p, c)}
                            for p, c in ((prompts[0], [4]), (prompts[1], [1, 2, 28, 7]), (prompts[2], prompts[1]))]
    write(out, name, net, golden, generation, state, safetensors)


def make_filters(out):
    torch.manual_seed(5)
    cases = []
    for temperature, top_k, top_p in ((1, 0, 1), (0.7, 0, 1), (1.5, 0, 1), (1, 1, 1), (1, 5, 1), (1, 99, 1), (1, 0, 0.9),
                                      (1, 0, 0.3), (1, 0, 0), (0.8, 10, 0.7), (2, 3, 0.99), (0.1, 20, 0.5)):
        scores = (torch.randn(1, 20).double() * 2).round(decimals=2)
        if top_k == 5:
            scores[0, 3:9] = scores[0].topk(5).values[-1]  # ties with the fifth stay
        warped = scores.clone()
        chain = [logits_process.TemperatureLogitsWarper(float(temperature))] if temperature != 1 else []
        chain += [logits_process.TopKLogitsWarper(top_k)] if top_k else []
        chain += [logits_process.TopPLogitsWarper(top_p)] if top_p < 1 else []
        for step in chain:
            warped = step(None, warped)
        cases.append({"temperature": temperature, "top_k": top_k, "top_p": top_p, "logits": [round(x, 2) for x in scores[0].tolist()],
                      "probabilities": warped.softmax(-1)[0].tolist()})
    (out / "filters.json").write_text(json.dumps(cases).replace("}, {", "},\n{") + "\n")


def make_buckets(out):
    positions, cases = torch.arange(-600, 601), []
    for bidirectional in (True, False):
        for buckets, distance in ((32, 128), (8, 20), (8, 128), (32, 64)):
            found = t5.T5Attention._relative_position_bucket(positions, bidirectional, buckets, distance)
            cases.append({"bidirectional": bidirectional, "buckets": buckets, "max_distance": distance, "of": found.tolist()})
    (out / "buckets.json").write_text(json.dumps(cases, separators=(",", ":")).replace("},{", "},\n{") + "\n")


FULL_SETTINGS = [{}, {"num_beams": 4}, {"num_beams": 3, "no_repeat_ngram_size": 2, "length_penalty": 2.0}, {"repetition_penalty": 1.5}]


def make_full(out):
    torch.manual_seed(1)
    ids, mask = torch.randint(10, 30000, (2, 33)), torch.ones(2, 33, dtype=torch.long)
    mask[1, 20:] = 0
    net = GPT2LMHeadModel(GPT2Config()).eval()
    state = {k: v for k, v in net.state_dict().items() if k != "lm_head.weight"}
    generation = {"cases": generations(net, [ids[0].tolist()], [None], FULL_SETTINGS), "scores": []}
    write(out, "gpt2-small", net, references(net, input_ids=ids, labels=ids), generation, state, safetensors=True)
    config = T5Config(vocab_size=32128, d_model=512, d_ff=2048, num_layers=6, num_heads=8, decoder_start_token_id=0)
    net = T5ForConditionalGeneration(config).eval()
    state = {k: v for k, v in net.state_dict().items() if "embed_tokens" not in k and k != "lm_head.weight"}
    golden = references(net, input_ids=ids, attention_mask=mask, labels=torch.randint(10, 30000, (2, 17)))
    generation = {"cases": generations(net, [ids[0].tolist()], [None, 1], FULL_SETTINGS), "scores": []}
    write(out, "t5-small", net, golden, generation, state, safetensors=True)


def make_tiny(out):
    make_gpt2(out)
    make_t5(out, "t5-v1_0", 1, False, feed_forward_proj="relu", num_layers=2)
    make_t5(out, "t5-v1_1", 2, True, feed_forward_proj="gated-gelu", num_layers=1, num_decoder_layers=2, tie_word_embeddings=False)
    make_filters(out)
    make_buckets(out)


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in ("tiny", "full"):
        sys.exit(__doc__)
    folder = Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    {"tiny": make_tiny, "full": make_full}[sys.argv[1]](folder)

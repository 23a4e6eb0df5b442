"""References for BERT and RoBERTa, from the real transformers on random weights.

    encoder_models.py tiny OUT      narrow variants, small enough to be committed (tests/golden/encoders/)
    encoder_models.py full OUT      BERT-base and RoBERTa-base (tests/parity/encoder_parity.sh)

Needs `pip install torch==1.13.1 transformers==4.36.2 safetensors`. For each network a folder OUT/NAME:

    config.json, and pytorch_model.bin or model.safetensors     as published
    golden.safetensors     inputs, the output of every block ("block/..."), logits, loss, gradients ("grad/...")

Everything is computed in f64 from weights that are f32 numbers, and rounded to f32.
"""
import copy
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn
from transformers import (BertConfig, BertForMaskedLM, BertForQuestionAnswering, BertForSequenceClassification,
                          RobertaConfig, RobertaForMaskedLM, RobertaForSequenceClassification)
from transformers.models.bert import modeling_bert as bert
from transformers.models.roberta import modeling_roberta as roberta

BLOCKS = (bert.BertEmbeddings, bert.BertLayer, roberta.RobertaEmbeddings, roberta.RobertaLayer)
SIZES = {"vocab_size": 37, "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 40,
         "max_position_embeddings": 20, "num_labels": 3}


def randomise(net):
    """Weights wide enough for attention to choose; no norm is the identity."""
    for name, p in net.named_parameters():
        if "LayerNorm" in name or "layer_norm" in name:
            nn.init.normal_(p, 1.0 if name.endswith("weight") else 0.0, 0.2)
        elif p.dim() == 2:
            nn.init.normal_(p, 0, 1.5 / p.shape[-1] ** 0.5)
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
    if "spans" in inputs:
        spans = inputs.pop("spans")
        inputs["start_positions"], inputs["end_positions"] = spans[:, 0], spans[:, 1]
    out = net(**inputs)
    out.loss.backward()
    logits = torch.stack([out.start_logits, out.end_logits], -1) if "start_logits" in out else out.logits
    golden["logits"], golden["loss"] = logits.detach(), out.loss.detach()
    for name, parameter in net.named_parameters():
        golden["grad/" + name] = parameter.grad
    if "spans" in golden:
        golden["labels"] = golden.pop("spans")
    return {k: (v.float() if v.is_floating_point() else v).contiguous() for k, v in golden.items()}


def write(out, name, net, golden, safetensors, rename=lambda k: k):
    folder = out / name
    folder.mkdir(parents=True, exist_ok=True)
    net.config.architectures = [type(net).__name__]
    (folder / "config.json").write_text(net.config.to_json_string())
    state = {rename(k): v for k, v in net.state_dict().items() if "decoder.weight" not in k and "decoder.bias" not in k}
    if safetensors:
        save_file(state, folder / "model.safetensors", {"format": "pt"})
    else:
        torch.save(state, folder / "pytorch_model.bin")
    save_file(golden, folder / "golden.safetensors")
    print(name, sum(p.numel() for p in net.parameters()), "parameters")


def texts(padding, types, lengths=(9, 6, 4), vocabulary=37):
    """A text of each length; with types: pairs."""
    count, ends = max(lengths), torch.tensor(lengths)[:, None]
    ids = torch.randint(3, vocabulary, (len(lengths), count))
    mask = (torch.arange(count) < ends).long()
    inputs = {"input_ids": torch.where(mask == 1, ids, padding), "attention_mask": mask}
    if types:
        inputs["token_type_ids"] = ((torch.arange(count) >= (ends + 1) // 2) & (mask == 1)).long()
    return inputs


def masked(inputs):
    """Every third token is to be found again."""
    third = torch.arange(inputs["input_ids"].shape[1]) % 3 == 1
    return {**inputs, "labels": torch.where(third & (inputs["attention_mask"] == 1), inputs["input_ids"], -100)}


def full(out):
    """As transformers initialises them, but for norms that are not the identity and biases that are not 0."""
    roberta = RobertaConfig(vocab_size=50265, max_position_embeddings=514, type_vocab_size=1, pad_token_id=1, layer_norm_eps=1e-5)
    for seed, (name, make, config, safetensors) in enumerate((
        ("bert-base-words", BertForMaskedLM, BertConfig(), False),
        ("bert-base-classes", BertForSequenceClassification, BertConfig(num_labels=3), True),
        ("roberta-base-words", RobertaForMaskedLM, roberta, True),
    )):
        torch.manual_seed(seed)
        net = make(config).eval()
        for key, p in net.named_parameters():
            norm = key.endswith("weight") and p.dim() == 1
            if p.dim() == 1:
                nn.init.normal_(p, 1.0 if norm else 0.0, 0.1 if norm else 0.02)
        inputs = texts(config.pad_token_id, config.type_vocab_size > 1, (33, 20), config.vocab_size)
        inputs = masked(inputs) if name.endswith("words") else {**inputs, "labels": torch.tensor([2, 0])}
        write(out, name, net, references(net, **inputs), safetensors)


def tiny(out):
    # Files that TensorFlow's were converted to call the norms' tensors gamma and beta.
    old = lambda k: k.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
    plain, pad1 = BertConfig(**SIZES), RobertaConfig(**SIZES, pad_token_id=1, type_vocab_size=1, layer_norm_eps=1e-5)
    for seed, (name, make, config, extra, safetensors, rename) in enumerate((
        ("bert-classes", BertForSequenceClassification, plain, {"labels": torch.tensor([2, 0, 1])}, False, old),
        ("bert-questions", BertForQuestionAnswering, plain, {"spans": torch.tensor([[5, 7], [3, 3], [1, 2]])}, True, None),
        ("bert-words", BertForMaskedLM, plain, None, True, None),
        ("roberta-classes", RobertaForSequenceClassification, pad1, {"labels": torch.tensor([1, 1, 2])}, True, None),
        ("roberta-words", RobertaForMaskedLM, pad1, None, False, None),
    )):
        torch.manual_seed(seed)
        config = copy.deepcopy(config)
        if make is BertForQuestionAnswering:
            config.num_labels = 2  # where an answer begins, where it ends
        net = make(config).eval()
        randomise(net)
        inputs = texts(config.pad_token_id, config.type_vocab_size > 1)
        inputs = masked(inputs) if extra is None else {**inputs, **extra}
        write(out, name, net, references(net, **inputs), safetensors, rename or (lambda k: k))


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in ("tiny", "full"):
        sys.exit(__doc__)
    {"tiny": tiny, "full": full}[sys.argv[1]](Path(sys.argv[2]))

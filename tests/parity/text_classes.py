#!/usr/bin/env python3
"""Classes of texts beside transformers: random BERT, RoBERTa and GPT-2 classifiers, saved as published, read by `graft tune` with a
learning rate of 0 and its own head kept, and asked through model.graft.

  tests/parity/text_classes.py TOKENIZERS [GRAFT]

TOKENIZERS holds bert-base-uncased/vocab.txt, roberta-base/vocab.json and gpt2/{encoder.json,vocab.bpe}. Prints for each family the
largest difference of a probability; fails above 1e-6. Needs `pip install torch transformers==4.36.2`.
"""
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

import torch
import transformers as hf

TEXTS = ["what a lovely film", "it was bad", "who was galileo ?", "the plot is thin , but the music carries it"]
SMALL = dict(hidden_size=64, num_hidden_layers=2, num_attention_heads=2, intermediate_size=128, num_labels=3)


def largest_difference(folder, name, model, tokenizer, files, graft):
    home = folder / name
    model.save_pretrained(home)
    for file in files:
        shutil.copy(file, home)
    model.eval()
    with torch.no_grad():
        wanted = [torch.softmax(model(**tokenizer(text, return_tensors="pt")).logits[0], -1).tolist() for text in TEXTS]

    def run(*words):
        subprocess.run([graft, *map(str, words)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    out = folder / (name + "-run")
    run("tune", folder / "texts.csv", "--weights", home, "--strategy", "full", "--epochs", 1, "--lr", 0,
        "--set", "warmup_epochs=0", "--set", "keep_head=true", "--out", out)
    run("predict", out / "model.graft", *TEXTS, "--json", folder / "said.json")
    said = json.loads((folder / "said.json").read_text())["predictions"]
    return max(abs(guess["probability"] - row[guess["index"]])
               for prediction, row in zip(said, wanted) for guess in prediction["top"])


def main():
    root = pathlib.Path(__file__).resolve().parent.parent.parent
    tokenizers = pathlib.Path(sys.argv[1])
    graft = sys.argv[2] if len(sys.argv) > 2 else str(root / "build/cpu/app/graft")
    torch.manual_seed(3)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "texts.csv").write_text("text,label\n" + "".join(f'"{t}",{i % 3}\n' for i, t in enumerate(TEXTS * 3)))
        bpe = [tokenizers / "gpt2/encoder.json", tokenizers / "gpt2/vocab.bpe"]
        # RoBERTa's vocabulary with the three ids that nothing uses, and GPT-2's merges.
        vocabulary = json.loads((tokenizers / "roberta-base/vocab.json").read_text())
        for unused in set(range(50265)) - set(vocabulary.values()):
            vocabulary[f"madeupword{unused}"] = unused
        (folder / "vocab.json").write_text(json.dumps(vocabulary))
        shutil.copy(bpe[1], folder / "merges.txt")
        roberta = [folder / "vocab.json", folder / "merges.txt"]
        cases = [
            ("bert", hf.BertForSequenceClassification(hf.BertConfig(**SMALL)),
             hf.BertTokenizerFast(str(tokenizers / "bert-base-uncased/vocab.txt")),
             [tokenizers / "bert-base-uncased/vocab.txt"]),
            ("roberta", hf.RobertaForSequenceClassification(hf.RobertaConfig(
                vocab_size=50265, max_position_embeddings=130, type_vocab_size=1, **SMALL)),
             hf.RobertaTokenizerFast(*map(str, roberta)), roberta),
            ("gpt2", hf.GPT2ForSequenceClassification(hf.GPT2Config(
                n_embd=64, n_layer=2, n_head=2, n_positions=128, num_labels=3, pad_token_id=50256)),
             hf.GPT2TokenizerFast(*map(str, bpe)), bpe),
        ]
        worst = 0.0
        for family, model, tokenizer, files in cases:
            for parameter in model.parameters():
                if parameter.dim() > 1:
                    parameter.data *= 4  # so that the classes differ
            difference = largest_difference(folder, family, model, tokenizer, files, graft)
            print(f"{family:8} {difference:.1e}")
            worst = max(worst, difference)
    sys.exit(worst > 1e-6)


if __name__ == "__main__":
    main()

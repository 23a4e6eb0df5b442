#!/usr/bin/env python3
"""Text classification by PyTorch and transformers as `graft tune --strategy full` does it, for bench/text_vs_pytorch.sh.

  text_pytorch.py make DIR VOCAB DROPOUT CLASSES     a small BERT with random weights, as published
  text_pytorch.py tune DIR DATA OUT.json SEED EPOCHS BATCH LR    fine-tunes; losses of all steps, accuracy on the test file
  text_pytorch.py compare GRAFT.json TORCH.json      the two loss curves and accuracies

Needs `pip install torch transformers==4.36.2`. The order of the samples is graft's: its random numbers (Philox4x32-10, core/rng.h)
are computed here again, so both programs see the same batches.
"""
import json
import pathlib
import shutil
import sys

M32, M64 = (1 << 32) - 1, (1 << 64) - 1


class Rng:
    """core/rng.h's Rng(seed, a, b), as far as a shuffle needs it."""

    def __init__(self, seed, a=0, b=0):
        self.key, self.stream, self.counter, self.words = seed, self.mix(a) ^ self.mix(~b & M64), 0, []

    @staticmethod
    def mix(z):
        z = (z + 0x9E3779B97F4A7C15) & M64
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & M64
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & M64
        return z ^ (z >> 31)

    def bits(self):
        if not self.words:
            k0, k1 = self.key & M32, self.key >> 32
            c = [self.counter & M32, self.counter >> 32, self.stream & M32, self.stream >> 32]
            for _ in range(10):
                p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
                c = [(p1 >> 32) ^ c[1] ^ k0, p1 & M32, (p0 >> 32) ^ c[3] ^ k1, p0 & M32]
                k0, k1 = (k0 + 0x9E3779B9) & M32, (k1 + 0xBB67AE85) & M32
            self.words, self.counter = c, self.counter + 1
        return self.words.pop(0)

    def below(self, n):
        product = self.bits() * n
        if product & M32 < n:
            threshold = ((1 << 32) - n) % n
            while product & M32 < threshold:
                product = self.bits() * n
        return product >> 32

    def shuffle(self, items):
        for i in range(len(items), 1, -1):
            j = self.below(i)
            items[i - 1], items[j] = items[j], items[i - 1]


def batches_of(count, batch, seed, epoch):
    """transfer/train.h's batches_of, without lengths."""
    order = list(range(count))
    Rng(seed, 0x4F52444552, epoch).shuffle(order)
    out = [order[i:i + batch] for i in range(0, count, batch)]
    if len(out) > 1 and len(out[-1]) == 1 and batch > 1:
        out[-2] += out.pop()
    return out


def read(folder):
    """Rows (text, label) of the training and the test file: SST-2's TSV or TREC's lines."""
    parts = []
    for train in (True, False):
        path = next(p for p in sorted(pathlib.Path(folder).iterdir())
                    if p.is_file() and p.name.startswith("train") == train)
        lines = [line for line in path.read_text(encoding="utf-8").split("\n") if line]
        if path.suffix == ".label":
            parts.append([(text, label.split(":")[0]) for label, text in (line.split(" ", 1) for line in lines)])
        else:
            parts.append([tuple(line.split("\t")) for line in lines[1:]])
    return parts


def make(folder, vocabulary, dropout, classes):
    import torch
    from transformers import BertConfig, BertForSequenceClassification
    torch.manual_seed(1)
    config = BertConfig(hidden_size=128, num_hidden_layers=2, num_attention_heads=2, intermediate_size=512,
                        max_position_embeddings=128, hidden_dropout_prob=float(dropout),
                        attention_probs_dropout_prob=0.0, num_labels=int(classes))
    BertForSequenceClassification(config).save_pretrained(folder)
    shutil.copy(vocabulary, pathlib.Path(folder) / "vocab.txt")


def tune(folder, data, out, seed, epochs, batch, rate):
    import torch
    from transformers import BertForSequenceClassification, BertTokenizerFast
    seed, epochs, batch, rate = int(seed), int(epochs), int(batch), float(rate)
    torch.manual_seed(seed)
    tokenizer = BertTokenizerFast(str(pathlib.Path(folder) / "vocab.txt"))
    train, test = read(data)
    classes = sorted({label for _, label in train})
    # As graft with keep_head: the file's own head, so both start from the same weights.
    model = BertForSequenceClassification.from_pretrained(folder)
    assert model.num_labels == len(classes), (model.num_labels, classes)
    decays = [p for p in model.parameters() if p.dim() > 1]
    rest = [p for p in model.parameters() if p.dim() <= 1]
    optimizer = torch.optim.AdamW([{"params": decays, "weight_decay": 0.01}, {"params": rest, "weight_decay": 0.0}],
                                  lr=rate)

    def encoded(rows):
        limit = model.config.max_position_embeddings
        return tokenizer([text for text, _ in rows], padding=True, truncation=True, max_length=limit, return_tensors="pt")

    steps = len(batches_of(len(train), batch, seed, 1)) * epochs
    rising = int(0.3 / epochs * steps + 0.5)
    losses, step = [], 0
    for epoch in range(1, epochs + 1):
        model.train()
        for which in batches_of(len(train), batch, seed, epoch):
            rows = [train[i] for i in which]
            labels = torch.tensor([classes.index(label) for _, label in rows])
            loss = model(**encoded(rows), labels=labels).loss
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            factor = (step + 1) / (rising + 1) if step < rising else (steps - step) / (steps - rising)
            for group in optimizer.param_groups:
                group["lr"] = rate * factor
            optimizer.step()
            losses.append(loss.item())
            step += 1
    model.eval()
    right = 0
    with torch.no_grad():
        for begin in range(0, len(test), 64):
            rows = test[begin:begin + 64]
            said = model(**encoded(rows)).logits.argmax(-1).tolist()
            right += sum(classes[s] == label for s, (_, label) in zip(said, rows))
    json.dump({"accuracy": right / len(test), "count": len(test), "step_losses": losses}, open(out, "w"))


def compare(graft, torch_):
    a, b = json.load(open(graft)), json.load(open(torch_))
    x, y = a["step_losses"], b["step_losses"]
    assert len(x) == len(y), (len(x), len(y))
    gaps = [abs(p - q) / max(abs(q), 1e-12) for p, q in zip(x, y)]
    print(f"{len(x)} steps; loss differs by {gaps[0]:.1e} at the first, {max(gaps[:10]):.1e} in the first 10, "
          f"{max(gaps[:100]):.1e} in the first 100, {max(gaps):.1e} at most; accuracy graft {100 * a['accuracy']:.2f} %, "
          f"PyTorch {100 * b['accuracy']:.2f} % of {a['count']}")


if __name__ == "__main__":
    {"make": make, "tune": tune, "compare": compare}[sys.argv[1]](*sys.argv[2:])

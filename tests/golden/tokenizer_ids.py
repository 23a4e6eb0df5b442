"""Writes what tests/data/text/ compares with, by the real libraries: the folder tests/golden/tokenizers, with

    tiny_*/            own small vocabularies of each family, trained here, in each published form
    cases.json         ids, offsets, type ids and decoded text of chosen strings, for each tokenizer
    blocks.txt         CRC-32 of the ids of each block of the generated corpora (see Corpus below)

    pip install tokenizers==0.15.2 transformers==4.36.2 sentencepiece
    GRAFT_ASSETS=... python3 tests/golden/tokenizer_ids.py

Where a block differs, tests/parity/tokenizers.sh prints the strings in it that do.
"""

import array
import json
import os
import shutil
import sys
import tempfile
import zlib

os.environ["HF_HUB_OFFLINE"] = "1"
sys.path.pop(0)  # this file's folder, where "tokenizers" would be this file

import sentencepiece
import tokenizers
import transformers

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(HERE, "tokenizers")
ASSETS = os.path.join(os.environ.get("GRAFT_ASSETS", ""), "tokenizers")
POINTS_PER_BLOCK = 8192
STRINGS_PER_BLOCK = 2000
STRINGS = 100_000
MASK = (1 << 64) - 1


class Corpus:
    """The generated strings; tests/data/text/corpus.h makes the same ones."""

    def __init__(self):
        with open(os.path.join(OUT, "fragments.json"), encoding="utf-8") as file:
            self.fragments = json.load(file)

    @staticmethod
    def random(seed, index):
        """splitmix64 of a counter."""
        z = (seed * 0x9E3779B97F4A7C15 + index * 0xD1B54A32D192ED03) & MASK
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return z ^ (z >> 31)

    @staticmethod
    def points(block):
        """Each code point of a block alone, and beside letters, digits, punctuation and spaces."""
        for c in range(block * POINTS_PER_BLOCK, (block + 1) * POINTS_PER_BLOCK):
            if not 0xD800 <= c < 0xE000:
                c = chr(c)
                yield c
                yield f"a{c}1 {c}!{c} b{c}{c} {c}"

    def string(self, index):
        """A mixture of words, fragments of many scripts, and any code points."""
        counter = 0

        def draw(below):
            nonlocal counter
            counter += 1
            return (self.random(index + 1, counter) >> 33) % below

        out = []
        for _ in range(1 + draw(16)):
            kind = draw(100)
            if kind < 62:
                out.append(self.fragments[draw(len(self.fragments))])
            elif kind < 90:
                out.append(" ")
            else:
                c = draw(0x3000 if kind < 97 else 0x110000)
                out.append(chr(0xFFFD if 0xD800 <= c < 0xE000 else c))
        return "".join(out)

    def strings(self, block, size):
        return [self.string(block * size + i) for i in range(size)]


def crc(encodings):
    data = array.array("i")
    for ids in encodings:
        data.append(len(ids))
        data.extend(ids)
    return zlib.crc32(data.tobytes())


class Reference:
    def __init__(self, name, folder, encode_many, backend=None):
        self.name, self.folder, self.encode_many, self.backend = name, folder, encode_many, backend


def fast(name, folder, tokenizer):
    backend = tokenizer.backend_tokenizer
    return Reference(name, folder,
                     lambda texts: [e.ids for e in backend.encode_batch(texts, add_special_tokens=False)], tokenizer)


def sentence_piece(name, folder):
    model = sentencepiece.SentencePieceProcessor(model_file=os.path.join(folder, "spiece.model"))
    return Reference(name, folder, lambda texts: model.encode(list(texts)))


def compose(folder, files):
    os.makedirs(folder, exist_ok=True)
    for name, source in files.items():
        shutil.copyfile(source, os.path.join(folder, name))


def published(folder):
    """The real vocabularies, under the names that the reference wants. The test composes the same folders."""
    a = lambda *parts: os.path.join(ASSETS, *parts)
    compose(folder + "/bert_uncased", {"vocab.txt": a("bert-base-uncased", "vocab.txt")})
    compose(folder + "/bert_cased", {"vocab.txt": a("bert-base-cased", "vocab.txt")})
    compose(folder + "/gpt2", {"vocab.json": a("gpt2", "encoder.json"), "merges.txt": a("gpt2", "vocab.bpe")})
    compose(folder + "/clip", {"vocab.json": a("clip", "vocab.json"), "merges.txt": a("clip", "merges.txt")})
    compose(folder + "/t5", {"spiece.model": a("t5", "spiece.model")})
    compose(folder + "/roberta", {"merges.txt": a("gpt2", "vocab.bpe")})
    with open(a("roberta-base", "vocab.json"), encoding="utf-8") as file:
        vocab = json.load(file)
    vocab |= {f"madeupword000{i}": 50261 + i for i in range(3)}  # the published file has these unused ids
    with open(folder + "/roberta/vocab.json", "w", encoding="utf-8") as file:
        json.dump(vocab, file)


def train_tiny():
    """Small vocabularies on the fragments; one folder for each published form."""
    texts = [" ".join(Corpus().strings(0, 400)[i:i + 4]) for i in range(0, 400, 4)] * 3
    path = lambda name: os.path.join(OUT, name)
    for name in ("tiny_bert", "tiny_gpt2", "tiny_clip", "tiny_t5"):
        os.makedirs(path(name), exist_ok=True)

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "a", "##a", "##b", "un", "##aff", "##able", "##s",
             "'", "!", ".", ",", "don", "t", "caf", "##e", "naive", "i", "##i", "0", "1", "##1", "b", "中", "文", "x"]
    with open(path("tiny_bert/vocab.txt"), "w", encoding="utf-8") as file:
        file.write("\n".join(words) + "\n")

    def bpe(name, suffix, special, lower):
        t = tokenizers.Tokenizer(tokenizers.models.BPE(end_of_word_suffix=suffix))
        t.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
        trainer = tokenizers.trainers.BpeTrainer(
            vocab_size=700 if suffix else 420, end_of_word_suffix=suffix, show_progress=False,
            initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet())
        t.train_from_iterator([s.lower() if lower else s for s in texts], trainer)
        model = json.loads(t.to_str())["model"]
        vocab = [k for k, _ in sorted(model["vocab"].items(), key=lambda item: item[1])]
        if suffix:  # every byte ends a word somewhere
            alphabet = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
            vocab = alphabet + [c + suffix for c in alphabet] + [v for v in vocab if len(v.replace(suffix, "")) > 1]
        vocab = {v: i for i, v in enumerate(vocab + special)}
        with open(path(name + "/vocab.json"), "w", encoding="utf-8") as file:
            json.dump(vocab, file, ensure_ascii=False)
        with open(path(name + "/merges.txt"), "w", encoding="utf-8") as file:
            file.write("#version: 0.2\n" + "".join(m + "\n" for m in model["merges"]))

    bpe("tiny_gpt2", "", ["<|endoftext|>"], False)
    bpe("tiny_clip", "</w>", ["<|startoftext|>", "<|endoftext|>"], True)

    plain = [f for f in Corpus().fragments if f.isascii() and f.isprintable()]
    words_only = [" ".join(plain[Corpus.random(i, k) % len(plain)] for k in range(12)) for i in range(1, 600)]
    # A short normalisation of its own: code points, tab, what they become.
    with tempfile.TemporaryDirectory() as work:
        rules = work + "/rules.tsv"
        with open(rules, "w") as file:
            file.write("41\t61\nE9\t65 301\nFB01\t66 69\n65 301\tE9\n9\t20\nA\t20\n200B\t\n")
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(words_only), model_prefix=work + "/tiny", vocab_size=400, model_type="unigram",
            normalization_rule_tsv=rules, pad_id=0, eos_id=1, unk_id=2, bos_id=-1, hard_vocab_limit=False,
            character_coverage=1.0, minloglevel=2, num_threads=1)
        shutil.copyfile(work + "/tiny.model", path("tiny_t5/spiece.model"))


def references(folder):
    T = transformers
    tiny = lambda name: os.path.join(OUT, name)
    made = []
    for where, names in ((tiny, [("tiny_bert", "bert"), ("tiny_gpt2", "gpt2"), ("tiny_clip", "clip"), ("tiny_t5", "t5")]),
                         (lambda n: os.path.join(folder, n),
                          [("bert_uncased", "bert"), ("bert_cased", "cased"), ("gpt2", "gpt2"), ("roberta", "roberta"),
                           ("clip", "clip"), ("t5", "t5")])):
        for name, family in names:
            f = where(name)
            pair = dict(vocab_file=f + "/vocab.json", merges_file=f + "/merges.txt")
            if family in ("bert", "cased"):
                made.append(fast(name, f, T.BertTokenizerFast(f + "/vocab.txt", do_lower_case=family == "bert")))
            elif family == "gpt2":
                made.append(fast(name, f, T.GPT2TokenizerFast(**pair)))
            elif family == "roberta":
                made.append(fast(name, f, T.RobertaTokenizerFast(**pair)))
            elif family == "clip":
                made.append(fast(name, f, T.CLIPTokenizerFast(**pair)))
            else:
                made.append(sentence_piece(name, f))
                if name == "tiny_t5":  # and as tokenizer.json, for which the tokenizers package is the reference
                    made.append(fast(name + "_json", f + "_json", T.T5TokenizerFast(f + "/spiece.model")))
    return made


CHOSEN = ["", " ", "   ", "\n\t", "Hello, world!", "don't you'll we've I'M", "café CAFÉ cafe\u0301", "unaffable",
          "  leading and trailing  ", "a  b   c", "naïve façade", "中文字 and 日本語", "한국어 \u1112\u1161\u11ab",
          "👨\u200d👩\u200d👧 🏽 🇩🇪", "\u2b820 \U0002b820 \U0002b91f \U0002b920", "a\u3000b\u00a0c\u200bd", "İstanbul ISTANBUL ı",
          "ß ẞ straße", "ΟΔΥΣΣΕΥΣ ς σ Σ", "e" + "\u0301" * 40, "q\u0323\u0307 q\u0307\u0323", "\ufeffbom", "nul\x00nul",
          "\ufffd replacement", "[CLS] [MASK] [SEP]", "a[MASK]b", "<|endoftext|>", "hi<|endoftext|> hi", "<|startoftext|>",
          "<|ENDOFTEXT|>", "a <mask> b", "  <mask>  ", "<s> x </s>", "<extra_id_0> a <extra_id_99>", "x </s> y <pad><unk>",
          "x" * 100, "x" * 101, "1234567890", "3.14 1e10 ½ ² Ⅷ ①", "ﬁ ﬂ ﬃ ﷺ", "Ａｂｃ ｶﾞ", "שלום مرحبا नमस्ते ไทย", "\x1c\x1d\x1f\x85\u2028",
          "http://www.example.com/?q=a&b=c", "'s't're've'm'll'd", "''''", "... !!! ???", "tab\tnew\nline\r\n", "A", "\u0301",
          "▁ under ▁▁ score", "the quick brown fox jumps over the lazy dog"]
PAIRS = [("Hello, world!", "How are you?"), ("", "x"), ("a b c d e f", ""), ("the the the the", "a a")]
CUTS = [(24, "longest_first"), (9, "longest_first"), (8, "only_second"), (10, "only_first")]


def bytes_to_characters(text, pairs):
    data = text.encode()
    return [(len(data[:a].decode()), len(data[:b].decode())) for a, b in pairs]


def chosen(reference):
    cases = []
    if reference.backend is None:
        for text in CHOSEN:
            if not any(special in text for special in ("<extra_id_", "</s>", "<pad>", "<unk>")):
                cases.append({"text": text, "plain_ids": reference.encode_many([text])[0]})
        return cases
    tokenizer, backend = reference.backend, reference.backend.backend_tokenizer
    backend.no_truncation()

    def case(text, pair=None, length=0, strategy="longest_first"):
        if length:
            backend.enable_truncation(length, strategy=strategy)
        e = backend.encode(text, pair)
        backend.no_truncation()
        out = {"text": text, "ids": e.ids, "types": e.type_ids, "offsets": [list(o) for o in e.offsets],
               "special": e.special_tokens_mask}
        if pair is not None:
            out["pair"] = pair
        if length:
            out |= {"max_length": length, "truncation": strategy}
        if not length and pair is None:
            for key, skip in (("decoded", True), ("decoded_all", False)):
                out[key] = backend.decode(e.ids, skip_special_tokens=skip)
                if "clip" in reference.name:  # as CLIPTokenizerFast does it
                    out[key] = out[key].replace("</w>", " ").strip()
        return out

    cases = [case(t) for t in CHOSEN] + [case(a, b) for a, b in PAIRS]
    long_a, long_b = "the the the the the the " * 2, "a a a a a a a a a " * 2
    for length, strategy in CUTS:
        first, second = ("a", long_b) if strategy == "only_second" else (long_a, "a")
        if strategy == "longest_first":
            cases += [case(long_a, long_b, length), case(long_b, long_a, length)]
        cases.append(case(first, second, length, strategy))
        if strategy != "only_second":
            cases.append(case(long_b, None, length, strategy))
    return cases


def main():
    corpus = Corpus()
    print("transformers", transformers.__version__)
    if "--keep-tiny" not in sys.argv:
        train_tiny()
    with tempfile.TemporaryDirectory() as folder:
        published(folder)
        refs = references(folder)
        for r in refs:
            if r.folder.endswith("_json"):
                os.makedirs(r.folder, exist_ok=True)
                r.backend.backend_tokenizer.save(os.path.join(r.folder, "tokenizer.json"), pretty=False)
        with open(os.path.join(OUT, "cases.json"), "w", encoding="utf-8") as file:
            file.write("{\n" + ",\n".join(
                json.dumps(r.name) + ": [\n" + ",\n".join(json.dumps(c) for c in chosen(r)) + "]" for r in refs) + "}\n")
        lines = []
        for r in refs:
            tiny = r.name.startswith("tiny")
            if not tiny:
                for block in range(0x110000 // POINTS_PER_BLOCK):
                    lines.append(f"{r.name} points {block} {crc(r.encode_many(list(corpus.points(block)))):08x}")
            print(r.name, "points", flush=True)
        for block in range(STRINGS // STRINGS_PER_BLOCK):
            texts = corpus.strings(block, STRINGS_PER_BLOCK)
            for r in refs:
                if block < 1 or not r.name.startswith("tiny"):
                    lines.append(f"{r.name} strings {block} {crc(r.encode_many(texts)):08x}")
        with open(os.path.join(OUT, "blocks.txt"), "w") as file:
            file.write("\n".join(lines) + "\n")


def differences(name, part, block, ids_file):
    """For tests/parity/tokenizers.sh: the strings of a block whose ids are not those in the file."""
    corpus = Corpus()
    with tempfile.TemporaryDirectory() as folder:
        published(folder)
        reference = next(r for r in references(folder) if r.name == name)
        texts = list(corpus.points(block)) if part == "points" else corpus.strings(block, STRINGS_PER_BLOCK)
        for text, ours, theirs in zip(texts, open(ids_file), reference.encode_many(texts)):
            if [int(i) for i in ours.split()] != theirs:
                print(f"{name} {part} {block}: {ascii(text)}\n  graft      {ours.strip()}\n  reference  {' '.join(map(str, theirs))}")


def sentences(ids_folder):
    """For tests/parity/tokenizers.sh: each line of sentences.txt by each reference, beside the ids that graft wrote."""
    texts = open(os.path.join(ids_folder, "sentences.txt"), encoding="utf-8").read().split("\n")[:-1]
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        published(folder)
        for r in references(folder):
            if r.name.startswith("tiny"):
                continue
            ours = open(os.path.join(ids_folder, f"sentences {r.name}")).read().split("\n")[:-1]
            theirs = [" ".join(map(str, ids)) for ids in r.encode_many(texts)]
            differ = [i for i in range(len(texts)) if len(ours) != len(texts) or ours[i] != theirs[i]]
            for i in differ[:10]:
                print(f"{r.name}: {ascii(texts[i])}\n  graft      {ours[i]}\n  reference  {theirs[i]}")
            print(f"{r.name}: {len(texts)} sentences, {sum(len(t.split()) for t in theirs)} tokens, {len(differ)} sentences differ")
            wrong += len(differ)
    sys.exit(wrong > 0)


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] == "differences":
        differences(sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5])
    elif len(sys.argv) > 1 and sys.argv[1] == "sentences":
        sentences(sys.argv[2])
    else:
        main()

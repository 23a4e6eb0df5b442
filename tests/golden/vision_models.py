"""References for CLIP and for vision transformers, from the real transformers and torchvision on random weights.

    vision_models.py tiny OUT       narrow variants, small enough to be committed (tests/golden/vision/)
    vision_models.py full OUT       the published sizes (tests/parity/vision_parity.sh)

Needs `pip install torch==1.13.1 torchvision==0.14.1 transformers==4.36.2 safetensors pillow`. For each network a folder OUT/NAME:

    config.json, and pytorch_model.bin or model.safetensors     as published on Hugging Face; or weights.pth, torchvision's
    golden.safetensors     inputs, the output of every block ("block/..."), logits, loss, gradients ("grad/...")

clip-openai is a network under the names of OpenAI's own code, in its own type, f16, without a config.json; its
references come from torch's own multi-head attention, as in that code. Everything is computed in f64 from weights that are
f32 (or f16) numbers, and rounded to f32. Pictures and gradients are in the published layout.
"""
import copy
import json
import shutil
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import save_file
from torch import nn
from torchvision.models import vision_transformer as torchvision_vit
from transformers import (CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPTokenizer, ViTConfig, ViTForImageClassification,
                          ViTImageProcessor)
from transformers.models.clip.modeling_clip import CLIPEncoderLayer
from transformers.models.vit.modeling_vit import ViTLayer

BLOCKS = (CLIPEncoderLayer, ViTLayer, torchvision_vit.EncoderBlock)
NORMS = ("pre_layrnorm", "post_layernorm", "final_layer_norm")


def randomise(net):
    """Weights wide enough for attention to choose; no norm is the identity; norms' inputs small enough for epsilon to show."""
    for name, p in net.named_parameters():
        if "norm" in name or "ln_" in name or name.startswith("encoder.ln"):
            nn.init.normal_(p, 1.0 if name.endswith("weight") else 0.0, 0.2)
        elif "embedding" in name or "token" in name or "conv_proj" in name:
            nn.init.normal_(p, 0, 0.02)
        elif p.dim() == 2:
            nn.init.normal_(p, 0, 1.5 / p.shape[-1] ** 0.5)
        elif p.dim() > 0:
            nn.init.normal_(p, 0, 0.02 if p.shape == torch.Size([24]) else 0.1)


def watch(net, golden):
    def note(name):
        def hook(module, args, output):
            golden["block/" + name] = (output[0] if isinstance(output, tuple) else output).detach().clone()
        return hook

    for name, module in net.named_modules():
        if isinstance(module, BLOCKS) or name.split(".")[-1] in NORMS:
            module.register_forward_hook(note(name))


def finish(golden):
    return {k: (v.float() if v.is_floating_point() else v).detach().contiguous() for k, v in golden.items()}


def clip_references(net, **inputs):
    golden = dict(inputs)
    net = copy.deepcopy(net).double().eval()
    watch(net, golden)
    torch.set_default_dtype(torch.float64)  # the type in which the library makes its masks
    out = net(**{k: v.double() if v.is_floating_point() else v for k, v in inputs.items()}, return_loss=True)
    out.loss.backward()
    golden["logits"], golden["loss"] = out.logits_per_image, out.loss
    for name, p in net.named_parameters():
        golden["grad/" + name] = p.grad
    with torch.no_grad():
        golden["image_features"] = net.get_image_features(inputs["pixel_values"].double())
        golden["text_features"] = net.get_text_features(inputs["input_ids"], inputs["attention_mask"])
    torch.set_default_dtype(torch.float32)
    return finish(golden)


def vit_references(net, pixel_values, labels):
    golden = {"pixel_values": pixel_values, "labels": labels}
    net = copy.deepcopy(net).double().eval()
    watch(net, golden)
    out = net(pixel_values.double())
    logits = out if torch.is_tensor(out) else out.logits
    loss = F.cross_entropy(logits, labels)
    loss.backward()
    golden["logits"], golden["loss"] = logits, loss
    for name, p in net.named_parameters():
        golden["grad/" + name] = p.grad
    return finish(golden)


def write(out, name, net, golden, safetensors, positions=False):
    folder = out / name
    folder.mkdir(parents=True, exist_ok=True)
    state = {k: v.contiguous() for k, v in net.state_dict().items()}
    if positions:  # files that older versions wrote have them
        for tower in ("text_model", "vision_model"):
            rows = state[tower + ".embeddings.position_embedding.weight"].shape[0]
            state[tower + ".embeddings.position_ids"] = torch.arange(rows)[None]
    net.config.architectures = [type(net).__name__]
    (folder / "config.json").write_text(net.config.to_json_string())
    if safetensors:
        save_file(state, folder / "model.safetensors", {"format": "pt"})
    else:
        torch.save(state, folder / "pytorch_model.bin")
    save_file(golden, folder / "golden.safetensors")
    print(name, sum(p.numel() for p in net.parameters()), "parameters")


def texts(end, vocabulary, start=1):
    """Three texts of 9, 6 and 4 tokens, each with its end token; behind it padding."""
    ids, lengths = torch.randint(3, vocabulary, (3, 9)), torch.tensor([9, 6, 4])
    ids[ids == end] = 4
    ids[:, 0] = start
    mask = (torch.arange(9) < lengths[:, None]).long()
    ids[torch.arange(3), lengths - 1] = end
    return {"input_ids": torch.where(mask == 1, ids, 0), "attention_mask": mask}


def make_clip(out, name, seed, end, eos_token_id, act, safetensors):
    torch.manual_seed(seed)
    text = {"vocab_size": 39, "hidden_size": 20, "intermediate_size": 28, "num_hidden_layers": 2, "num_attention_heads": 5,
            "max_position_embeddings": 11, "eos_token_id": eos_token_id, "bos_token_id": 1, "hidden_act": act}
    vision = {"hidden_size": 24, "intermediate_size": 36, "num_hidden_layers": 2, "num_attention_heads": 3, "image_size": 20,
              "patch_size": 6, "hidden_act": act}
    net = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=14)).eval()
    randomise(net)
    net.logit_scale.data.fill_(1.3)
    inputs = {"pixel_values": torch.randn(3, 3, 20, 20), **texts(end, 39)}
    write(out, name, net, clip_references(net, **inputs), safetensors, positions=True)


class OpenAIBlock(nn.Module):
    def __init__(self, width, inner):
        super().__init__()
        self.attn = nn.MultiheadAttention(width, width // 64)
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mlp = nn.ModuleDict({"c_fc": nn.Linear(width, inner), "c_proj": nn.Linear(inner, width)})

    def forward(self, x, mask=None):  # [tokens, batch, width]
        y = self.ln_1(x)
        x = x + self.attn(y, y, y, need_weights=False, attn_mask=mask)[0]
        y = self.mlp["c_fc"](self.ln_2(x))
        return x + self.mlp["c_proj"](y * torch.sigmoid(1.702 * y))


class OpenAITower(nn.Module):
    def __init__(self, width, inner, layers):
        super().__init__()
        self.resblocks = nn.ModuleList(OpenAIBlock(width, inner) for _ in range(layers))

    def forward(self, x, mask=None):  # [batch, tokens, width]
        x = x.transpose(0, 1)
        for block in self.resblocks:
            x = block(x, mask)
        return x.transpose(0, 1)


class OpenAIVision(nn.Module):
    def __init__(self, width, patch, places, projection):
        super().__init__()
        self.class_embedding, self.positional_embedding = (nn.Parameter(torch.randn(s) * 0.3) for s in ((width,), (places, width)))
        self.proj = nn.Parameter(torch.randn(width, projection) / 8)
        self.conv1 = nn.Conv2d(3, width, patch, patch, bias=False)
        self.ln_pre, self.ln_post = nn.LayerNorm(width), nn.LayerNorm(width)
        self.transformer = OpenAITower(width, 12, 1)

    def forward(self, x):
        x = self.conv1(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.class_embedding.expand(len(x), 1, -1), x], 1) + self.positional_embedding
        return self.ln_post(self.transformer(self.ln_pre(x))[:, 0]) @ self.proj


class OpenAIClip(nn.Module):
    def __init__(self):
        super().__init__()
        self.positional_embedding = nn.Parameter(torch.randn(9, 64) * 0.3)
        self.text_projection = nn.Parameter(torch.randn(64, 10) / 8)
        self.logit_scale = nn.Parameter(torch.tensor(1.25))
        self.visual = OpenAIVision(64, 5, 5, 10)
        self.transformer = OpenAITower(64, 12, 1)
        self.token_embedding = nn.Embedding(17, 64)
        self.ln_final = nn.LayerNorm(64)

    def forward(self, images, ids):
        mask = torch.full((9, 9), float("-inf"), dtype=images.dtype).triu(1)
        x = self.ln_final(self.transformer(self.token_embedding(ids) + self.positional_embedding, mask))
        texts = x[torch.arange(len(x)), ids.argmax(-1)] @ self.text_projection
        return self.logit_scale.exp() * F.normalize(self.visual(images)) @ F.normalize(texts).T


def make_openai(out):
    torch.manual_seed(7)
    net = OpenAIClip()
    for name, p in net.named_parameters():
        if p.dim() == 1 and ("ln_" in name or name.endswith("bias")):
            nn.init.normal_(p, 1.0 if name.endswith("weight") else 0.0, 0.2)
    net = net.half()
    ids = torch.randint(1, 16, (3, 9))
    for row, length in enumerate((9, 6, 4)):
        ids[row, length - 1:] = 0
        ids[row, length - 1] = 16
    images = torch.randn(3, 3, 11, 11)
    state = {**net.state_dict(), "input_resolution": torch.tensor(10), "context_length": torch.tensor(9),
             "vocab_size": torch.tensor(17)}
    golden = {"pixel_values": images[..., :10, :10].contiguous(), "input_ids": ids}
    with torch.no_grad():
        golden["logits"] = net.double()(golden["pixel_values"].double(), ids)
    folder = out / "clip-openai"
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(state, folder / "pytorch_model.bin")
    save_file(finish(golden), folder / "golden.safetensors")
    print("clip-openai", sum(p.numel() for p in net.parameters()), "parameters")


def write_torchvision(out, name, net, golden):
    folder = out / name
    folder.mkdir(parents=True, exist_ok=True)
    # The published files are older than the library's own names.
    torch.save({k.replace("mlp.0.", "mlp.linear_1.").replace("mlp.3.", "mlp.linear_2."): v for k, v in net.state_dict().items()},
               folder / "weights.pth")
    save_file(golden, folder / "golden.safetensors")
    print(name, sum(p.numel() for p in net.parameters()), "parameters")


def make_vit(out):
    torch.manual_seed(11)
    net = torchvision_vit.VisionTransformer(image_size=15, patch_size=5, num_layers=2, num_heads=3, hidden_dim=24, mlp_dim=40,
                                            num_classes=7)
    randomise(net)
    golden = vit_references(net, torch.randn(2, 3, 15, 15), torch.tensor([5, 2]))
    write_torchvision(out, "vit-torchvision", net, golden)
    torch.manual_seed(12)
    config = ViTConfig(hidden_size=24, num_hidden_layers=2, num_attention_heads=3, intermediate_size=40, image_size=17,
                       patch_size=5, num_labels=3, id2label={0: "rose", 1: "daisy", 2: "tulip"}, label2id={"rose": 0, "daisy": 1, "tulip": 2})
    net = ViTForImageClassification(config).eval()
    randomise(net)
    write(out, "vit-huggingface", net, vit_references(net, torch.randn(2, 3, 17, 17), torch.tensor([2, 0])), True)
    processor = ViTImageProcessor(size={"height": 17, "width": 17})
    processor.save_pretrained(out / "vit-huggingface")
    pixels = processor(Image.open(out / "clip-zeroshot" / "picture.png"))["pixel_values"][0]
    with torch.no_grad():
        logits = net.double()(torch.from_numpy(pixels)[None].double()).logits[0]
    (out / "vit-huggingface" / "golden.json").write_text(json.dumps({"logits": logits.tolist()}, indent=1) + "\n")


def make_zeroshot(out):
    """A CLIP with a tokenizer, a picture, and what the library's own preprocessing, tokenizer and model make of them."""
    torch.manual_seed(21)
    tokenizers = Path(__file__).parent / "tokenizers" / "tiny_clip"
    tokenizer = CLIPTokenizer.from_pretrained(tokenizers)
    text = {"vocab_size": len(tokenizer), "hidden_size": 12, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 3,
            "max_position_embeddings": 24, "eos_token_id": tokenizer.eos_token_id, "bos_token_id": tokenizer.bos_token_id}
    vision = {"hidden_size": 12, "intermediate_size": 20, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 18, "patch_size": 6}
    net = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=8)).eval()
    randomise(net)
    nn.init.normal_(net.text_model.embeddings.token_embedding.weight, 0, 1)
    net.logit_scale.data.fill_(1.5)
    folder = out / "clip-zeroshot"
    processor = CLIPImageProcessor(size={"shortest_edge": 18}, crop_size={"height": 18, "width": 18})
    write(out, "clip-zeroshot", net, {}, True)
    (folder / "golden.safetensors").unlink()
    processor.save_pretrained(folder)
    for name in ("vocab.json", "merges.txt"):
        shutil.copy(tokenizers / name, folder / name)
    y, x = torch.meshgrid(torch.arange(29.0), torch.arange(41.0), indexing="ij")
    waves = [128 + 120 * torch.sin(x / a + y / b) for a, b in ((3, 7), (5, -4), (-9, 3))]
    picture = Image.fromarray(torch.stack(waves, -1).round().byte().numpy())
    picture.save(folder / "picture.png")
    labels, templates = ["rose", "daisy", "tulip field"], ["a photo of a {}.", "{}", "two {}, side by side"]
    net.double()
    torch.set_default_dtype(torch.float64)
    with torch.no_grad():
        pixels = torch.from_numpy(processor(picture)["pixel_values"][0])[None]
        image = F.normalize(net.get_image_features(pixels.double()))
        classes = []
        for label in labels:
            prompts = tokenizer([t.replace("{}", label) for t in templates], padding=True, return_tensors="pt")
            classes.append(F.normalize(net.get_text_features(**prompts)).mean(0))
        questions = ["a photo of a cat", "a photo of a dog"]
        prompts = tokenizer(questions, padding=True, return_tensors="pt")
        logits = net(pixel_values=pixels.double(), **prompts).logits_per_image
        probabilities = (net.logit_scale.exp() * image @ F.normalize(torch.stack(classes)).T).softmax(-1)[0]
    torch.set_default_dtype(torch.float32)
    golden = {"labels": labels, "templates": templates, "probabilities": probabilities.tolist(), "image_features": image[0].tolist(),
              "texts": questions, "logits": logits[0].tolist()}
    (folder / "golden.json").write_text(json.dumps(golden, indent=1) + "\n")


def tiny(out):
    make_zeroshot(out)
    make_clip(out, "clip-first-end", 3, end=30, eos_token_id=30, act="quick_gelu", safetensors=True)
    make_clip(out, "clip-largest-end", 5, end=38, eos_token_id=2, act="gelu", safetensors=False)
    make_openai(out)
    make_vit(out)


def full(out):
    torch.manual_seed(1)
    net = CLIPModel(CLIPConfig()).eval()
    ids, lengths = torch.randint(320, 40000, (3, 77)), torch.tensor([77, 20, 9])
    ids[:, 0] = 49406
    mask = (torch.arange(77) < lengths[:, None]).long()
    ids[torch.arange(3), lengths - 1] = 49407
    ids = torch.where(mask == 1, ids, 49407)
    images = torch.randn(3, 3, 224, 224)
    write(out, "clip-b32", net, clip_references(net, pixel_values=images, input_ids=ids, attention_mask=mask), True)
    net = torchvision_vit.vit_b_16()
    nn.init.normal_(net.heads.head.weight, 0, 0.02)  # torchvision's own start is 0: no gradient would reach the trunk
    write_torchvision(out, "vit_b_16", net, vit_references(net, images[:2], torch.tensor([7, 411])))
    net = ViTForImageClassification(ViTConfig(num_labels=1000)).eval()
    write(out, "hf_vit_b_16", net, vit_references(net, images[:2], torch.tensor([7, 411])), True)


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in ("tiny", "full"):
        sys.exit(__doc__)
    {"tiny": tiny, "full": full}[sys.argv[1]](Path(sys.argv[2]))

"""References for LoRA in PEFT's files, from the real PEFT on networks whose weights are committed already.

    peft_adapters.py OUT      run beside the folders encoders/, decoders/ and models/; OUT is tests/golden/peft

Needs `pip install torch==1.13.1 torchvision==0.14.1 timm==0.6.13 transformers==4.36.2 peft==0.7.1 accelerate==0.25.0 Jinja2
safetensors`. For each network a folder OUT/NAME: the adapter as save_pretrained writes it, and golden.safetensors with an
input, the logits, a loss and the gradient of every tensor of the adapter, computed in f64 and rounded to f32.
"""
import sys
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import BertForSequenceClassification, GPT2LMHeadModel

from models import BasicBlock, narrow_resnet

HERE = Path(__file__).parent


def bert():
    net = BertForSequenceClassification.from_pretrained(HERE / "encoders/bert-classes")
    golden = load_file(HERE / "encoders/bert-classes/golden.safetensors")
    keys = ("input_ids", "attention_mask", "token_type_ids")
    inputs = {k: golden[k] for k in keys}
    config = LoraConfig(r=3, lora_alpha=5, target_modules=["query", "value"], modules_to_save=["classifier"])
    return net, config, inputs, lambda model: model(**inputs).logits, True


def gpt2():
    net = GPT2LMHeadModel.from_pretrained(HERE / "decoders/gpt2")
    inputs = {"input_ids": torch.arange(14).reshape(2, 7) * 5 % net.config.vocab_size}
    config = LoraConfig(r=2, lora_alpha=3, target_modules=["attn.c_attn", "mlp.c_proj"], fan_in_fan_out=True,
                        rank_pattern={"h.1.attn.c_attn": 4}, alpha_pattern={"h.0.mlp.c_proj": 7})
    return net, config, inputs, lambda model: model(**inputs).logits, False


def resnet():
    state = torch.load(HERE / "models/resnet-basic-zip.pth")
    net = narrow_resnet(BasicBlock, state["conv1.weight"].shape[0], state["fc.weight"].shape[0])
    net.load_state_dict(state)
    inputs = {"input": torch.rand(2, 3, 33, 33)}
    config = LoraConfig(r=2, lora_alpha=4, target_modules=["conv1", "conv2", "downsample.0"], modules_to_save=["fc"])
    return net, config, inputs, lambda model: model(inputs["input"].double()), True


def main(out):
    for seed, make in enumerate((bert, gpt2, resnet)):
        torch.manual_seed(seed)
        net, config, inputs, forward, safe = make()
        model = get_peft_model(net.eval(), config)
        model.peft_config["default"].base_model_name_or_path = make.__name__  # not a path of the machine
        for name, p in model.named_parameters():
            if p.requires_grad:  # as after a training: the update is nowhere zero
                torch.nn.init.normal_(p, 0, 0.3)
        folder = out / make.__name__
        model.save_pretrained(folder, safe_serialization=safe)
        (folder / "README.md").unlink(missing_ok=True)
        model.double().eval()
        logits = forward(model)
        loss = (logits * torch.linspace(-1, 1, logits.numel(), dtype=torch.double).reshape(logits.shape)).sum()
        loss.backward()
        golden = {**inputs, "logits": logits.detach(), "loss": loss.detach()}
        for name, p in model.named_parameters():
            if p.requires_grad:
                name = name.replace(".default", "").replace(".modules_to_save", "").replace("base_model.model.", "")
                golden["grad/" + name] = p.grad
        golden = {k: (v.float() if v.is_floating_point() else v).contiguous() for k, v in golden.items()}
        save_file(golden, folder / "golden.safetensors")
        for file in folder.iterdir():
            file.chmod(0o644)
        print(make.__name__, sum(p.numel() for p in model.parameters() if p.requires_grad), "trainable")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))

"""References for the networks, from torchvision on random weights, and from the published checkpoints.

    models.py tiny OUT                   narrow variants, small enough to be committed (tests/golden/models/)
    models.py full OUT                   the published sizes (tests/parity/torchvision_parity.sh)
    models.py published ASSETS OUT.pth   logits of real checkpoints on a fixed input (tests/golden/models/published.pth)

"full" writes two networks of each NAME: NAME-initial as torchvision initialises it, and NAME with batch norms whose affine and
statistics are nowhere 0 or 1. For each: NAME-zip.pth and NAME-legacy.pth are what torch.save writes of its state_dict; NAME-golden.pth holds the
input, labels, the output of every block, logits, loss and the gradient of every parameter, in evaluation mode ("eval/...")
and, dropout aside, in training mode ("train/...", with the statistics after the step). Everything is computed in f64 from
weights that are f32 numbers, and rounded to f32; "block32" and "grad32" are what PyTorch computes in f32. NAME-initial has two
references, both in evaluation mode: -large-golden at the published input size, and -small-golden on pictures of 64 pixels, few
enough for no ReLU to be within rounding of a tie. Written with torch 1.13.1, torchvision 0.14.1, timm 0.6.13.
"""
import copy
import sys
from functools import partial
from pathlib import Path

import timm
import torch
import torchvision
from timm.models import efficientnet as timm_efficientnet
from timm.models import efficientnet_blocks as timm_blocks
from timm.models.efficientnet_builder import decode_arch_def as timm_blocks_of, round_channels
from torch import nn
from torchvision.models import efficientnet, vgg
from torchvision.models.mobilenetv2 import InvertedResidual, MobileNetV2
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet
from torchvision.models.squeezenet import Fire, SqueezeNet


class CifarBlock(nn.Module):
    """Two 3x3 convolutions; the shortcut takes every second pixel and pads the channels with zeros (option A)."""

    def __init__(self, channels_in, width, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.stride, self.padding = stride, (width - channels_in) // 2

    def forward(self, x):
        y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        p = self.padding
        return torch.relu(y + nn.functional.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, p, p)))


class CifarResNet(nn.Module):
    def __init__(self, widths, blocks, classes):
        super().__init__()
        self.conv1 = nn.Conv2d(3, widths[0], 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        channels = widths[0]
        for i, (width, count) in enumerate(zip(widths, blocks)):
            layer = []
            for j in range(count):
                layer.append(CifarBlock(channels, width, 2 if i and not j else 1))
                channels = width
            self.add_module(f"layer{i + 1}", nn.Sequential(*layer))
        self.linear = nn.Linear(channels, classes)

    def forward(self, x):
        x = torch.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(x.mean((2, 3)))


def narrow_resnet(block, width, classes):
    """torchvision's ResNet with one block a layer and `width` instead of 64 channels."""
    net = ResNet(block, [1, 1, 1, 1], classes)
    net.inplanes = width
    net.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
    net.bn1 = nn.BatchNorm2d(width)
    for i in range(4):
        setattr(net, f"layer{i + 1}", net._make_layer(block, width << i, 1, 1 if i == 0 else 2))
    net.fc = nn.Linear((width << 3) * block.expansion, classes)
    return net


def narrow_mobilenet(classes):
    net = MobileNetV2(classes, width_mult=0.1, inverted_residual_setting=[[1, 80, 1, 1], [3, 80, 2, 2], [3, 160, 1, 2]])
    last = net.features[-1]  # 1,280 channels whatever the width
    last[0] = nn.Conv2d(last[0].in_channels, 32, 1, bias=False)
    last[1] = nn.BatchNorm2d(32)
    net.classifier[1] = nn.Linear(32, classes)
    return net


def narrow_squeezenet(version, classes, divisor):
    net = SqueezeNet(version, classes)
    stem = net.features[0]
    net.features[0] = nn.Conv2d(3, stem.out_channels // divisor, stem.kernel_size, stem.stride)
    for i, m in enumerate(net.features):
        if isinstance(m, Fire):
            net.features[i] = Fire(m.squeeze.in_channels // divisor, m.squeeze.out_channels // divisor,
                                   m.expand1x1.out_channels // divisor, m.expand3x3.out_channels // divisor)
    net.classifier[1] = nn.Conv2d(512 // divisor, classes, 1)
    return net


def narrow_vgg(batch_norm, classes):
    """One convolution a stage, and dense layers of six values on the 7 x 7 cells."""
    net = vgg.VGG(vgg.make_layers([2, "M", 3, "M", 3, "M", 4, "M", 4, "M"], batch_norm), classes)
    dense = net.classifier
    dense[0], dense[3], dense[6] = nn.Linear(4 * 7 * 7, 6), nn.Linear(6, 6), nn.Linear(6, classes)
    for layer in (dense[0], dense[3], dense[6]):
        nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
    return net


def narrow_efficientnet(classes):
    rows = [(1, 3, 1, 32, 16, 1), (3, 5, 2, 16, 24, 2), (2, 3, 2, 24, 40, 1)]
    rows = [efficientnet.MBConvConfig(*row, width_mult=0.25, depth_mult=1.0) for row in rows]
    return efficientnet.EfficientNet(rows, 0.2, num_classes=classes, last_channel=24)


def narrow_timm_efficientnet(classes):
    rows = [["ds_r1_k3_s1_e1_c16_se0.25"], ["ir_r2_k5_s2_e3_c24_se0.25"], ["ir_r1_k3_s2_e2_c40_se0.25"]]
    return timm_efficientnet.EfficientNet(timm_blocks_of(rows), classes, num_features=24, pad_type="same", act_layer=nn.SiLU,
                                          round_chs_fn=partial(round_channels, multiplier=0.25),
                                          norm_layer=partial(nn.BatchNorm2d, eps=1e-3, momentum=0.01))


def quiet_branches(net):
    """The last batch norm of each residual branch small, as in trained networks: a deep one stays well conditioned."""
    for m in net.modules():
        if isinstance(m, (BasicBlock, CifarBlock)):
            nn.init.uniform_(m.bn2.weight, 0.1, 0.3)
        elif isinstance(m, Bottleneck):
            nn.init.uniform_(m.bn3.weight, 0.1, 0.3)
        elif isinstance(m, InvertedResidual):
            nn.init.uniform_(m.conv[-1].weight, 0.1, 0.3)
        elif isinstance(m, efficientnet.MBConv):
            nn.init.uniform_(m.block[-1][1].weight, 0.1, 0.3)
        elif isinstance(m, (timm_blocks.InvertedResidual, timm_blocks.DepthwiseSeparableConv)):
            nn.init.uniform_((m.bn3 if hasattr(m, "bn3") else m.bn2).weight, 0.1, 0.3)


def randomise(net, images, quiet=False):
    """Weights as at the start of training, every batch norm with its own affine and plausible statistics: nothing is 0 or 1."""
    for m in net.modules():
        if isinstance(m, nn.BatchNorm2d):
            nn.init.uniform_(m.weight, 0.5, 1.5)
            nn.init.normal_(m.bias, 0, 0.2)
            m.usual_momentum, m.momentum = m.momentum, None  # None: the average of all batches, here of one
        elif isinstance(m, nn.Conv2d) and m.bias is not None:
            nn.init.normal_(m.bias, 0, 0.1)
    if quiet:
        quiet_branches(net)
    with torch.no_grad():
        net.train()(images)
    for m in net.modules():
        if isinstance(m, nn.BatchNorm2d):
            m.running_mean += 0.1 * torch.randn_like(m.running_mean) * m.running_var.sqrt()
            m.running_var *= torch.empty_like(m.running_var).uniform_(0.8, 1.25)
            m.num_batches_tracked.fill_(7)
            m.momentum = m.usual_momentum


BLOCKS = (BasicBlock, Bottleneck, CifarBlock, InvertedResidual, Fire, nn.Linear, efficientnet.MBConv,
          timm_blocks.InvertedResidual, timm_blocks.DepthwiseSeparableConv)


def is_block(net, name, module):
    stem_or_last = isinstance(net, MobileNetV2) and isinstance(module, torchvision.ops.misc.Conv2dNormActivation) and name.count(".") == 1
    head = isinstance(module, nn.Conv2d) and name == "classifier.1"
    return isinstance(module, BLOCKS) or stem_or_last or head


def run(net, images, labels, golden, mode, dtype, blocks, suffix=""):
    net = copy.deepcopy(net).to(dtype)
    net.train(mode == "train")
    for m in net.modules():
        if isinstance(m, (nn.Dropout, torchvision.ops.StochasticDepth)):
            m.p = 0.0
    outputs = {}
    if blocks:
        for name, module in net.named_modules():
            if is_block(net, name, module):  # a copy: the ReLU that follows may write in place
                module.register_forward_hook(lambda m, i, o, name=name: outputs.__setitem__(name, o.detach().clone()))
    logits = net(images.to(dtype))
    loss = nn.functional.cross_entropy(logits, labels)
    loss.backward()
    for name, value in outputs.items():
        golden[f"{mode}/block{suffix}/{name}"] = value.float().contiguous()
    if not suffix:
        golden[f"{mode}/logits"], golden[f"{mode}/loss"] = logits.detach().float(), loss.detach().float()
    for name, parameter in net.named_parameters():
        golden[f"{mode}/grad{suffix}/{name}"] = parameter.grad.float().contiguous()
    if mode == "train":
        for name, buffer in net.named_buffers():
            golden[f"train/after/{name}"] = buffer.float() if buffer.is_floating_point() else buffer


def modes_of(golden):
    return [mode for mode in ("eval", "train") if f"{mode}/logits" in golden]


def worst_f32_gradient(golden):
    """What rounding to f32 costs PyTorch itself: a ReLU whose input is within rounding of 0 can cost any amount."""
    worst = 0
    for mode in modes_of(golden):
        exact = {k: v for k, v in golden.items() if k.startswith(f"{mode}/grad/")}
        largest = max(v.abs().max() for v in exact.values())
        for name, value in exact.items():
            scale = value.abs().max()
            difference = (golden[name.replace("/grad/", "/grad32/")] - value).abs().max()
            worst = max(worst, (difference / (scale if scale > 1e-10 * largest else largest)).item())
    return worst


def references(net, images, labels, modes=("eval", "train")):
    golden = {"input": images, "labels": labels}
    for mode in modes:
        run(net, images, labels, golden, mode, torch.float64, blocks=mode == "eval")
        run(net, images, labels, golden, mode, torch.float32, blocks=mode == "eval", suffix="32")
    return golden


def save_weights(out, name, net, containers):
    for container in containers:
        torch.save(net.state_dict(), out / f"{name}-{container}.pth", _use_new_zipfile_serialization=container == "zip")


def write_tiny(out, name, make, shape, classes, containers):
    """From the first seed at which every layer matters and the network is well conditioned: a test in f32 can ask for 1e-4."""
    for seed in range(200):
        torch.manual_seed(seed)
        net, images, labels = make(), torch.randn(shape), torch.randint(0, classes, (shape[0],))
        randomise(net, images)
        golden = references(net, images, labels)
        dead = any(not v.any() for k, v in golden.items() if "/grad/" in k and k.endswith("weight"))
        if not dead and worst_f32_gradient(golden) < 2e-5:
            break
    else:
        sys.exit(f"{name}: no well-conditioned start found")
    save_weights(out, name, net, containers)
    golden = {k: v for k, v in golden.items() if "32/" not in k}
    torch.save(golden, out / f"{name}-golden.pth", _use_new_zipfile_serialization=False)  # the old form is more compact
    print(name, "seed", seed, sum(p.numel() for p in net.parameters()), "parameters")


def write_full(out, name, net, shape, classes):
    """On that one of a few inputs that lies farthest from a tie of a ReLU or a maximum, as PyTorch's own rounding shows."""
    torch.manual_seed(sum(name.encode()))
    start, best = copy.deepcopy(net), None
    for _ in range(4):
        candidate = copy.deepcopy(start)
        images, labels = torch.randn(shape), torch.randint(0, classes, (shape[0],))
        randomise(candidate, images, quiet=True)
        found = references(candidate, images, labels)
        worst = worst_f32_gradient(found)
        if best is None or worst < best:
            best, net, golden = worst, candidate, found
        if best < 2e-5:
            break
    save_weights(out, name, net, ("zip", "legacy"))
    torch.save(golden, out / f"{name}-golden.pth")
    print(name, sum(p.numel() for p in net.parameters()), "parameters", flush=True)


def write_initial(out, name, make, shape, classes):
    for seed in range(50):
        torch.manual_seed(seed)
        net, labels = make(), torch.randint(0, classes, (shape[0],))
        small = references(net, torch.randn(shape[:2] + (min(shape[2], 64),) * 2), labels, ["eval"])
        if worst_f32_gradient(small) < 2e-5:
            break
    else:
        sys.exit(f"{name}: every start has a ReLU at a tie")
    save_weights(out, f"{name}-initial", net, ("zip", "legacy"))
    torch.save(small, out / f"{name}-initial-small-golden.pth")
    torch.save(references(net, torch.randn(shape), labels, ["eval"]), out / f"{name}-initial-large-golden.pth")


def tiny(out):
    basic, bottleneck = (lambda: narrow_resnet(BasicBlock, 2, 7)), (lambda: narrow_resnet(Bottleneck, 2, 7))
    write_tiny(out, "resnet-basic", basic, (3, 3, 35, 33), 7, ["zip"])
    write_tiny(out, "resnet-bottleneck", bottleneck, (2, 3, 64, 63), 7, ["legacy"])
    write_tiny(out, "cifar_resnet", lambda: CifarResNet([2, 4, 8], [2, 1, 1], 10), (3, 3, 15, 14), 10, ["zip", "legacy"])
    write_tiny(out, "mobilenet_v2", lambda: narrow_mobilenet(7), (3, 3, 21, 25), 7, ["zip"])
    write_tiny(out, "squeezenet1_0", lambda: narrow_squeezenet("1_0", 7, 16), (1, 3, 31, 34), 7, ["legacy"])
    write_tiny(out, "squeezenet1_1", lambda: narrow_squeezenet("1_1", 7, 16), (1, 3, 31, 30), 7, ["zip"])
    write_tiny(out, "vgg", lambda: narrow_vgg(False, 7), (1, 3, 70, 97), 7, ["zip"])
    write_tiny(out, "vgg_bn", lambda: narrow_vgg(True, 7), (1, 3, 97, 70), 7, ["legacy"])
    write_tiny(out, "efficientnet", lambda: narrow_efficientnet(7), (2, 3, 35, 40), 7, ["zip"])
    write_tiny(out, "tf_efficientnet", lambda: narrow_timm_efficientnet(7), (2, 3, 35, 40), 7, ["zip"])


def full(out):
    models, size = torchvision.models, (2, 3, 224, 224)
    for name, make, shape, classes in (
        ("resnet18", models.resnet18, size, 1000),
        ("resnet50", models.resnet50, size, 1000),
        ("cifar_resnet20", lambda: CifarResNet([16, 32, 64], [3, 3, 3], 10), (8, 3, 32, 32), 10),
        ("mobilenet_v2", models.mobilenet_v2, size, 1000),
        ("squeezenet1_0", models.squeezenet1_0, size, 1000),
        ("squeezenet1_1", models.squeezenet1_1, size, 1000),
        ("vgg16", models.vgg16, size, 1000),
        ("efficientnet_b0", models.efficientnet_b0, size, 1000),
        ("tf_efficientnet_b0", lambda: timm.create_model("tf_efficientnet_b0"), size, 1000),
    ):
        write_initial(out, name, make, shape, classes)
        torch.manual_seed(2)
        write_full(out, name, make(), shape, classes)


def fixed_input(size):
    """Numbers in [-2, 2) that need no random generator: tests/nn/published_test.cpp makes the same."""
    i = torch.arange(3 * size * size, dtype=torch.int64)
    bits = (i * 2654435761) % 2**32
    return ((bits >> 8).double() * 2.0**-22 - 2).view(1, 3, size, size)


def published(assets, out):
    weights = Path(assets) / "weights"
    nets = {
        "mobilenet_v2.pth": (torchvision.models.mobilenet_v2(), 224),
        "squeezenet1_0.pth": (torchvision.models.squeezenet1_0(), 224),
        "resnet20-12fca82f.th": (CifarResNet([16, 32, 64], [3, 3, 3], 10), 32),
        "resnet32-d509ac18.th": (CifarResNet([16, 32, 64], [5, 5, 5], 10), 32),
    }
    logits = {}
    for file, (net, size) in nets.items():
        state = torch.load(weights / file, map_location="cpu")
        state = {k.removeprefix("module."): v for k, v in state.get("state_dict", state).items()}
        missing, unexpected = net.load_state_dict(state, strict=False)
        assert not unexpected and all(k.endswith("num_batches_tracked") for k in missing), (missing, unexpected)
        with torch.no_grad():
            logits[file] = net.eval().double()(fixed_input(size)).float()
    torch.save(logits, out)


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] in ("tiny", "full"):
        folder = Path(sys.argv[2])
        folder.mkdir(parents=True, exist_ok=True)
        {"tiny": tiny, "full": full}[sys.argv[1]](folder)
    elif len(sys.argv) == 4 and sys.argv[1] == "published":
        published(sys.argv[2], sys.argv[3])
    else:
        sys.exit(__doc__)

"""Writes training.json: 50 steps of training, setting by setting, as PyTorch takes them, in f64.

    pip install torch==1.13.1; python3 tests/golden/training.py

A run is a function with @run, named by what it shows. It takes the common network, trains it, and returns a Curve; its
`settings` are the recipe that makes graft do the same. Nothing else is needed: the test in tests/transfer/curves_test.cpp trains
with every recipe in the file, from the same weights on the same pictures in the same order.

    {"pictures", "labels": ..., "start": {name: tensor}, "runs": {name: {"settings": {...}, "strategy": "scratch",
     "losses": [50 numbers], "order_sha256": "...", "test_losses": [10], "head": {"shape", "values"}}},
     "rate_finder": {"lowest", "highest", "steps", "settings", "losses"}}

losses are those of each step's batch before the step; test_losses those on all pictures after each epoch, in evaluation mode;
head is linear.weight at the end.
"""
import copy
import hashlib
import json
import os

import torch
import torch.nn.functional as F
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, OneCycleLR, SequentialLR

from graft_random import batches_of, draw_mix

torch.set_default_dtype(torch.float64)
COUNT, SIZE, CLASSES, BATCH, EPOCHS, SEED = 37, 6, 3, 8, 10, 11  # 37: the last batch of an epoch has five
STEPS_PER_EPOCH = len(batches_of(COUNT, BATCH, SEED, 1))
STEPS = EPOCHS * STEPS_PER_EPOCH


class Block(nn.Module):
    """Two 3x3 convolutions; the shortcut takes every second pixel and pads the channels with zeros."""

    def __init__(self, channels, width, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.stride, self.padding = stride, (width - channels) // 2

    def forward(self, x):
        y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        p = self.padding
        return torch.relu(y + F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, p, p)))


class Network(nn.Module):
    """graft's CifarResNet with the widths {4, 8} and one block each: stages conv1 and bn1, layer1.0, layer2.0; head linear."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(4)
        self.layer1 = nn.Sequential(Block(4, 4, 1))
        self.layer2 = nn.Sequential(Block(4, 8, 2))
        self.linear = nn.Linear(8, CLASSES)

    def forward(self, x):
        x = self.layer2(self.layer1(torch.relu(self.bn1(self.conv1(x)))))
        return self.linear(x.mean((2, 3)))


def numbers(t):
    return [int(v) if float(v).is_integer() else float("%.15g" % v) for v in t.detach().flatten()]


def entry(t):
    return {"shape": list(t.shape), "values": numbers(t)}


torch.manual_seed(20261124)
START = Network()
with torch.no_grad():
    for p in START.parameters():
        p.copy_((p * 1024).round() / 1024)  # few digits, exact in f32 too
LABELS = torch.randint(0, CLASSES, (COUNT,))
LABELS[:6] = 0  # classes of unequal size
SIGNAL = torch.randn(CLASSES, 3, SIZE, SIZE)
PICTURES = ((torch.randn(COUNT, 3, SIZE, SIZE) + SIGNAL[LABELS]) * 16).round() / 16


class Curve:
    """What one run gives. Takes the network with the weights of the end."""

    def __init__(self, net, settings, losses, test_losses, strategy="scratch"):
        self.entry = {
            "settings": {k: str(v).lower() if isinstance(v, bool) else str(v) for k, v in settings.items()},
            "strategy": strategy,
            "losses": losses,
            "order_sha256": order_sha256(settings["batch"]),
            "test_losses": test_losses,
            "head": entry(net.linear.weight),
        }


def order_sha256(batch):
    digest = hashlib.sha256()
    for epoch in range(1, EPOCHS + 1):
        for index in sum(batches_of(COUNT, batch, SEED, epoch), []):
            digest.update(index.to_bytes(8, "little"))
    return digest.hexdigest()


def groups(net, decay):
    """For an optimizer: biases and norms do not decay."""
    vectors = [p for p in net.parameters() if p.dim() <= 1]
    others = [p for p in net.parameters() if p.dim() > 1]
    return [{"params": others, "weight_decay": decay}, {"params": vectors, "weight_decay": 0.0}]


def warm_cosine(optimizer, warmup_epochs):
    """A line up over the warm-up's steps, then half a cosine to 0."""
    rising = round(warmup_epochs * STEPS_PER_EPOCH)
    cosine = CosineAnnealingLR(optimizer, STEPS - rising)
    if rising == 0:
        return cosine
    return SequentialLR(optimizer, [LinearLR(optimizer, 1 / (rising + 1), 1, rising), cosine], [rising])


def test_loss(net):
    """On all pictures, in evaluation mode."""
    net.eval()
    with torch.no_grad():
        value = F.cross_entropy(net(PICTURES), LABELS).item()
    net.train()
    return value


def train(net, optimizer, schedule, loss_of=None, after_step=None, tested=None):
    """The plain loop. loss_of(net, which, epoch, number) -> the loss of the epoch's batch `number`, the samples `which`.
    The network that is tested after each epoch is `tested`, where it is another."""
    loss_of = loss_of or (lambda net, which, epoch, number: F.cross_entropy(net(PICTURES[which]), LABELS[which]))
    losses, test_losses = [], []
    net.train()
    for epoch in range(1, EPOCHS + 1):
        for number, which in enumerate(batches_of(COUNT, BATCH, SEED, epoch)):
            loss = loss_of(net, which, epoch, number)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            if after_step:
                after_step()
            losses.append(loss.item())
        test_losses.append(test_loss(tested or net))
    return losses, test_losses


RUNS = {}


def run(f):
    RUNS[f.__name__] = f
    return f


# Every run's recipe has these, where it says nothing else.
COMMON = {"epochs": EPOCHS, "batch": BATCH, "freeze_bn": False, "cached_features": False}


def sgd(net):
    """SGD with momentum, weight decay and a cosine: (settings, optimizer, schedule), a base for other runs."""
    settings = COMMON | {"optimizer": "sgd", "learning_rate": 0.05, "momentum": 0.9, "weight_decay": 0.001, "warmup_epochs": 0}
    optimizer = torch.optim.SGD(groups(net, 0.001), lr=0.05, momentum=0.9)
    return settings, optimizer, warm_cosine(optimizer, 0)


@run
def sgd_cosine(net):
    settings, optimizer, schedule = sgd(net)
    return Curve(net, settings, *train(net, optimizer, schedule))


@run
def adamw_warmup(net):
    settings = COMMON | {"optimizer": "adamw", "learning_rate": 0.01, "weight_decay": 0.05, "warmup_epochs": 2}
    optimizer = torch.optim.AdamW(groups(net, 0.05), lr=0.01)
    return Curve(net, settings, *train(net, optimizer, warm_cosine(optimizer, 2)))


@run
def label_smoothing(net):
    settings, optimizer, schedule = sgd(net)

    def loss_of(net, which, epoch, number):
        return F.cross_entropy(net(PICTURES[which]), LABELS[which], label_smoothing=0.1)

    return Curve(net, settings | {"label_smoothing": 0.1}, *train(net, optimizer, schedule, loss_of))


@run
def class_weights(net):
    """n / (classes n_c) of the training samples, together with label smoothing."""
    settings, optimizer, schedule = sgd(net)
    weights = COUNT / (CLASSES * torch.bincount(LABELS, minlength=CLASSES).double())

    def loss_of(net, which, epoch, number):
        return F.cross_entropy(net(PICTURES[which]), LABELS[which], weight=weights, label_smoothing=0.1)

    return Curve(net, settings | {"class_weights": "auto", "label_smoothing": 0.1}, *train(net, optimizer, schedule, loss_of))


def mixed_loss(mixup, cutmix, **how):
    """share * CE(own label) + (1 - share) * CE(partner's), with graft's shares, partners and boxes."""

    def loss_of(net, which, epoch, number):
        share, partners, box = draw_mix(mixup, cutmix, len(which), SIZE, SIZE, SEED, epoch, which[0])
        x, y = PICTURES[which], LABELS[which]
        if box is None:
            mixed = share * x + (1 - share) * x[partners]
        else:
            left, top, right, bottom = box
            mixed = x.clone()
            mixed[:, :, top:bottom, left:right] = x[partners][:, :, top:bottom, left:right]
        logits = net(mixed)
        return share * F.cross_entropy(logits, y, **how) + (1 - share) * F.cross_entropy(logits, y[partners], **how)

    return loss_of


@run
def mixup(net):
    settings, optimizer, schedule = sgd(net)
    return Curve(net, settings | {"mixup": 0.4}, *train(net, optimizer, schedule, mixed_loss(0.4, 0)))


@run
def cutmix(net):
    settings, optimizer, schedule = sgd(net)
    return Curve(net, settings | {"cutmix": 1.5}, *train(net, optimizer, schedule, mixed_loss(0, 1.5)))


@run
def mixup_or_cutmix_weighted(net):
    settings, optimizer, schedule = sgd(net)
    weights = COUNT / (CLASSES * torch.bincount(LABELS, minlength=CLASSES).double())
    settings |= {"mixup": 0.2, "cutmix": 1, "label_smoothing": 0.05, "class_weights": "auto"}
    loss_of = mixed_loss(0.2, 1, weight=weights, label_smoothing=0.05)
    return Curve(net, settings, *train(net, optimizer, schedule, loss_of))


@run
def one_cycle(net):
    settings, optimizer, _ = sgd(net)
    schedule = OneCycleLR(optimizer, max_lr=0.05, total_steps=STEPS, cycle_momentum=False)
    return Curve(net, settings | {"schedule": "one_cycle"}, *train(net, optimizer, schedule))


@run
def linear(net):
    """A line down to 0, after a line up."""
    settings, optimizer, _ = sgd(net)
    rising = STEPS_PER_EPOCH
    falls = LinearLR(optimizer, 1, 0, STEPS - rising)
    schedule = SequentialLR(optimizer, [LinearLR(optimizer, 1 / (rising + 1), 1, rising), falls], [rising])
    return Curve(net, settings | {"schedule": "linear", "warmup_epochs": 1}, *train(net, optimizer, schedule))


@run
def accumulated(net):
    """Batches of 4, two a step: the order is that of batches of 4, the last of an epoch has one sample more."""
    settings, optimizer, schedule = sgd(net)
    losses, test_losses = [], []
    for epoch in range(1, EPOCHS + 1):
        batches = batches_of(COUNT, 4, SEED, epoch)
        for first in range(0, len(batches), 2):
            step = batches[first:first + 2]
            count, total = sum(map(len, step)), 0
            optimizer.zero_grad()
            for which in step:
                loss = F.cross_entropy(net(PICTURES[which]), LABELS[which]) * len(which) / count
                loss.backward()
                total += loss.item()
            optimizer.step()
            schedule.step()
            losses.append(total)
        test_losses.append(test_loss(net))
    return Curve(net, settings | {"batch": 4, "accumulate": 2}, losses, test_losses)


@run
def averaged(net):
    """The moving average is what is tested and what is left; timm's ModelEmaV2 averages the statistics of batch norms too."""
    settings, optimizer, schedule = sgd(net)
    average = copy.deepcopy(net)

    def follow():
        with torch.no_grad():
            for a, b in zip(average.state_dict().values(), net.state_dict().values()):
                a.copy_(0.9 * a + (1 - 0.9) * b if a.is_floating_point() else b)

    losses, test_losses = train(net, optimizer, schedule, after_step=follow, tested=average)
    return Curve(average, settings | {"ema": 0.9}, losses, test_losses)


# The stages from the top, as graft names them.
STAGES = [["layer2.0."], ["layer1.0."], ["conv1.", "bn1."]]


def stage_of(name):
    return next((i for i, prefixes in enumerate(STAGES) if name.startswith(tuple(prefixes))), None)


def by_stage(net):
    """[head, topmost stage, ..., lowest]: lists of parameters."""
    out = [list(net.linear.parameters())] + [[] for _ in STAGES]
    for name, p in net.named_parameters():
        if stage_of(name) is not None:
            out[1 + stage_of(name)].append(p)
    return out


def frozen_statistics(net, which, epoch, number):
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    return F.cross_entropy(net(PICTURES[which]), LABELS[which])


@run
def layer_decay(net):
    """The topmost stage at half the head's rate, each below at 0.6 of the one above."""
    settings = COMMON | {"optimizer": "adamw", "learning_rate": 0.01, "weight_decay": 0, "warmup_epochs": 0,
                         "body_lr_scale": 0.5, "layer_decay": 0.6, "freeze_bn": True, "clip_norm": 0}
    rates = [0.01] + [0.01 * 0.5 * 0.6**i for i in range(len(STAGES))]
    optimizer = torch.optim.AdamW([{"params": p, "lr": lr} for p, lr in zip(by_stage(net), rates)], weight_decay=0)
    return Curve(net, settings, *train(net, optimizer, warm_cosine(optimizer, 0), frozen_statistics), strategy="full")


@run
def gradual(net):
    """The head in epoch 1; of 10 epochs the three stages from epochs 2, 4 and 6 on."""
    settings = COMMON | {"optimizer": "sgd", "learning_rate": 0.1, "momentum": 0.9, "weight_decay": 0.001, "warmup_epochs": 0,
                         "body_lr_scale": 0.5, "freeze_bn": True, "clip_norm": 0}
    parts = by_stage(net)
    groups = []
    for i, part in enumerate(parts):
        for vectors in (False, True):
            groups.append({"params": [p for p in part if (p.dim() <= 1) == vectors], "lr": 0.1 if i == 0 else 0.05,
                           "weight_decay": 0 if vectors else 0.001})
    optimizer = torch.optim.SGD(groups, lr=0.1, momentum=0.9)

    def loss_of(net, which, epoch, number):
        for i, part in enumerate(parts):
            for p in part:
                p.requires_grad_(i == 0 or epoch >= 2 * i)
        return frozen_statistics(net, which, epoch, number)

    return Curve(net, settings, *train(net, optimizer, warm_cosine(optimizer, 0), loss_of), strategy="gradual")


@run
def drawn_to_start(net):
    """L2-SP: half of 0.1 times the squared distance of all but the head to where they started; the head decays."""
    settings = COMMON | {"optimizer": "sgd", "learning_rate": 0.1, "momentum": 0.9, "weight_decay": 0.001, "warmup_epochs": 0,
                         "body_lr_scale": 1, "freeze_bn": True, "clip_norm": 0, "l2_sp": 0.1}
    body = [p for name, p in net.named_parameters() if not name.startswith("linear.")]
    start = [p.detach().clone() for p in body]
    optimizer = torch.optim.SGD([{"params": body, "weight_decay": 0}, {"params": [net.linear.weight], "weight_decay": 0.001},
                                 {"params": [net.linear.bias], "weight_decay": 0}], lr=0.1, momentum=0.9)

    def loss_of(net, which, epoch, number):
        loss = frozen_statistics(net, which, epoch, number)
        pull = 0.05 * sum(((p - s) ** 2).sum() for p, s in zip(body, start))
        return loss + pull - pull.detach()  # the loss that is written down is that of the samples

    return Curve(net, settings, *train(net, optimizer, warm_cosine(optimizer, 0), loss_of), strategy="full")


@run
def full_slow_body(net):
    """The body at a fifth of the head's rate, its batch norms' statistics frozen."""
    settings = COMMON | {"optimizer": "sgd", "learning_rate": 0.1, "momentum": 0.9, "weight_decay": 0, "warmup_epochs": 1,
                         "body_lr_scale": 0.2, "freeze_bn": True, "clip_norm": 0}
    body = [p for name, p in net.named_parameters() if not name.startswith("linear.")]
    optimizer = torch.optim.SGD([{"params": body, "lr": 0.02}, {"params": net.linear.parameters()}], lr=0.1, momentum=0.9)
    return Curve(net, settings, *train(net, optimizer, warm_cosine(optimizer, 1), frozen_statistics), strategy="full")


FINDER = {"lowest": 1e-4, "highest": 2.0, "steps": 60}


def rate_finder(net):
    """The losses while SGD's rate grows evenly in its logarithm from step to step, epoch after epoch."""
    settings, optimizer, _ = sgd(net)
    losses = []
    net.train()
    order = [which for epoch in range(1, 99) for which in batches_of(COUNT, BATCH, SEED, epoch)]
    for step, which in zip(range(FINDER["steps"]), order):
        loss = F.cross_entropy(net(PICTURES[which]), LABELS[which])
        optimizer.zero_grad()
        loss.backward()
        for group in optimizer.param_groups:
            group["lr"] = FINDER["lowest"] * (FINDER["highest"] / FINDER["lowest"]) ** (step / (FINDER["steps"] - 1))
        optimizer.step()
        losses.append(loss.item())
    return FINDER | {"settings": {k: str(v).lower() for k, v in settings.items()}, "losses": losses}


def main():
    out = {
        "pictures": entry(PICTURES.permute(0, 2, 3, 1)),
        "labels": entry(LABELS),
        "start": {name: entry(t) for name, t in START.state_dict().items()},
        "rate_finder": rate_finder(copy.deepcopy(START)),
        "runs": {name: f(copy.deepcopy(START)).entry for name, f in RUNS.items()},
    }
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "training.json")
    with open(path, "w") as f:
        top = []
        for key, value in out.items():
            if key in ("start", "runs"):
                lines = ",\n".join(f"  {json.dumps(k)}: {json.dumps(v, separators=(',', ':'))}" for k, v in value.items())
                top.append(f"{json.dumps(key)}: {{\n{lines}\n}}")
            else:
                top.append(f"{json.dumps(key)}: {json.dumps(value, separators=(',', ':'))}")
        f.write("{\n" + ",\n".join(top) + "\n}\n")
    for name, r in out["runs"].items():
        print(f"{name}: {r['losses'][0]:.4f} -> {r['losses'][-1]:.4f}, test {r['test_losses'][-1]:.4f}")
    print(os.path.getsize(path), "bytes")


if __name__ == "__main__":
    main()

"""Writes ops.json: inputs, outputs and gradients of single operations as PyTorch 1.13.1 computes them, in f64.

    /usr/bin/python3 tests/golden/ops.py

Pictures are turned to [N, H, W, C] here, so that the tests compare element by element. Format: tests/golden.h.
"""
import json
import os

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
torch.manual_seed(20240901)
out = {}


def put(name, tensor):
    t = tensor.detach()
    values = [int(v) for v in t.flatten()] if t.dtype == torch.int64 else [float("%.15g" % v) for v in t.flatten()]
    out[name] = {"shape": list(t.shape), "values": values}


def nhwc(t):
    return t.permute(0, 2, 3, 1).contiguous()


def rounded(*shape):
    """Inputs with few digits: exact in the file."""
    return (torch.randn(*shape) * 1024).round() / 1024


def batch_norm():
    x = (rounded(3, 5, 2, 3) * 2 + 1).requires_grad_()
    layer = torch.nn.BatchNorm2d(5, eps=1e-3, momentum=0.3)
    with torch.no_grad():
        layer.weight.copy_(rounded(5))
        layer.bias.copy_(rounded(5))
        layer.running_mean.copy_(rounded(5))
        layer.running_var.copy_(rounded(5).abs() + 0.5)
    put("batch_norm.x", nhwc(x))
    for name in ("weight", "bias", "running_mean", "running_var"):
        put("batch_norm." + name, getattr(layer, name))
    dy = rounded(3, 5, 2, 3)
    put("batch_norm.dy", nhwc(dy))
    for mode in ("frozen", "train"):
        layer.train(mode == "train")
        layer.zero_grad()
        x.grad = None
        y = layer(x)
        y.backward(dy)
        put(f"batch_norm.{mode}.y", nhwc(y))
        put(f"batch_norm.{mode}.dx", nhwc(x.grad))
        put(f"batch_norm.{mode}.dweight", layer.weight.grad)
        put(f"batch_norm.{mode}.dbias", layer.bias.grad)
    put("batch_norm.train.running_mean", layer.running_mean)
    put("batch_norm.train.running_var", layer.running_var)


def max_pool():
    # Few distinct values: ties, which must go to the first maximum.
    x = torch.randint(-3, 4, (2, 3, 7, 6)).double().requires_grad_()
    put("max_pool.x", nhwc(x))
    cases = [(2, 2, 0, False), (2, 2, 0, True), (3, 2, 1, False), (3, 2, 1, True), (3, 2, 0, False), (3, 2, 0, True),
             (2, 3, 1, True), (3, 1, 1, False), (1, 2, 0, True), (5, 3, 2, True), (2, 5, 0, True), (2, 5, 1, True)]
    for k, (size, stride, padding, ceil) in enumerate(cases):
        y = F.max_pool2d(x, size, stride, padding, ceil_mode=ceil)
        dy = rounded(*y.shape)
        x.grad = None
        y.backward(dy)
        put(f"max_pool.{k}.case", torch.tensor([size, stride, padding, int(ceil)]))
        put(f"max_pool.{k}.y", nhwc(y))
        put(f"max_pool.{k}.dy", nhwc(dy))
        put(f"max_pool.{k}.dx", nhwc(x.grad))
    put("max_pool.cases", torch.tensor(len(cases)))


def cross_entropy():
    x = (rounded(7, 5) * 3).requires_grad_()
    weights = rounded(5).abs() + 0.25
    plain = torch.tensor([0, 4, 2, 2, 1, 3, 0])
    ignoring = torch.tensor([0, -100, 2, 3, -100, 3, 0])
    ignoring_three = torch.tensor([0, 3, 2, 3, 1, 3, 0])
    put("cross_entropy.logits", x)
    put("cross_entropy.weights", weights)
    k = 0
    for labels, ignore in ((plain, -100), (ignoring, -100), (ignoring_three, 3)):
        for smoothing in (0.0, 0.1, 1.0):
            for weight in (None, weights):
                x.grad = None
                loss = F.cross_entropy(x, labels, weight=weight, ignore_index=ignore, label_smoothing=smoothing)
                (2 * loss).backward()
                put(f"cross_entropy.{k}.labels", labels)
                put(f"cross_entropy.{k}.how", torch.tensor([smoothing, 0.0 if weight is None else 1.0, ignore]))
                put(f"cross_entropy.{k}.loss", loss)
                put(f"cross_entropy.{k}.dlogits_of_twice", x.grad)
                k += 1
    put("cross_entropy.cases", torch.tensor(k))


def optimizers():
    """20 steps on two parameters with a given gradient each step; the learning rate changes on the way."""
    start = [rounded(3, 2), rounded(4)]
    grads = [[rounded(3, 2), rounded(4)] for _ in range(20)]
    for i, s in enumerate(start):
        put(f"optimizer.start.{i}", s)
        put(f"optimizer.grads.{i}", torch.stack([g[i] for g in grads]))
    runs = {
        "sgd": lambda p: torch.optim.SGD(p, lr=1, weight_decay=0.0),
        "sgd_decay": lambda p: torch.optim.SGD(p, lr=1, weight_decay=0.05),
        "sgd_momentum": lambda p: torch.optim.SGD(p, lr=1, momentum=0.9, weight_decay=0.05),
        "sgd_nesterov": lambda p: torch.optim.SGD(p, lr=1, momentum=0.9, weight_decay=0.05, nesterov=True),
        "adamw": lambda p: torch.optim.AdamW(p, lr=1, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.05),
        "adamw_other": lambda p: torch.optim.AdamW(p, lr=1, betas=(0.7, 0.95), eps=1e-2, weight_decay=0.0),
    }
    for name, make in runs.items():
        params = [s.clone().requires_grad_() for s in start]
        optimizer = make(params)
        path = [[], []]
        for step in range(20):
            for group in optimizer.param_groups:
                group["lr"] = 0.1 / (1 + step)
            for i, p in enumerate(params):
                p.grad = grads[step][i].clone()
            # The second parameter gets no gradient in the first two steps: its state starts later.
            if step < 2:
                params[1].grad = None
            optimizer.step()
            for i, p in enumerate(params):
                path[i].append(p.detach().clone())
        for i in range(2):
            put(f"optimizer.{name}.{i}", torch.stack(path[i]))


def clip_and_schedule():
    grads = [rounded(3, 2), rounded(4)]
    params = [torch.zeros_like(g).requires_grad_() for g in grads]
    for p, g in zip(params, grads):
        p.grad = g.clone()
    put("clip.grads.0", grads[0])
    put("clip.grads.1", grads[1])
    put("clip.norm", torch.nn.utils.clip_grad_norm_(params, 0.75))
    put("clip.clipped.0", params[0].grad)
    put("clip.clipped.1", params[1].grad)
    for k, (total, pct, div, final) in enumerate([(50, 0.3, 25.0, 1e4), (37, 0.1, 10.0, 100.0), (7, 0.5, 25.0, 1e4)]):
        optimizer = torch.optim.SGD(params, lr=1)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1.0, total_steps=total, pct_start=pct,
                                                       div_factor=div, final_div_factor=final)
        rates = []
        for step in range(total):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            if step + 1 < total:
                schedule.step()
        put(f"one_cycle.{k}.how", torch.tensor([float(total), pct, div, final]))
        put(f"one_cycle.{k}.rates", torch.tensor(rates))


def row_norms():
    """Layer norm, and RMS norm as T5 has it: no mean, no bias, the deviation from zero."""
    x = (rounded(2, 3, 11) * 2 + 1).requires_grad_()
    weight, bias = rounded(11).requires_grad_(), rounded(11).requires_grad_()
    dy = rounded(2, 3, 11)
    for name, t in (("x", x), ("weight", weight), ("bias", bias), ("dy", dy)):
        put("row_norm." + name, t)
    for name in ("layer_norm", "rms_norm"):
        for t in (x, weight, bias):
            t.grad = None
        if name == "layer_norm":
            y = F.layer_norm(x, (11,), weight, bias, eps=1e-3)
        else:
            y = weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-3))
        y.backward(dy)
        put(name + ".y", y)
        put(name + ".dx", x.grad)
        put(name + ".dweight", weight.grad)
        if name == "layer_norm":
            put(name + ".dbias", bias.grad)


def embedding():
    table = rounded(7, 5).requires_grad_()
    indices = torch.tensor([[3, 0, 3, 6], [1, 3, 1, 6]])
    dy = rounded(2, 4, 5)
    put("embedding.table", table)
    put("embedding.indices", indices)
    put("embedding.dy", dy)
    for name, padding in (("plain", None), ("padded", 1)):
        table.grad = None
        y = F.embedding(indices, table, padding_idx=padding)
        y.backward(dy)
        put(f"embedding.{name}.y", y)
        put(f"embedding.{name}.dtable", table.grad)


def activations():
    x = torch.cat([(torch.arange(-48, 49) / 8.0), torch.tensor([-100.0, -30.0, -9.0, 9.0, 30.0, 100.0])])
    x.requires_grad_()
    put("activation.x", x)
    functions = {
        "gelu": F.gelu,
        "gelu_tanh": lambda t: F.gelu(t, approximate="tanh"),
        "quick_gelu": lambda t: t * torch.sigmoid(1.702 * t),
        "silu": F.silu,
        "sigmoid": torch.sigmoid,
        "tanh": torch.tanh,
    }
    for name, f in functions.items():
        x.grad = None
        y = f(x)
        y.sum().backward()
        put(f"activation.{name}.y", y)
        put(f"activation.{name}.slope", x.grad)


def adam():
    """As optimizers(), with its start and gradients."""
    def given(name):
        return torch.tensor(out[name]["values"]).reshape(out[name]["shape"])
    start = [given(f"optimizer.start.{i}") for i in range(2)]
    grads = [given(f"optimizer.grads.{i}") for i in range(2)]
    for name, how in (("adam", {}), ("adam_decay", {"betas": (0.8, 0.99), "eps": 1e-4, "weight_decay": 0.05})):
        params = [s.clone().requires_grad_() for s in start]
        optimizer = torch.optim.Adam(params, lr=1, **how)
        path = [[], []]
        for step in range(20):
            optimizer.param_groups[0]["lr"] = 0.1 / (1 + step)
            for i, p in enumerate(params):
                p.grad = grads[i][step].clone() if i == 0 or step >= 2 else None
            optimizer.step()
            for i, p in enumerate(params):
                path[i].append(p.detach().clone())
        for i in range(2):
            put(f"optimizer.{name}.{i}", torch.stack(path[i]))


def attention():
    """Plain softmax over whole rows, [B, T, H, D]. A query that sees no key is left at 0."""
    batch, heads, size = 3, 2, 5
    k = 0
    for queries, keys in ((4, 4), (3, 6), (6, 3)):
        for causal in (False, True):
            for shared in (False, True):
                q, key, v = (rounded(batch, t, heads, size).requires_grad_() for t in (queries, keys, keys))
                bias = rounded(1 if shared else heads, queries, keys).requires_grad_()
                lengths = torch.tensor([keys, 2, 0])
                s = 0.3 * torch.einsum("bihd,bjhd->bhij", q, key) + bias
                j, i = torch.arange(keys), torch.arange(queries)[:, None]
                visible = (j < lengths[:, None, None, None]) & (j <= i + (keys - queries if causal else keys))
                sees = visible.any(-1, keepdim=True)
                p = s.masked_fill(~visible & sees, -torch.inf).softmax(-1) * sees
                y = torch.einsum("bhij,bjhd->bihd", p, v)
                dy = rounded(*y.shape)
                y.backward(dy)
                named = {"q": q, "k": key, "v": v, "bias": bias, "lengths": lengths, "causal": torch.tensor(int(causal)),
                         "y": y, "dy": dy, "dq": q.grad, "dk": key.grad, "dv": v.grad, "dbias": bias.grad}
                for name, t in named.items():
                    put(f"attention.{k}.{name}", t)
                k += 1
    put("attention.cases", torch.tensor(k))


def linear_act():
    """A linear layer with a residual and an activation, as BERT and GPT-2 have them, one after the other."""
    shapes = {"x": (2, 3, 5), "weight": (7, 5), "bias": (7,), "residual": (2, 3, 7)}
    given = {name: rounded(*shape).requires_grad_() for name, shape in shapes.items()}
    dy = rounded(2, 3, 7)
    for name, t in given.items():
        put("linear." + name, t)
    put("linear.dy", dy)
    functions = {
        "none": lambda t: t,
        "relu": F.relu,
        "relu6": F.relu6,
        "gelu": F.gelu,
        "gelu_tanh": lambda t: F.gelu(t, approximate="tanh"),
    }
    for act, f in functions.items():
        for t in given.values():
            t.grad = None
        y = f(F.linear(given["x"], given["weight"], given["bias"]) + given["residual"])
        y.backward(dy)
        put(f"linear.{act}.y", y)
        for name, t in given.items():
            put(f"linear.{act}.d{name}", t.grad)


def matmul():
    a, b = rounded(2, 2, 3, 5).requires_grad_(), rounded(2, 2, 5, 4).requires_grad_()
    dy = rounded(2, 2, 3, 4)
    y = a @ b
    y.backward(dy)
    for name, t in (("a", a), ("b", b), ("dy", dy), ("y", y), ("da", a.grad), ("db", b.grad)):
        put("matmul." + name, t)


batch_norm()
max_pool()
cross_entropy()
optimizers()
clip_and_schedule()
row_norms()
embedding()
activations()
adam()
attention()
linear_act()
matmul()
path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "ops.json")
with open(path, "w") as f:
    f.write("{\n" + ",\n".join(f"{json.dumps(k)}: {json.dumps(v, separators=(',', ':'))}" for k, v in out.items()) + "\n}\n")
print(len(out), "tensors,", os.path.getsize(path), "bytes")

"""Checkpoints written by the real torch 1.13, and the SHA-256 of every tensor's elements in them.

    python3 tests/golden/checkpoints.py        writes tests/golden/checkpoints/*.pth and checkpoints.txt

Needs Debian's python3-torch. Each content is written in both containers, zip and legacy. A line of checkpoints.txt is
    file <tab> name <tab> dtype <tab> sizes, comma-separated <tab> sha256 of the contiguous elements
"""
import collections
import hashlib
import os

import torch

here = os.path.join(os.path.dirname(os.path.abspath(__file__)), "checkpoints")
torch.manual_seed(1)


def values(dtype, *shape):
    if dtype == torch.bool:
        return torch.rand(shape) > 0.5
    if dtype.is_floating_point or dtype.is_complex:
        return torch.randn(shape).to(dtype)
    return torch.randint(0, 100, shape).to(dtype)


def contents():
    dtypes = [torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.uint8, torch.bool,
              torch.int16, torch.int8, torch.complex64]
    yield "dtypes", {str(d).split(".")[1]: values(d, 3, 5) for d in dtypes}

    base = values(torch.float32, 6, 10)
    yield "views", {
        "base": base, "transposed": base.t(), "row": base[2], "column": base[:, 3], "block": base[1:4, 2:9:3],
        "shared": base.view(3, 20), "permuted": values(torch.float32, 2, 3, 4).permute(2, 0, 1),
        "expanded": values(torch.float32, 1, 4).expand(3, 4), "diagonal": base.diagonal(),
    }

    ranks = {"rank%d" % r: values(torch.float32, *([2, 1, 3, 1, 2, 1, 1, 2][:r])) for r in range(9)}
    ranks["empty"] = torch.zeros(0)
    ranks["empty_rows"] = torch.zeros(0, 3)
    special = torch.tensor([0.0, -0.0, float("inf"), float("-inf"), float("nan"), 1e-45, 3.4e38])
    ranks["special"] = special
    ranks["special_half"] = special.half()
    yield "ranks", ranks

    net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Flatten(), torch.nn.Linear(16, 5))
    yield "state_dict", net.state_dict()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    net(torch.randn(2, 3, 4, 4)).sum().backward()
    optimizer.step()
    yield "training", {"epoch": 3, "arch": "net", "state_dict": net.state_dict(), "best_acc1": torch.tensor(0.9),
                       "optimizer": optimizer.state_dict(), "history": [1.5, None, True, ("a", 2 ** 40)]}
    adam = torch.optim.AdamW(net.parameters())
    adam.step()
    yield "adam", {"model": net.state_dict(), "optimizer": adam.state_dict()}
    tagged = torch.nn.Parameter(values(torch.float32, 2, 2))
    tagged.note = "attributes of its own"
    yield "parameters", collections.OrderedDict(
        weight=torch.nn.Parameter(values(torch.float32, 3, 2)), frozen=torch.nn.Parameter(values(torch.float32, 2), requires_grad=False),
        tagged=tagged)


def tensors(content):
    for key in ("state_dict", "model"):
        if key in content and not torch.is_tensor(content[key]):
            return content[key]
    return content


def digest(t):
    t = t.detach().contiguous()
    return hashlib.sha256(bytes(t.reshape(-1).view(torch.uint8).numpy().tobytes() if t.numel() else b"")).hexdigest()


os.makedirs(here, exist_ok=True)
lines = []
for name, content in contents():
    for form, zipped in (("zip", True), ("legacy", False)):
        file = "%s_%s.pth" % (name, form)
        torch.save(content, os.path.join(here, file), _use_new_zipfile_serialization=zipped)
        for key, t in tensors(content).items():
            if t.dtype == torch.bool:
                bits = hashlib.sha256(t.contiguous().numpy().tobytes()).hexdigest()
            elif t.is_complex():
                bits = digest(torch.view_as_real(t))
            else:
                bits = digest(t)
            lines.append("\t".join([file, key, str(t.dtype).split(".")[1], ",".join(map(str, t.shape)), bits]))
with open(os.path.join(here, "..", "checkpoints.txt"), "w") as f:
    f.write("\n".join(lines) + "\n")
print(len(lines), "tensors")

#!/usr/bin/env python3
"""What cuda_bench measures of whole networks and optimizers, in PyTorch on the same GPU: training steps and classification
of random pictures that are on the device already, with channels_last, autocast for bf16 and cudnn.benchmark, first as is,
then compiled; AdamW with fused=True; attention by the fastest of PyTorch's ways; and ResNet-50's convolutions, whose best of
cuDNN PyTorch finds. Writes after each case, so that a run that is cut short leaves what it has.

  bench/train_vs_pytorch.py [--json FILE] [--seconds S] [--dry]      scripts/gpu_check calls it
"""
import argparse
import json
import pathlib
import statistics
import sys
import time

import torch


class Run:
    def __init__(self, options):
        self.options = options
        self.dry = options.dry
        self.end = time.monotonic() + options.seconds
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.report = {"torch": torch.__version__, "cuda": torch.version.cuda, "dry": self.dry, "rows": [],
                       "cudnn": torch.backends.cudnn.version(),
                       "device": torch.cuda.get_device_name() if self.device == "cuda" else "cpu"}
        self.failures = 0

    def case(self, name, dtype, measure, **facts):
        row = {"case": name, "dtype": dtype, **facts}
        if time.monotonic() > self.end:
            row["skipped"] = "out of time"
        else:
            try:
                row.update(measure())
            except Exception as error:  # recorded; the others go on
                row["error"] = f"{type(error).__name__}: {error}"[:300]
                self.failures += 1
            if self.device == "cuda":
                torch.cuda.empty_cache()
        self.report["rows"].append(row)
        print(json.dumps(row), flush=True)
        if self.options.json:
            temporary = self.options.json.with_suffix(".tmp")
            temporary.write_text(json.dumps(self.report, indent=1) + "\n")
            temporary.rename(self.options.json)

    def wait(self):
        if self.device == "cuda":
            torch.cuda.synchronize()

    def timed(self, step, repeats, batch=None, clear=False):
        """Median seconds of a step on the device, by events, and of the wall clock over all."""
        repeats = 1 if self.dry else repeats
        for _ in range(min(repeats, 5)):
            step()
        self.wait()
        if self.device != "cuda":
            return {"repeats": repeats}
        events, other = [], torch.empty(192 << 20, dtype=torch.uint8, device="cuda") if clear else None
        begin = time.perf_counter()
        for _ in range(repeats):
            if clear:
                other.fill_(1)
            pair = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            pair[0].record()
            step()
            pair[1].record()
            events.append(pair)
        self.wait()
        wall = (time.perf_counter() - begin) / repeats
        found = {"repeats": repeats, "seconds": statistics.median(a.elapsed_time(b) * 1e-3 for a, b in events)}
        if not clear:
            found["wall_seconds"] = wall
        if batch:
            found["pictures_per_second"] = batch / wall
        return {"repeats": repeats} if self.dry else found


def network(run, name):
    import torchvision
    model = getattr(torchvision.models, name)(weights=None).to(run.device)
    return model.to(memory_format=torch.channels_last)


def pictures(run, batch):
    size = 32 if run.dry else 224
    images = torch.randn(batch, 3, size, size, device=run.device).to(memory_format=torch.channels_last)
    return images, torch.arange(batch, device=run.device) % 10


def autocast(run, dtype):
    return torch.autocast(run.device, dtype=torch.bfloat16, enabled=dtype == "bf16")


def train(run, name, batch, dtype, compiled):
    model = network(run, name).train()
    images, labels = pictures(run, batch)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9, weight_decay=1e-4)
    forward = torch.compile(model) if compiled else model

    def step():
        optimizer.zero_grad(set_to_none=True)
        with autocast(run, dtype):
            logits = forward(images)
        torch.nn.functional.cross_entropy(logits.float(), labels).backward()
        optimizer.step()

    return run.timed(step, 20, batch)


@torch.no_grad()
def classify(run, name, batch, dtype, compiled):
    model = network(run, name).eval()
    images, _ = pictures(run, batch)
    forward = torch.compile(model) if compiled else model

    def step():
        with autocast(run, dtype):
            forward(images)

    return run.timed(step, 30, batch)


def bert_base_shapes(dry):
    if dry:
        return [(33, 17), (1,), (64, 65)]
    width, inner = 768, 3072
    shapes = [(30522, width), (512, width), (2, width), (width,), (width,)]
    for _ in range(12):
        shapes += [(width, width), (width,)] * 4
        shapes += [(width,), (width,), (inner, width), (inner,), (width, inner), (width,), (width,), (width,)]
    return shapes + [(width, width), (width,)]


def adamw(run):
    parameters = [torch.nn.Parameter(torch.randn(s, device=run.device)) for s in bert_base_shapes(run.dry)]
    for p in parameters:
        p.grad = torch.randn_like(p)
    fused = {"fused": True} if run.device == "cuda" else {}
    optimizer = torch.optim.AdamW(parameters, lr=1e-3, weight_decay=0.01, **fused)
    return run.timed(optimizer.step, 30, clear=True)


def resnet50_convolutions():
    """(size, channels, outputs, kernel, stride, padding), each once: as bench/conv_cases.h counts them."""
    cases, size, channels = [(224, 3, 64, 7, 2, 3)], 56, 64
    for stage, blocks in enumerate([3, 4, 6, 3]):
        width = 64 << stage
        for block in range(blocks):
            stride = 2 if stage > 0 and block == 0 else 1
            cases += [(size, channels, width, 1, 1, 0), (size, width, width, 3, stride, 1)]
            if block == 0:
                cases.append((size, channels, width * 4, 1, stride, 0))
            size //= stride
            cases.append((size, width, width * 4, 1, 1, 0))
            channels = width * 4
    return list(dict.fromkeys(cases))


def convolution(run, case, batch, dtype, direction):
    size, channels, outputs, kernel, stride, padding = case
    kind = torch.bfloat16 if dtype == "bf16" else torch.float32
    size, batch = (kernel + 4, 2) if run.dry else (size, batch)

    def tensor(*shape):
        return torch.randn(shape, device=run.device, dtype=kind).to(memory_format=torch.channels_last)

    x, weight = tensor(batch, channels, size, size), tensor(outputs, channels, kernel, kernel)
    out = (size + 2 * padding - kernel) // stride + 1
    dy = tensor(batch, outputs, out, out)
    if direction == "forward":
        return run.timed(lambda: torch.nn.functional.conv2d(x, weight, None, stride, padding), 30, clear=True)
    wanted = [direction == "grad input", direction == "grad weight", False]
    return run.timed(lambda: torch.ops.aten.convolution_backward(
        dy, x, weight, None, [stride, stride], [padding, padding], [1, 1], False, [0, 0], 1, wanted), 30, clear=True)


def attention(run, shape, causal, backward):
    batch, tokens, heads, size = (2, 16, 2, 8) if run.dry else shape
    kind = torch.float32 if run.dry else torch.bfloat16

    def tensor():
        # As graft has it in memory, [B, T, H, D], in PyTorch's order of axes.
        return torch.randn(batch, tokens, heads, size, device=run.device, dtype=kind).transpose(1, 2).requires_grad_(backward)

    q, k, v, dy = tensor(), tensor(), tensor(), tensor().detach()

    def step():
        with torch.set_grad_enabled(backward):
            return torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=causal)

    def measure():
        if not backward:
            return run.timed(step, 30, clear=True)
        y = step()
        return run.timed(lambda: torch.autograd.grad(y, (q, k, v), dy, retain_graph=True), 30, clear=True)

    best = {}
    from torch.nn.attention import SDPBackend, sdpa_kernel
    for backend in [SDPBackend.FLASH_ATTENTION, SDPBackend.CUDNN_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]:
        if backend == SDPBackend.MATH and best:
            break
        try:
            with sdpa_kernel(backend):
                found = {**measure(), "backend": str(backend)}
        except RuntimeError:  # not for this device or shape
            continue
        if not best or found.get("seconds", 0) < best.get("seconds", 0):
            best = found
    return best


def conv_name(case):
    size, channels, outputs, kernel, stride, _ = case
    return f"{size}^2 {channels}->{outputs} {kernel}x{kernel}" + (f"/{stride}" if stride > 1 else "")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--dry", action="store_true", help="small sizes, no times")
    options = parser.parse_args()
    torch.backends.cudnn.benchmark = True
    # graft's f32 is f32.
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.manual_seed(0)
    run = Run(options)

    training = [("resnet50", 256, "bf16"), ("resnet50", 64, "bf16"), ("resnet50", 64, "f32"), ("mobilenet_v2", 128, "bf16")]
    classifying = [("resnet50", 256, "bf16"), ("resnet50", 1, "bf16"), ("resnet50", 64, "f32")]
    small = (lambda batch: 2) if run.dry else (lambda batch: batch)
    for name, batch, dtype in training:
        run.case(f"train {name}, batch {batch}", dtype, lambda: train(run, name, small(batch), dtype, False), compiled=False)
    for name, batch, dtype in classifying:
        run.case(f"classify {name}, batch {batch}", dtype, lambda: classify(run, name, small(batch), dtype, False),
                 compiled=False)
    run.case("AdamW, BERT-base, 109.5M parameters", "f32", lambda: adamw(run))
    for batch, tokens, heads, size, causal in [(128, 128, 12, 64, False), (32, 384, 12, 64, False), (32, 512, 12, 64, False),
                                               (16, 1024, 12, 64, True), (4, 4096, 16, 128, False)]:
        name = f"attention {batch} x {tokens} x {heads} x {size}" + (" causal" if causal else "")
        for backward in (False, True):
            run.case(name + (", gradients" if backward else ""), "bf16",
                     lambda: attention(run, (batch, tokens, heads, size), causal, backward))
    for direction in ("forward", "grad input", "grad weight"):
        for case in resnet50_convolutions():
            if case[1] == 3 and direction == "grad input":
                continue
            run.case(f"{conv_name(case)}, {direction}", "bf16", lambda: convolution(run, case, 128, "bf16", direction))
    # Compiling takes long, so it comes last, and where it can end in time.
    run.end -= 60
    if not run.dry:
        run.case("train resnet50, batch 256", "bf16", lambda: train(run, "resnet50", 256, "bf16", True), compiled=True)
        run.case("classify resnet50, batch 256", "bf16", lambda: classify(run, "resnet50", 256, "bf16", True), compiled=True)
    return 1 if run.failures else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Loads networks that graft saved with strict=True and compares logits; see strict_load.sh. Ends with status 1 on a miss."""
import json
import pathlib
import struct
import sys

import torch
import torchvision

DTYPES = {"F32": torch.float32, "F64": torch.float64, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64}


def read_safetensors(path):
    """The format in ten lines, so that the check does not depend on graft's reader nor on another package."""
    raw = path.read_bytes()
    (n,) = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8:8 + n])
    header.pop("__metadata__", None)
    out = {}
    for name, t in header.items():
        begin, end = t["data_offsets"]
        data = torch.frombuffer(bytearray(raw[8 + n + begin:8 + n + end]), dtype=torch.uint8)
        out[name] = data.view(DTYPES[t["dtype"]]).reshape(t["shape"])
    return out


def main():
    folder = pathlib.Path(sys.argv[1])
    missed = False
    print("%-16s %-12s %8s  %s" % ("network", "file", "tensors", "max |difference| / max |logit|"))
    cases = sorted(folder.glob("*.case"))
    for case in cases:
        expected = torch.load(case)
        for suffix in (".pth", ".safetensors"):
            path = case.with_suffix(suffix)
            state = torch.load(path) if suffix == ".pth" else read_safetensors(path)
            net = getattr(torchvision.models, case.stem)()
            net.load_state_dict(state, strict=True)
            net.eval()
            with torch.no_grad():
                logits = net(expected["images"])
            error = ((logits - expected["logits"]).abs().max() / logits.abs().max()).item()
            missed |= not error <= 1e-5
            print("%-16s %-12s %8d  %.2e" % (case.stem, suffix, len(state), error))
    return 1 if missed or not cases else 0


if __name__ == "__main__":
    sys.exit(main())

"""Writes rand_augment.txt: the CRC-32 of what torchvision's RandAugment operations make of pictures, a line a case:

    op K ...       one operation with one magnitude and sign on picture K, u8 [H, W, 3]
    chain K ...    several, drawn as graft draws them
    input K ...    a whole training input, float32 [H, W, 3]: mirror, operations, normalise, erase
    magnitudes     of each operation its 31 magnitudes on squares of 1 to 600 pixels, as float32; of translations whole pixels

The pictures are those of resize.py; graft's random numbers those of graft_random.py.

    /usr/bin/python3 tests/golden/rand_augment.py      (torchvision 0.14.1, PyTorch 1.13.1, Pillow 9.4)
"""
import math
import os
import zlib

os.environ["ATEN_CPU_CAPABILITY"] = "default"  # torch.linspace's last bit depends on the vectors' length

import numpy as np
import torch
import torchvision.transforms.functional as F
from torchvision.transforms.autoaugment import RandAugment, _apply_op

from graft_random import Rng
from resize import numbers, picture

NEAREST = F.InterpolationMode.NEAREST
OPS = ["Identity", "ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate", "Brightness", "Color", "Contrast", "Sharpness",
       "Posterize", "Solarize", "AutoContrast", "Equalize"]
BINS = 31


def magnitude_of(op, bin, width, height):
    magnitudes, signed = RandAugment()._augmentation_space(BINS, (height, width))[op]
    return (float(magnitudes[bin].item()) if magnitudes.ndim > 0 else 0.0), signed


def crc(image):
    return zlib.crc32(image.tobytes())


def drawn(case):
    """Sizes from one pixel to 90, some with few values so that histograms have gaps."""
    r = [int(v) for v in numbers(case + 40_000, 8)]
    image = picture(case, 1 + r[0] % 90, 1 + r[1] % 90)
    return (image.point(lambda v: 40 + v // 3) if case % 5 == 4 else image), r


def operation(case):
    image, r = drawn(case)
    op = OPS[case % len(OPS)]
    magnitude, signed = magnitude_of(op, r[2] % BINS, *image.size)
    return _apply_op(image, op, -magnitude if signed and r[3] % 2 else magnitude, NEAREST, None)


def chained(image, ops, bin, rng):
    for _ in range(ops):
        op = OPS[rng.below(len(OPS))]
        magnitude, signed = magnitude_of(op, bin, *image.size)
        if signed and rng.bits() % 2:
            magnitude = -magnitude
        image = _apply_op(image, op, magnitude, NEAREST, None)
    return image


def uniform(rng, low, high):
    return low + (high - low) * (rng.bits() * 2.0**-32)


def erased_box(width, height, rng):
    """RandomErasing.get_params with graft's numbers: top, left, height, width."""
    for _ in range(10):
        area = width * height * uniform(rng, 0.02, 0.33)
        ratio = math.exp(uniform(rng, math.log(0.3), math.log(3.3)))
        h, w = int(round(math.sqrt(area * ratio))), int(round(math.sqrt(area / ratio)))
        if h < height and w < width:
            return rng.below(height - h + 1), rng.below(width - w + 1), h, w
    return None


def whole_input(case):
    """An augmentation without crop, on a square picture of the input's size."""
    side = 1 + case % 40
    image, rng = picture(case, side, side), Rng(77, 3, case)
    if (rng.bits() >> 8) * 2.0**-24 < 0.5:
        image = F.hflip(image)
    image = chained(image, 2, 9, rng)
    x = F.normalize(F.to_tensor(image), [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    if (rng.bits() >> 8) * 2.0**-24 < 0.75:
        box = erased_box(side, side, rng)
        if box:
            x = F.erase(x, *box, torch.tensor([0.0])[:, None, None])
    return x.permute(1, 2, 0).contiguous().numpy().tobytes()


def main():
    lines = [f"op {case} {crc(operation(case)):08x}" for case in range(1400)]
    for case in range(200):
        image, r = drawn(case)
        lines.append(f"chain {case} {crc(chained(image, 1 + case % 5, r[2] % BINS, Rng(5, 1, case))):08x}")
    lines += [f"input {case} {zlib.crc32(whole_input(case)):08x}" for case in range(120)]
    for op in OPS:
        values = [magnitude_of(op, bin, side, side)[0] for side in range(1, 601) for bin in range(BINS)]
        values = [int(v) if op.startswith("Translate") else v for v in values]
        lines.append(f"magnitudes {op} {zlib.crc32(np.array(values, dtype=np.float32).tobytes()):08x}")
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "rand_augment.txt"), "w") as out:
        out.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()

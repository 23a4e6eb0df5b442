"""Writes transform.txt: for each case of tests/data/transform_test.cpp the CRC-32 of the network input, float32 [H, W, 3],
that torchvision's transforms give. The pictures are those of resize.py.

    /usr/bin/python3 tests/golden/transform.py      (torchvision 0.14.1, PyTorch 1.13.1, Pillow 9.4)
"""

import os
import zlib

import numpy as np
import torch
from PIL import Image
from torchvision import transforms

from resize import numbers, picture

IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
HALF = ([0.5, 0.5, 0.5], [0.5, 0.5, 0.5])
BILINEAR = transforms.InterpolationMode.BILINEAR
BICUBIC = transforms.InterpolationMode.BICUBIC


def crc(tensor):
    return zlib.crc32(tensor.permute(1, 2, 0).contiguous().numpy().tobytes())


def pipeline(resize, crop, interpolation, statistics):
    steps = [transforms.Resize(resize, interpolation)] if resize else []
    steps += [transforms.CenterCrop(crop), transforms.ToTensor(), transforms.Normalize(*statistics)]
    return transforms.Compose(steps)


def cases():
    """(name, picture, resize, crop, interpolation, statistics): every byte through the normalisation, then sizes."""
    ramp = Image.fromarray(np.arange(768).astype(np.uint8).reshape(16, 16, 3), "RGB")
    yield "ramp", ramp, 0, 16, BILINEAR, IMAGENET
    for case in range(150):
        r = [int(v) for v in numbers(case + 20_000, 8)]
        width, height = 1 + r[0] % 90, 1 + r[1] % 90
        resize = [0, 16, 33, 64][r[2] % 4]
        crop = 1 + r[3] % 48
        yield str(case), picture(case, width, height), resize, crop, [BILINEAR, BICUBIC][r[4] % 2], [IMAGENET, HALF][r[5] % 2]
    yield "photo", picture(2, 341, 300), 256, 224, BILINEAR, IMAGENET
    yield "cifar", picture(0, 32, 32), 32, 32, BILINEAR, IMAGENET
    yield "strip", picture(0, 3, 700), 64, 56, BILINEAR, IMAGENET


def main():
    with open(os.path.join(os.path.dirname(__file__), "transform.txt"), "w") as out:
        for name, image, resize, crop, interpolation, statistics in cases():
            out.write(f"{name} {crc(pipeline(resize, crop, interpolation, statistics)(image)):08x}\n")
        for width, height in ((1, 16384), (16384, 1), (1, 1)):
            image = picture(0, width, height).resize((224, 224), Image.Resampling.BILINEAR)
            out.write(f"{width}x{height} {zlib.crc32(image.tobytes()):08x}\n")


if __name__ == "__main__":
    main()

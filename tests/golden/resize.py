"""Writes resize.txt: for each of 10,000 cases of tests/data/resize_test.cpp the CRC-32 of what Pillow's Image.resize
gives with NEAREST, BILINEAR and BICUBIC, one after the other. The test makes the same pictures from the case's number.

    /usr/bin/python3 tests/golden/resize.py      (Pillow 9.4)
"""

import os
import zlib

import numpy as np
from PIL import Image

CASES = 10_000


def numbers(case, count):
    """`count` 64-bit numbers: the finaliser of splitmix64, cut short, over (case, index)."""
    z = (np.arange(count, dtype=np.uint64) + np.uint64((case + 1) << 32)) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
    return z ^ (z >> np.uint64(32))


def sides(case):
    """Source and target sizes: small and larger ones, one axis in ten kept, one case in fifty a strip."""
    r = [int(v) for v in numbers(case, 8)]
    limit = 24 if case % 2 else 120
    side = [1 + r[i] % limit for i in range(4)]
    if r[4] % 10 == 0:
        side[2] = side[0]
    if r[5] % 10 == 0:
        side[3] = side[1]
    if r[6] % 50 == 0:
        side[0], side[1] = 1, 1 + r[7] % 16384
    return side


def picture(case, width, height):
    """Noise, black and white (which bicubic overshoots), or a gradient."""
    count = width * height * 3
    value = (numbers(case, 8 + count)[8:] >> np.uint64(56)).astype(np.uint8)
    if case % 3 == 1:
        value = (value >> 7) * np.uint8(255)
    if case % 3 == 2:
        value = (np.arange(count) * (case % 7 + 1) // 3 % 256).astype(np.uint8)
    return Image.fromarray(value.reshape(height, width, 3), "RGB")


def main():
    lines = []
    for case in range(CASES):
        width, height, to_width, to_height = sides(case)
        image = picture(case, width, height)
        crc = 0
        for filter in (Image.Resampling.NEAREST, Image.Resampling.BILINEAR, Image.Resampling.BICUBIC):
            crc = zlib.crc32(image.resize((to_width, to_height), filter).tobytes(), crc)
        lines.append(f"{crc:08x}")
    with open(os.path.join(os.path.dirname(__file__), "resize.txt"), "w") as out:
        out.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()

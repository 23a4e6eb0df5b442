"""Writes images.txt: small JPEG and PNG files made by Pillow and the RGB pixels that Pillow reads from them. One line
each: name, width, height, the file and the pixels in base64. The tests of tests/data/ decode, cut and damage these files.

    /usr/bin/python3 tests/golden/images.py      (Pillow 9.4)
"""

import base64
import io
import os

import numpy as np
from PIL import Image


def scene(width, height):
    """A smooth picture with edges and a little noise."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    random = np.random.RandomState(1)
    channels = [
        128 + 90 * np.sin(x / 5) * np.cos(y / 7),
        np.where((x - width / 2) ** 2 + (y - height / 2) ** 2 < (height / 3) ** 2, 220, 60),
        40 + 170 * x / width,
    ]
    pixels = np.stack(channels, 2) + random.normal(0, 6, (height, width, 3))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8), "RGB")


def main():
    lines = []

    def add(name, image, **options):
        file = io.BytesIO()
        image.save(file, "PNG" if name.startswith("png") else "JPEG", **options)
        read = Image.open(io.BytesIO(file.getvalue())).convert("RGB")
        texts = [base64.b64encode(data).decode() for data in (file.getvalue(), read.tobytes())]
        lines.append(f"{name} {read.width} {read.height} {texts[0]} {texts[1]}")

    image = scene(37, 29)
    for name, subsampling in (("444", 0), ("422", 1), ("420", 2)):
        add(f"jpeg_{name}", image, quality=85, subsampling=subsampling)
    add("jpeg_progressive", image, quality=85, progressive=True)
    add("jpeg_optimized", image, quality=60, optimize=True)
    add("jpeg_grey", image.convert("L"), quality=85)
    add("jpeg_grey_progressive", image.convert("L"), quality=85, progressive=True)
    add("jpeg_cmyk", image.convert("CMYK"), quality=90)

    small = scene(13, 9)
    alpha = Image.fromarray((np.arange(13 * 9).reshape(9, 13) * 2).astype(np.uint8), "L")
    add("png_rgb", small)
    add("png_rgba", Image.merge("RGBA", (*small.split(), alpha)))
    add("png_l", small.convert("L"))
    add("png_la", Image.merge("LA", (small.convert("L"), alpha)))
    add("png_1", small.convert("1"))
    add("png_p", small.quantize(200))
    add("png_p4", small.quantize(16), bits=4)
    add("png_p2", small.quantize(4), bits=2)
    add("png_p_transparent", small.quantize(30), transparency=3)
    with open(os.path.join(os.path.dirname(__file__), "images.txt"), "w") as out:
        out.write("\n".join(lines) + "\n")


main()

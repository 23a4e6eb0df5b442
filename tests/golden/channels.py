"""Writes channels.txt: small PNG and JPEG files and what Pillow makes of them as grey pictures and with alpha. One line each:
name, width, height, and in base64 the file, the colours, the alpha, the grey picture, and of a picture of 7 x 5 pixels (bilinear)
the grey one and the alpha. Grey is what torchvision's loader and its Grayscale make: convert("RGB"), then convert("L").

    python3 tests/golden/channels.py      (pip install pillow==9.4.0 numpy)
"""

import base64
import io
import os

import numpy as np
from PIL import Image


def noise(width, height, channels, seed):
    shape = (height, width, channels) if channels > 1 else (height, width)
    return np.random.RandomState(seed).randint(0, 256, shape).astype(np.uint8)


def main():
    lines = []

    def add(name, image, kind="PNG", **options):
        file = io.BytesIO()
        image.save(file, kind, **options)
        read = Image.open(io.BytesIO(file.getvalue()))
        rgba = read.convert("RGBA")
        colours = rgba.convert("RGB")
        grey, alpha = read.convert("RGB").convert("L"), rgba.getchannel("A")
        small = [x.resize((7, 5), Image.BILINEAR) for x in (grey, alpha)]
        parts = [file.getvalue()] + [x.tobytes() for x in (colours, alpha, grey, *small)]
        lines.append(" ".join([name, str(read.width), str(read.height)] + [base64.b64encode(p).decode() for p in parts]))

    rgb = Image.fromarray(noise(17, 11, 3, 1))
    add("rgb", rgb)
    add("rgba", Image.fromarray(noise(17, 11, 4, 2)))
    add("la", Image.merge("LA", [Image.fromarray(noise(17, 11, 1, s)) for s in (3, 4)]))
    add("grey", Image.fromarray(noise(17, 11, 1, 5)))
    few = Image.fromarray((noise(17, 11, 3, 6) & 0xC0))
    add("palette", few)
    add("palette_alphas", few.quantize(20), transparency=bytes(range(0, 240, 12)))
    add("palette_one", few.quantize(9), transparency=3)
    add("rgb_key", few, transparency=few.getpixel((4, 7)))
    add("grey_key", few.convert("L"), transparency=few.convert("L").getpixel((4, 7)))
    add("jpeg", rgb, "JPEG", quality=90)
    # Every grey value, and colours at the ends.
    ramp = np.stack([np.arange(256)] * 3, 1).astype(np.uint8).reshape(16, 16, 3)
    add("ramp", Image.fromarray(ramp))
    ends = np.array([[r, g, b] for r in (0, 1, 254, 255) for g in (0, 1, 254, 255) for b in (0, 1, 254, 255)], np.uint8)
    add("ends", Image.fromarray(ends.reshape(8, 8, 3)))
    with open(os.path.join(os.path.dirname(__file__), "channels.txt"), "w") as out:
        out.write("\n".join(lines) + "\n")


main()

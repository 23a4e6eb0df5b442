"""Real photos as another camera would have taken them: a second domain with the same classes.

  python3 other_camera.py FOLDER OUT [KIND...]

writes OUT/KIND/... for each kind below (or for those that are named), with FOLDER's sub-folders and file names, as PNG. Needs `pip install
pillow numpy`. The pictures are photos, what happens to them is computed: docs/adapt.md says so wherever it gives
a figure. Every number is drawn from the file's name, so two runs write the same bytes.
"""
import sys
import zlib
from pathlib import Path

import numpy as np
from PIL import Image


def linear(srgb):
    """0..1 as stored -> light (IEC 61966-2-1)."""
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def stored(light):
    light = np.clip(light, 0, 1)
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


def dusk(x, rng):
    """Three stops less light, bluer, and the noise of a small sensor: 400 photons at white, read noise 4."""
    photons = 400 * linear(x) / 8 * np.array([0.8, 0.95, 1.25])
    return stored((rng.poisson(photons) + rng.normal(0, 4, x.shape)) / 400)


def grey(x, rng):
    """No colour: ITU-R BT.601's luma in all three channels."""
    return np.repeat((x @ np.array([0.299, 0.587, 0.114]))[..., None], 3, axis=2)


def haze(x, rng):
    """Fog between camera and flower: 35 % of the light is the flower's, the rest is white."""
    return stored(0.35 * linear(x) + 0.65 * 0.8)


def webcam(x, rng):
    """A fifth of the resolution, blown up again."""
    small = Image.fromarray((x * 255 + 0.5).astype(np.uint8))
    size = small.size
    small = small.resize((max(1, size[0] // 5), max(1, size[1] // 5)), Image.BILINEAR)
    return np.asarray(small.resize(size, Image.BILINEAR)) / 255


KINDS = {f.__name__: f for f in (dusk, grey, haze, webcam)}


def main():
    folder, out = Path(sys.argv[1]), Path(sys.argv[2])
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png"))
    if not files:
        sys.exit(f"{folder}: no pictures")
    kinds = {kind: KINDS[kind] for kind in sys.argv[3:] or KINDS}
    for path in files:
        name = path.relative_to(folder)
        x = np.asarray(Image.open(path).convert("RGB")) / 255
        for kind, change in kinds.items():
            rng = np.random.default_rng(zlib.crc32(f"{kind}/{name.as_posix()}".encode()))
            to = (out / kind / name).with_suffix(".png")
            to.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray((np.clip(change(x, rng), 0, 1) * 255 + 0.5).astype(np.uint8)).save(to)


main()

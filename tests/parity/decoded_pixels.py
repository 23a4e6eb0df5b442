#!/usr/bin/env python3
"""Predictions on published photos against the recorded ones, with the decoder taken out of the comparison and with it.

    tests/parity/decoded_pixels.py --graft build/cpu/app/graft --assets FOLDER

Each photo is predicted twice: from a PNG with the very pixels that Pillow decoded, where every class must be equal, and
from the published file, where a difference can only come from JPEG decoding: stb_image and libjpeg round the inverse
cosine transform and the chroma upsampling differently. Every prediction that differs is named. Needs Pillow; ends with
status 1 if a bar is missed.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

from PIL import Image


def predict(graft, model, weights, folder, files):
    """file -> predicted top list, through the program."""
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        subprocess.run([graft, "predict", "--model", model, "--weights", weights, "--json", out.name,
                        *[str(folder / f) for f in files]], check=True, stdout=subprocess.DEVNULL)
        rows = json.load(open(out.name))["predictions"]
    return {f: row for f, row in zip(files, rows)}


def as_png(source, target, files):
    for f in files:
        path = (target / f).with_suffix(".png")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.open(source / f).convert("RGB").save(path)
    return [str(pathlib.Path(f).with_suffix(".png")) for f in files]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--graft", required=True)
    parser.add_argument("--assets", required=True, type=pathlib.Path)
    args = parser.parse_args()
    failed = False

    def bar(name, equal, total, least):
        nonlocal failed
        print(f"{name:58} {equal:4} of {total:4} equal, bar {least}")
        failed |= equal < least

    with tempfile.TemporaryDirectory() as temporary:
        temporary = pathlib.Path(temporary)
        top5 = json.load(open(args.assets / "reference_top5.json"))
        photos = args.assets / "photos/samples"
        for model in (m for m in top5 if not m.endswith("_logits0-7")):
            expected = top5[model]
            weights = args.assets / f"weights/{model}.pth"
            files = list(expected)
            png = as_png(photos, temporary / "samples", files)
            for name, folder, given in (("decoded pixels", temporary / "samples", png), ("files", photos, files)):
                got = predict(args.graft, model, weights, folder, given)
                rows = [(expected[f], got[g]) for f, g in zip(files, given)]
                bar(f"{model}, samples, {name}: top-1", sum(e[0][0] == g["top"][0]["index"] for e, g in rows),
                    len(rows), len(rows))
                worst = max(abs(e[0][2] - g["top"][0]["probability"]) for e, g in rows)
                print(f"{'':58} largest difference of the first probability {worst:.4f}")

        cifar = json.load(open(args.assets / "reference_cifar10.json"))
        photos = args.assets / "photos/cifar10"
        for weights, model in (("resnet20-12fca82f.th", "cifar_resnet20"), ("resnet32-d509ac18.th", "cifar_resnet32")):
            expected = cifar[weights]["predictions"]
            files = list(expected)
            png = as_png(photos, temporary / "cifar", files)
            exact = predict(args.graft, model, args.assets / "weights" / weights, temporary / "cifar", png)
            bar(f"{model}, CIFAR-10, decoded pixels", sum(expected[f] == exact[g]["label"] for f, g in zip(files, png)),
                len(files), len(files))
            direct = predict(args.graft, model, args.assets / "weights" / weights, photos, files)
            different = [f for f in files if expected[f] != direct[f]["label"]]
            bar(f"{model}, CIFAR-10, files", len(files) - len(different), len(files), len(files) - 2)
            for f in different:
                print(f"  {f}: expected {expected[f]}, from the file {direct[f]['label']} "
                      f"({direct[f]['probability']:.3f}); equal from Pillow's pixels, so JPEG decoding decides")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

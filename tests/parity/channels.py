#!/usr/bin/env python3
"""Published MobileNetV2 on grey pictures and on pictures with alpha: graft's vectors with --channels 1 and 4 beside PyTorch's of the
network for three channels, and what graft saves loaded by PyTorch with strict=True. Prints the largest differences, relative to
the largest value; ends with status 1 on a miss.

    python3 tests/parity/channels.py GRAFT WEIGHTS PHOTOS      (pip install torch torchvision pillow numpy)

PHOTOS is a folder of class folders with photos; thirty of them are compared, all train the saved network's head.
"""
import json
import pathlib
import subprocess
import sys
import tempfile

import torch
import torchvision
from PIL import Image
from torchvision.transforms import functional as F

from strict_load import read_safetensors

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def graft(program, out, *args):
    file = out / "result.json"
    subprocess.run([program, *map(str, args), "--json", str(file)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return json.loads(file.read_text())


def pixels(path, mode):
    image = F.center_crop(F.resize(Image.open(path).convert("RGB").convert(mode), 256), 224)
    return F.to_tensor(image)


def features(network, batch):
    return network.features(batch).mean((2, 3))


def main():
    program, weights, photos = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
    files = sorted(p for p in photos.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png"))
    files = files[:: max(1, len(files) // 30)][:30]
    torch.set_grad_enabled(False)
    network = torchvision.models.mobilenet_v2()
    network.load_state_dict(torch.load(weights, map_location="cpu"))
    network.eval()
    missed = False

    def tell(what, found, expected, bar=1e-5):
        nonlocal missed
        error = ((found - expected).abs().max() / expected.abs().max()).item()
        missed |= bar is not None and not error <= bar
        print("%-66s %.1e" % (what, error))

    grey = torch.stack([pixels(f, "L") for f in files])
    three = features(network, F.normalize(grey.repeat(1, 3, 1, 1), MEAN, STD))
    colours = features(network, F.normalize(torch.stack([pixels(f, "RGB") for f in files]), MEAN, STD))
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder)
        for channels, expected in ((1, three), (4, colours)):
            result = graft(program, out, "embed", *files, "--model", "mobilenet_v2", "--weights", weights, "--channels", channels)
            tell(f"graft embed --channels {channels}", torch.tensor(result["embeddings"]), expected)

        # The usual way to one channel: the filters' sum, and the averages of the means and deviations.
        summed = torchvision.models.mobilenet_v2()
        summed.features[0][0] = torch.nn.Conv2d(1, 32, 3, 2, 1, bias=False)
        state = torch.load(weights, map_location="cpu")
        state["features.0.0.weight"] = state["features.0.0.weight"].sum(1, keepdim=True)
        summed.load_state_dict(state)
        summed.eval()
        tell("for comparison: filters summed, one mean and deviation", features(summed, F.normalize(grey, [0.449], [0.226])), three, None)

        graft(program, out, "tune", photos, "--model", "mobilenet_v2", "--weights", weights, "--channels", 1, "--no-cache",
              "--out", out / "run")
        predicted = graft(program, out, "predict", out / "run/model.graft", *files)["predictions"]
        state = read_safetensors(out / "run/model.graft")
        saved = torchvision.models.mobilenet_v2(num_classes=state["classifier.1.weight"].shape[0])
        saved.features[0][0] = torch.nn.Conv2d(2, 32, 3, 2, 1, bias=False)
        saved.load_state_dict(state, strict=True)
        saved.eval()
        raw = (out / "run/model.graft").read_bytes()
        header = json.loads(raw[8:8 + int.from_bytes(raw[:8], "little")])
        how = json.loads(header["__metadata__"]["graft.preprocess"])
        batch = torch.cat([F.normalize(grey, how["mean"], how["std"]), torch.ones_like(grey)], 1)
        top = saved(batch).softmax(1).max(1).values
        tell("model.graft in PyTorch, probabilities", top, torch.tensor([p["probability"] for p in predicted]))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Head retraining the way PyTorch's transfer-learning tutorial does it, for a side-by-side measurement.

Follows "ConvNet as fixed feature extractor": freeze the parameters, replace the last layer, then in every epoch run the
whole network over the training pictures (random resized crop, flip) and over the test pictures (resize, centre crop),
SGD 0.001 with momentum 0.9, the rate divided by 10 every 7 epochs, batches of 4, keeping the best epoch.
Prints one JSON line: seconds from process start, best and last accuracy.

    bench/tutorial_pytorch.py DATA --weights mobilenet_v2.pth [--epochs 25] [--threads N]
"""
import time

start = time.time()

import argparse
import json

import torch
import torchvision
from torchvision import datasets, transforms


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    parser.add_argument("--weights", required=True)
    parser.add_argument("--epochs", type=int, default=25)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--batch", type=int, default=4)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)

    normalise = transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    recipe = {
        "train": transforms.Compose([transforms.RandomResizedCrop(224), transforms.RandomHorizontalFlip(),
                                     transforms.ToTensor(), normalise]),
        "test": transforms.Compose([transforms.Resize(256), transforms.CenterCrop(224), transforms.ToTensor(),
                                    normalise]),
    }
    sets = {k: datasets.ImageFolder(f"{args.data}/{k}", recipe[k]) for k in recipe}
    loaders = {k: torch.utils.data.DataLoader(sets[k], batch_size=args.batch, shuffle=True, num_workers=4) for k in sets}

    model = torchvision.models.mobilenet_v2()
    model.load_state_dict(torch.load(args.weights, map_location="cpu"))
    for parameter in model.parameters():
        parameter.requires_grad = False
    model.classifier[1] = torch.nn.Linear(model.last_channel, len(sets["train"].classes))
    criterion = torch.nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.classifier[1].parameters(), lr=0.001, momentum=0.9)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=7, gamma=0.1)

    best = last = 0.0
    for epoch in range(args.epochs):
        for phase in ("train", "test"):
            model.train(phase == "train")
            right = 0
            for inputs, labels in loaders[phase]:
                optimizer.zero_grad()
                with torch.set_grad_enabled(phase == "train"):
                    outputs = model(inputs)
                    loss = criterion(outputs, labels)
                    if phase == "train":
                        loss.backward()
                        optimizer.step()
                right += (outputs.argmax(1) == labels).sum().item()
            if phase == "train":
                schedule.step()
            else:
                last = right / len(sets[phase])
                best = max(best, last)
        print(json.dumps({"epoch": epoch + 1, "accuracy": last, "seconds": round(time.time() - start, 1)}), flush=True)
    print(json.dumps({"seconds": time.time() - start, "best": best, "last": last, "epochs": args.epochs,
                      "threads": args.threads, "torch": torch.__version__}))


if __name__ == "__main__":
    main()

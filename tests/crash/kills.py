#!/usr/bin/env python3
"""Kills `graft tune` at random times, over and over, and goes on with --resume until it is done.

  tests/crash/kills.py build/cpu/app/graft --kills 200      what a release should have been through
  tests/crash/kills.py build/cpu/app/graft --seconds 8      as many as fit: a test of every build

After each kill every checkpoint in the folder must be whole (its hash is computed here anew) and no older than what
was there before; in the end model.graft must be, byte for byte, that of a run that nobody killed, with nothing left
beside it. Needs nothing but Python.
"""

import argparse
import hashlib
import json
import pathlib
import random
import subprocess
import sys
import tempfile
import time

MOST_KILLS_OF_A_RUN = 15


def step_of_whole(path: pathlib.Path) -> int:
    """The step that a checkpoint is of; ValueError where a byte of it is not what was written."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    metadata = json.loads(data[8 : 8 + length])["__metadata__"]
    stated = metadata["graft.sha256"].encode()
    unhashed = data[: 8 + length].replace(stated, b"0" * 64, 1) + data[8 + length :]
    if hashlib.sha256(unhashed).hexdigest().encode() != stated:
        raise ValueError(f"{path.name}: the hash does not fit")
    return int(metadata["graft.step"])


class Soak:
    def __init__(self, graft: str, folder: str, seed: int):
        self.graft = str(pathlib.Path(graft).resolve())
        self.folder = pathlib.Path(folder)
        self.random = random.Random(seed)
        self.kills = self.runs = self.resumed = self.torn = self.lost = self.different = 0
        self.run(["meadow", "draw", "--out", "data", "--classes", "demo", "--per-class", "6", "--size", "32"])
        begin = time.monotonic()
        self.run(self.tune("whole"))
        self.seconds = time.monotonic() - begin
        self.expected = (self.folder / "whole" / "model.graft").read_bytes()

    def tune(self, out: str) -> list[str]:
        return (
            "tune data --model cifar_resnet20 --strategy scratch --epochs 4 --batch 8 --threads 1 --no-cache "
            f"--checkpoint-every 1 --out {out}"
        ).split()

    def run(self, arguments: list[str], seconds: float | None = None) -> bool:
        """True where the program was done before so many seconds; False where it was killed."""
        with open(self.folder / "said.txt", "w") as said:
            process = subprocess.Popen([self.graft, *arguments], cwd=self.folder, stdout=said, stderr=said)
            try:
                code = process.wait(seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                return False
        if code != 0:
            raise SystemExit(f"graft {' '.join(arguments)}: code {code}\n{(self.folder / 'said.txt').read_text()}")
        return True

    def newest(self, out: pathlib.Path) -> int:
        """The newest checkpoint's step, 0 where there is none; broken ones are counted."""
        best = 0
        for path in out.glob("checkpoints/step-*.checkpoint"):
            try:
                best = max(best, step_of_whole(path))
            except (ValueError, KeyError) as problem:
                self.torn += 1
                print(f"torn: {problem}", file=sys.stderr)
        return best

    def one_run(self) -> None:
        """To its end, killed now and then."""
        out = self.folder / f"run{self.runs}"
        arguments, best, killed = self.tune(out.name), 0, 0
        while not self.run(
            arguments, self.random.uniform(0, 0.6 * self.seconds) if killed < MOST_KILLS_OF_A_RUN else None
        ):
            killed += 1
            self.kills += 1
            now = self.newest(out)
            finished = (out / "model.graft").exists()  # then the checkpoints are going
            if now < best and not finished:
                self.lost += 1
                print(f"lost: step {best} was there, now {now}", file=sys.stderr)
            best = now
            self.resumed += now > 0
            if killed == 1:
                arguments.append("--resume")
        self.runs += 1
        left = sorted(path.name for path in out.iterdir())
        if (out / "model.graft").read_bytes() != self.expected or left != [
            "metrics.json",
            "model.graft",
            "report.html",
        ]:
            self.different += 1
            print(f"{out.name} ends otherwise than a run that was not killed; it has {left}", file=sys.stderr)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("graft", help="the program")
    how_much = parser.add_mutually_exclusive_group(required=True)
    how_much.add_argument("--kills", type=int, help="how many")
    how_much.add_argument("--seconds", type=float, help="for how long")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="graft-kills-") as folder:
        soak = Soak(options.graft, folder, options.seed)
        begin = time.monotonic()
        while (
            soak.kills < options.kills
            if options.kills
            else soak.runs == 0 or time.monotonic() - begin < options.seconds
        ):
            soak.one_run()
        print(
            f"{soak.kills} kills in {soak.runs} runs, {soak.resumed} of them with a checkpoint to go on from: "
            f"{soak.torn} torn, {soak.lost} lost, {soak.different} of the results differ "
            f"({time.monotonic() - begin:.0f} s)"
        )
    return 1 if soak.torn or soak.lost or soak.different else 0


if __name__ == "__main__":
    sys.exit(main())

"""scripts/gpu_check run dry in a simulator build, and scripts/bench_table on what it leaves.
   gpu_check_test.py SOURCE BUILD"""
import json
import pathlib
import subprocess
import sys
import tempfile

source, build = map(pathlib.Path, sys.argv[1:])


def run(*command):
    done = subprocess.run([sys.executable, *map(str, command)], capture_output=True, text=True)
    assert done.returncode == 0, f"{command}: exit code {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


with tempfile.TemporaryDirectory() as folder:
    # Without the part that runs ctest, as this is a test of ctest's, and without PyTorch.
    run(source / "scripts/gpu_check", "--dry", "--build-dir", build, "--out", folder, "--parts",
        "build,bench,ladder,tune,sanitizer", "--seconds", 240)
    (file,) = pathlib.Path(folder).glob("simulated-*-dry.json")
    report = json.loads(file.read_text())
    parts = report["parts"]
    assert all(part["ok"] for part in parts.values()), parts
    rows = parts["bench"]["rows"]
    assert {r["group"] for r in rows} == {"matmul", "conv", "attention", "rows", "steps", "train"}
    assert {"G1", "G2", "G3", "G5", "C1", "C2", "C4", "A1", "A3", "A4", "M1", "M2", "M3", "O1", "E1", "E2"} <= {r["row"] for r in rows}
    # Checked and not timed: the simulator says nothing about speed.
    assert not any("graft" in r or "error" in r or "skipped" in r for r in rows)
    assert all(r["checked"] for r in rows if r["group"] != "train")
    assert len([r for r in rows if r["group"] == "conv"]) == 2 * (23 * 3 - 1)
    assert {(r["command"], r["precision"]) for r in parts["tune"]["runs"]} == {("tune", "f32"), ("tune", "bf16")}
    assert len(parts["ladder"]["rungs"]) >= 8

    untimed = run(source / "scripts/bench_table", "--json", file)
    assert "not timed" in untimed and "simulated on the CPU" in untimed

    # As if they had been timed: the table's means, worst cases and rates.
    firsts = [r for r in rows if r["row"] == "G1"]
    for r, ratio in zip(firsts, [0.5, 2, 1]):
        r.update(ratio=ratio, tflops=600 * ratio)
    for r in rows:
        if r["row"] == "M2":
            r.update(share_of_copy=0.8, gigabytes_per_second=2400)
        if r["case"] == "train resnet50, batch 256":
            r.update(pictures_per_second=3000)
            # As is, and compiled: the better one counts.
            parts["pytorch"] = {"ok": False, "torch": "2", "rows": [{**r, "pictures_per_second": 1500},
                                                                    {**r, "pictures_per_second": 1000}]}
    for r, seconds in zip([r for r in rows if r["group"] == "conv" and r["dtype"] == "bf16"], [1e-3, 4e-3]):
        r["graft"] = {"seconds": 2e-3}
        parts["pytorch"]["rows"].append({"case": r["case"], "dtype": "bf16", "seconds": seconds})
    timed = pathlib.Path(folder) / "timed.json"
    timed.write_text(json.dumps(report))
    table = run(source / "scripts/bench_table", "--json", timed)
    assert "| 3 cases | up to 1,200.0 TFLOP/s | cuBLASLt | 1.00 (0.50 to 2.00) |" in table, table
    assert "up to 2,400 GB/s | copy | 0.80" in table, table
    assert "| 3,000 pictures/s | PyTorch | 2.00 |" in table, table
    assert "| 2 of 68 cases | | PyTorch | 1.00 (0.50 to 2.00) |" in table, table
    assert "Parts of the run that failed: pytorch." in table, table

"""What a machine with a GPU can say of this code: tests, parity, the chain, long training, speed.

``make gpu-check`` runs it in a clone beside the working tree and writes one JSON file; it fails
if a step fails or a bar is missed. ``--device cpu`` with few updates tells whether the check works.
"""

import argparse
import csv
import json
import math
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

import torch
import yaml

ROOT = Path(__file__).parents[2]
EXPERIMENT = Path(__file__).parent / "configs/experiments/gpu_check.yaml"
STEPS = ("tests", "smoke", "bench", "training")
BARS = {"captured_over_eager": 0.5, "ms_on_H200": 4.0, "refresh_over_updates": 0.1}


def step(name, command, where, output=None, **environment):
    """Run a command, its output to a file if there is one, and say how it went."""
    print(f"== {name}: {' '.join(command)}", flush=True)
    started = time.monotonic()
    done = subprocess.run(command, cwd=where, stdout=output, env={**os.environ, **environment})
    seconds = round(time.monotonic() - started, 1)
    return {"step": name, "command": command, "seconds": seconds, "passed": done.returncode == 0}


def with_code(where, commands):
    """An environment that finds the code in a folder, and the command ``mac``, installed or not."""
    commands.mkdir(exist_ok=True)
    mac = commands / "mac"
    mac.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m mac.cli "$@"\n')
    mac.chmod(0o755)
    found = {"PYTHONPATH": where / "src", "PATH": commands}
    return {
        name: os.pathsep.join(filter(None, [str(first), os.environ.get(name)]))
        for name, first in found.items()
    }


def experiment(folder, device, updates):
    """The experiment with so many updates, in a folder of configurations."""
    content = yaml.safe_load(EXPERIMENT.read_text())
    settings = content["set"]
    settings["compute"] = {"device": device}
    settings["steps"] = settings["value.checkpoint_every"] = updates
    if device == "cpu":  # which has no TF32
        del content["agents"]["bf16_tf32"]["set"]["compute"]["tf32"]
    path = folder / "experiments" / EXPERIMENT.name
    path.parent.mkdir(parents=True)
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return folder


def trained(where, updates):
    """Rate and last losses of the experiment's trainings."""
    found = {}
    for record in sorted(where.glob("results/stages/*/joint-*/seed0/run.yaml")):
        content = yaml.safe_load(record.read_text())
        with (record.parent / "metrics.csv").open() as file:
            last = list(csv.DictReader(file))[-1]
        losses = {k: float(v) for k, v in last.items() if k.endswith("_loss")}
        assert int(last["step"]) == updates and all(map(math.isfinite, losses.values()))
        compute = content["config"]["compute"]
        found[f"{compute['precision']}{'_tf32' if compute['tf32'] else ''}"] = {
            "updates": updates,
            "ms_per_update_with_everything": 1000.0 * content["wall_seconds"] / updates,
            "losses": losses,
        }
    return found


def missed(bench, imagined, device_name):
    """Bars that the measurements of MAC and of MOPO miss, each in words."""
    ratio, ms = bench["captured_over_eager"], bench["ms"]["captured"]["bf16_tf32"]
    found = []
    if ratio > BARS["captured_over_eager"]:
        found.append(f"captured / eager is {ratio:.2f}, more than {BARS['captured_over_eager']}")
    if "H200" in device_name and bench["size"] == "paper" and ms > BARS["ms_on_H200"]:
        found.append(f"an update takes {ms:.2f} ms, more than {BARS['ms_on_H200']}")
    share, bar = imagined["refresh_over_updates"], BARS["refresh_over_updates"]
    if imagined["size"] == "paper" and share > bar:
        found.append(f"a refresh takes {share:.3f} of the updates between, more than {bar}")
    return found


def main():
    """Run every step, write the file, and exit with 1 if anything failed."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--device", default="cuda")
    options.add_argument("--updates", type=int, default=10_000)
    options.add_argument("--size", choices=("quick", "paper"), default="paper")
    options.add_argument("--rounds", default="10")
    options.add_argument("--only", action="append", choices=STEPS, help="may be given again")
    options.add_argument("--out", type=Path, default=ROOT / "results/gpu")
    given = options.parse_args()
    on_gpu, only = given.device != "cpu", set(given.only or STEPS)
    if not on_gpu and given.size == "paper":
        only.discard("bench")  # which takes a core ten minutes
    if on_gpu and not torch.cuda.is_available():
        sys.exit("gpu-check: torch sees no GPU on this machine; run it where there is one")
    name = torch.cuda.get_device_name() if on_gpu else f"cpu-{platform.machine()}"
    with tempfile.TemporaryDirectory(prefix="gpu-check-") as temporary:
        clone, configs = Path(temporary) / "clone", Path(temporary) / "configs"
        subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
        revision = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=clone, capture_output=True, text=True
        )
        commit = revision.stdout.strip()
        paths = with_code(clone, Path(temporary) / "bin")
        python, snakemake = [sys.executable, "-m"], ["--cores", "all", "--quiet", "progress"]
        steps, bench, training, bars = [], {}, {}, []
        if "tests" in only:
            tests = ["pytest", "-q", "-n", "4", "tests/gpu", "tests/parity/test_agents.py"]
            command = [*python, *tests, "--device", given.device]
            steps.append(step("tests and parity", command, clone, **paths))
        if "smoke" in only:
            command = [*python, "snakemake", "smoke", *snakemake]
            steps.append(step("smoke", command, clone, **paths))
        for agent in ("mac", "mopo") if "bench" in only else ():
            command = [*python, "mac.cli", "bench", "train", "--size", given.size, "--json"]
            command += ["--agent", agent, "--device", given.device, "--rounds", given.rounds]
            printed = Path(temporary) / "bench.json"
            with printed.open("w") as output:
                steps.append(step(f"bench {agent}", command, clone, output, **paths))
            if steps[-1]["passed"]:
                bench[agent] = json.loads(printed.read_text())
                print(json.dumps(bench[agent]), flush=True)
        if "training" in only:
            paths["MAC_CONFIG_PATH"] = str(experiment(configs, given.device, given.updates))
            title = f"{given.updates} updates at the paper's size on collected data"
            command = [*python, "snakemake", "gpu_check", *snakemake]
            steps.append(step(title, command, clone, **paths))
            training = trained(clone, given.updates) if steps[-1]["passed"] else {}
    if on_gpu and len(bench) == 2:
        bars = missed(bench["mac"], bench["mopo"], name)
    for one in steps:
        one["command"] = " ".join(["python", *one["command"][1:]])
    content = {
        "date": date.today().isoformat(),
        "commit": commit,
        "device": name,
        "torch": torch.__version__,
        "steps": steps,
        "training": training,
        "bench": bench,
        "bars_missed": bars,
    }
    given.out.mkdir(parents=True, exist_ok=True)
    file = given.out / f"{re.sub(r'[^A-Za-z0-9]+', '-', name).strip('-')}.json"
    file.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")
    print(f"written: {file}")
    for one in steps:
        print("passed " if one["passed"] else "FAILED ", one["step"])
    print(*(f"MISSED {bar}" for bar in bars), sep="\n", end="\n" if bars else "")
    sys.exit(bool(bars) or not all(one["passed"] for one in steps))


if __name__ == "__main__":
    main()

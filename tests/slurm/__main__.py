"""``python -m tests.slurm smoke|all``: run scenarios on real clusters, side by side."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

from tests.slurm import accounting, cluster
from tests.slurm.projects import STOP, SlurmProject
from tests.slurm.scenarios import REST, SMOKE
from tests.slurm.scene import References

SKIP = "MAC_SKIP_SLURM"
IMPOSSIBLE = "cannot run here"
SIDE_BY_SIDE = 4  # they wait more than they work

Result = tuple[str, str, float, str]  # scenario, verdict, seconds, remark


def run(name: str, folder: Path, references: References) -> Result:
    """One scenario, from its cluster's start to its end."""
    start = time.monotonic()
    verdict, remark = "FAILED", ""
    try:
        remark = {**SMOKE, **REST}[name].run(folder / name, references)
        verdict = "passed"
    except cluster.Impossible as error:
        verdict, remark = IMPOSSIBLE, str(error)
    except Exception as error:
        remark = f"{type(error).__name__}: {error}"
        said = SlurmProject(folder / name / "project").said().splitlines()
        print(f"{name}: the last that Snakemake said:", *said[-40:], sep="\n", file=sys.stderr)
    seconds = time.monotonic() - start
    print(f"{name}: {verdict} after {seconds:.0f} s", file=sys.stderr, flush=True)
    return name, verdict, seconds, remark


def table(results: list[Result], seconds: float) -> str:
    """The results as Markdown."""
    lines = ["| scenario | verdict | seconds | |", "|---|---|---:|---|"]
    lines += [f"| {name} | {v} | {s:.0f} | {remark} |" for name, v, s, remark in results]
    passed = sum(verdict == "passed" for _, verdict, _, _ in results)
    return "\n".join([*lines, "", f"{passed} of {len(results)} passed in {seconds:.0f} s."])


def heading() -> str:
    """When and on what the results were found."""
    version = subprocess.run(["slurmctld", "-V"], capture_output=True, text=True, check=True)
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    return (
        f"# Scenarios on a real Slurm, {date.today()}\n\n"
        f"`make slurm-test` at {commit.stdout.strip() or 'no commit'}: {version.stdout.strip()}, "
        f"Python {platform.python_version()}, {os.cpu_count()} processors.\n"
        "Every scenario that passed ended with the artefacts of an undisturbed local run, byte for "
        "byte.\n\n"
    )


def interrupt(number: int, frame: object) -> None:
    """End on SIGTERM as on Ctrl-C."""
    raise KeyboardInterrupt


def main() -> int:
    """Exit code: 0 if every scenario passed."""
    parser = argparse.ArgumentParser(prog="python -m tests.slurm")
    parser.add_argument("which", choices=["smoke", "all", *SMOKE, *REST], nargs="+")
    parser.add_argument("--keep", action="store_true", help="leave the folders")
    parser.add_argument(
        "--if-possible",
        action="store_true",
        help="a machine that cannot run Slurm is no failure",
    )
    parser.add_argument("--out", type=Path, help="write the table there, too")
    arguments = parser.parse_args()
    if os.environ.get(SKIP):
        print(f"Slurm scenarios: left out, because {SKIP} is set")
        return 0
    sets = {"smoke": [*SMOKE], "all": [*SMOKE, *REST]}
    names = [name for which in arguments.which for name in sets.get(which, [which])]
    start = time.monotonic()
    signal.signal(signal.SIGTERM, interrupt)
    folder = Path(tempfile.mkdtemp(prefix="mac-slurm-"))
    folder.chmod(0o755)  # munged runs as another user
    try:
        if reason := cluster.obstacle():
            raise cluster.Impossible(reason)
        cluster.install()
        if any(name.startswith("accounting") for name in names):
            cluster.install(accounting.PACKAGES)
        references = References(folder)
        with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
            try:
                if "smoke" in names:  # it takes as long as the scenario; others are short
                    pool.submit(references.get, "smoke")
                futures = [pool.submit(run, name, folder, references) for name in names]
                results = [future.result() for future in futures]
            except KeyboardInterrupt:
                STOP.set()
                pool.shutdown(cancel_futures=True)
                return 130
    except cluster.Impossible as error:
        print(f"Slurm scenarios cannot run here: {error}; {SKIP}=1 leaves them out")
        return int(not arguments.if_possible)
    finally:
        if arguments.keep:
            print(f"left in {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    text = table(results, time.monotonic() - start)
    print(text)
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(heading() + text + "\n")
    allowed = {"passed", IMPOSSIBLE} if arguments.if_possible else {"passed"}
    return int(any(verdict not in allowed for _, verdict, _, _ in results))


if __name__ == "__main__":
    sys.exit(main())

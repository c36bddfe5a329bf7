import subprocess
import sys
from pathlib import Path

import pytest

from mac.planning import targets
from mac.planning.experiment import listed


def test_the_number_of_jobs_is_said_once(clone, capsys):
    plan = targets.planned(["snakemake", "-n", "-q", "quick"])
    assert capsys.readouterr().err == f"{len(plan)} jobs planned (0 done)\n"
    targets.planned(["snakemake", "--target-jobs", "evaluate:seed=1", "--mode", "subprocess"])
    assert capsys.readouterr().err == ""


def test_jobs_that_are_done_are_counted(clone, capsys):
    plan = targets.planned(["snakemake", "quick"])
    for path in plan.find("collect").outputs:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).touch()
    targets.planned(["snakemake", "quick"])
    assert capsys.readouterr().err.endswith(f"{len(plan)} jobs planned (1 done)\n")


def test_the_whole_paper_is_planned_fast_and_without_torch():
    code = (
        "import sys; from mac.planning.targets import planned; planned(['snakemake', '-n'])\n"
        "heavy = {'torch', 'ogbench', 'pandas', 'scipy', 'pyarrow'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    count = int(done.stderr.split()[0])
    assert 1000 < count <= 10_000


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [(["-n"], listed()), (["quick", "-n"], ["quick"]), (["--cores", "all"], listed())],
)
def test_experiments_are_chosen_by_name(arguments, expected):
    assert targets.chosen(["snakemake", *arguments]) == expected

import subprocess
import sys
from pathlib import Path

import pytest

from mac.planning import targets
from mac.planning.experiment import available, listed
from mac.planning.plan import Plan


def test_the_number_of_jobs_is_said_once(clone, capsys):
    plan = targets.planned(["quick"])
    assert capsys.readouterr().err == f"{len(plan)} jobs planned (0 done)\n"
    targets.planned([], job=True)
    assert capsys.readouterr().err == ""


def test_jobs_that_are_done_are_counted(clone, capsys):
    plan = targets.planned(["quick"])
    for path in plan.find("collect").outputs:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).touch()
    targets.planned(["quick"])
    assert capsys.readouterr().err.endswith(f"{len(plan)} jobs planned (1 done)\n")


def test_the_whole_paper_is_planned_fast_and_without_torch():
    code = (
        "import sys; from mac.planning.targets import planned; planned([])\n"
        "heavy = {'torch', 'ogbench', 'pandas', 'scipy', 'pyarrow'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    count = int(done.stderr.split()[0])
    assert 1000 < count <= 10_000


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ([], listed()),
        (["all"], listed()),
        (["quick"], ["quick"]),
        (["smoke", "all"], [*listed(), "smoke"]),
        (["data/raw/x/run.yaml"], available()),
        (["logs/x/collect.log", "quick"], available()),
    ],
)
def test_experiments_are_chosen_by_name(asked, expected):
    assert targets.chosen(asked) == expected


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("quik", "quik: no experiment of this name; expected quick"),
        ("nothing", f"nothing: no experiment of this name; expected {', '.join(available())}, all"),
        (
            "results/quick/table.md",
            "results/quick/table.md: no job declares this file; expected quick",
        ),
    ],
)
def test_a_target_that_is_not_there_is_told_what_it_may_be(target, message, capsys):
    with pytest.raises(SystemExit):
        targets.planned([target])
    assert capsys.readouterr().err == f"mac: {message}\n"


def test_files_that_jobs_write_are_targets_and_misspelt_ones_are_told_them(clone, capsys):
    model = Plan(["quick"]).find("train_model", seed=0).outputs
    for path in (*model, f"./{model[0]}"):
        targets.planned([path])
    capsys.readouterr()
    with pytest.raises(SystemExit):
        targets.planned([model[0].replace("model-", "modle-")])
    assert model[0] in capsys.readouterr().err

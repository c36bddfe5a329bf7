"""`make env` says in one line what a fresh machine lacks."""

import os
import shutil
import subprocess

import pytest

from tests.architecture.source import ROOT

FAKE_PYTHON = """#!/bin/sh
case "$*" in
  --version) echo Python {version} ;;
  *version_info*) exit {old} ;;
  *ensurepip*) exit {no_venv} ;;
  *) echo "reached: $*"; exit 9 ;;
esac
"""


def make_env(folder, version="3.12.1", old=0, no_venv=0, tools=("git",), python="python3"):
    """Run ``make env`` in a copy of the files it reads, with nothing on the path but ``tools``."""
    binaries = folder / "bin"
    binaries.mkdir()
    for tool in ("make", "sh", "echo", *tools):
        (binaries / tool).symlink_to(shutil.which(tool))
    fake = binaries / "python3"
    fake.write_text(FAKE_PYTHON.format(version=version, old=old, no_venv=no_venv))
    fake.chmod(0o755)
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, folder)
    environment = {"PATH": str(binaries), "HOME": os.environ.get("HOME", "/")}
    return subprocess.run(
        ["make", "env", f"PYTHON={python}"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tools": ()}, "git is missing: apt-get install git"),
        ({"python": "python9"}, "python9 is missing: apt-get install python3"),
        ({"version": "3.9.2", "old": 1}, "python3 is Python 3.9.2 but 3.11 or later is needed"),
        ({"no_venv": 1}, "the venv module is missing: apt-get install python3-venv"),
    ],
)
def test_what_is_missing_is_said_in_one_line(tmp_path, options, message):
    result = make_env(tmp_path, **options)
    assert result.returncode != 0
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1 and not result.stdout
    assert not (tmp_path / ".venv").exists()


def test_complete_machine_goes_on_to_make_the_environment(tmp_path):
    result = make_env(tmp_path)
    assert "reached: -m venv .venv" in result.stdout
    assert not (tmp_path / ".venv/.installed").exists()  # that failed, so it is tried again


def test_ready_environment_is_left_alone(tmp_path):
    first = make_env(tmp_path)
    assert first.returncode != 0
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv/.installed").touch()
    again = subprocess.run(
        ["make", "env"],
        cwd=tmp_path,
        env={**os.environ, "LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert again.returncode == 0
    assert "Nothing to be done" in again.stdout

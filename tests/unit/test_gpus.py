import os

import pytest

from mac import gpus


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Puts device files in place of this machine's, and an empty folder in place of its locks."""
    monkeypatch.delenv(gpus.CHOICE, raising=False)
    monkeypatch.setattr(gpus, "DEVICES", tmp_path / "dev")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def make(count):
        (tmp_path / "dev").mkdir()
        for name in ("nvidiactl", "nvidia-uvm", *(f"nvidia{i}" for i in range(count))):
            (tmp_path / "dev" / name).touch()

    return make


@pytest.mark.parametrize(
    ("count", "chosen", "names"),
    [
        (0, None, []),
        (2, None, ["0", "1"]),
        (12, None, [str(i) for i in range(12)]),
        (4, "", []),
        (4, "-1", []),
        (4, "3", ["3"]),
        (4, "2, 0", ["2", "0"]),
        (4, "1,-1,2", ["1"]),  # as CUDA reads it
        (2, "GPU-8932f937,GPU-1", ["GPU-8932f937", "GPU-1"]),
        (0, "0", []),  # set by habit on a machine without any
    ],
)
def test_visible(machine, monkeypatch, count, chosen, names):
    machine(count)
    if chosen is not None:
        monkeypatch.setenv(gpus.CHOICE, chosen)
    assert gpus.visible() == names


def test_jobs_side_by_side_see_one_gpu_each(machine, monkeypatch):
    machine(4)
    monkeypatch.setenv(gpus.CHOICE, "3,1")
    seen = []
    with gpus.claimed():
        seen.append(os.environ[gpus.CHOICE])
        monkeypatch.setenv(gpus.CHOICE, "3,1")  # another process starts with what we started with
        with gpus.claimed():
            seen.append(os.environ[gpus.CHOICE])
            monkeypatch.setenv(gpus.CHOICE, "3,1")
            with gpus.claimed():  # one job too many shares
                seen.append(os.environ[gpus.CHOICE])
    assert seen[:2] == ["3", "1"] and seen[2] in ("3", "1")


def test_where_there_is_no_choice_nothing_is_chosen(machine, monkeypatch, tmp_path):
    machine(1)
    with gpus.claimed():
        assert gpus.CHOICE not in os.environ
    monkeypatch.setenv(gpus.CHOICE, "0")
    with gpus.claimed():
        assert os.environ[gpus.CHOICE] == "0"
    assert [path.name for path in tmp_path.iterdir()] == ["dev"]


def test_the_choice_ends_with_the_job(machine):
    machine(2)
    with gpus.claimed():
        assert os.environ[gpus.CHOICE] == "0"
    assert gpus.CHOICE not in os.environ

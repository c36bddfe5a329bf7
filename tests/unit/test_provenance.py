import subprocess
import time

import pytest

from mac.errors import DataError
from mac.io import read_yaml, sha256_file, write_json
from mac.provenance import check, git_state, recorded


def git(folder, *arguments):
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


def test_a_record_names_what_was_read_and_written_and_what_it_cost(tmp_path):
    source, folder = tmp_path / "raw.npz", tmp_path / "store"
    source.write_bytes(b"raw")
    (tmp_path / "run.yaml").write_text("{rule: collect, files: {}}")
    folder.mkdir()
    inputs = [source, tmp_path / "run.yaml"]
    with recorded(folder / "run.yaml", {"rule": "build", "seed": 3}, inputs=inputs) as known:
        (folder / "manifest.json").write_text("{}")
        (folder / ".manifest.json.part").write_text("")
        known["device"] = "cpu"
        time.sleep(0.2)
    record = read_yaml(folder / "run.yaml")
    assert (record["rule"], record["seed"], record["device"]) == ("build", 3, "cpu")
    assert record["read"] == {str(source): sha256_file(source)}  # a record holds times: no input
    assert record["files"] == {"manifest.json": sha256_file(folder / "manifest.json")}
    assert record["wall_seconds"] >= 0.2 and record["attempts"] == 1
    assert set(record["device_hours"]) == {"cpu"}
    assert {"packages", "git", "hardware", "python", "command"} <= set(record)


def test_a_gpu_is_held_for_as_long_as_the_job_runs(tmp_path):
    with recorded(tmp_path / "run.yaml", {}) as known:
        known["device"] = "cuda:0"
        time.sleep(0.3)
    record = read_yaml(tmp_path / "run.yaml")
    assert record["device_hours"]["gpu"] == pytest.approx(record["wall_seconds"] / 3600, abs=1e-6)


def test_time_of_attempts_counts_only_if_the_next_one_goes_on_from_them(tmp_path):
    state, record = tmp_path / "state", tmp_path / "out" / "run.yaml"
    record.parent.mkdir()

    def attempt(save):
        with pytest.raises(SystemExit), recorded(record, {}, resume=state):
            if save:
                write_json(state, {})
            time.sleep(0.3)
            raise SystemExit(143)

    attempt(save=False)
    attempt(save=True)
    attempt(save=True)
    assert not record.exists()
    with recorded(record, {}, resume=state):
        state.unlink()
    found = read_yaml(record)
    assert found["attempts"] == 3 and found["wall_seconds"] >= 0.6
    assert list(tmp_path.iterdir()) == [record.parent]  # nothing is left of them
    with recorded(record, {}, resume=state):
        pass
    assert read_yaml(record)["attempts"] == 1


def test_work_that_leaves_its_stamp_out_has_no_record(tmp_path):
    with recorded(tmp_path / "run.yaml", {}, outputs=[tmp_path / "stamp.json"]):
        pass
    assert not list(tmp_path.iterdir())


def test_only_code_and_configuration_make_a_commit_dirty(tmp_path):
    assert git_state(tmp_path) == {}
    git(tmp_path, "init", "-q")
    for name in ("configs/a.yaml", "results/x/scores.csv", "README.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("1")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    (tmp_path / "results/x/scores.csv").write_text("2")
    (tmp_path / "README.md").write_text("2")
    known = tmp_path / "configs" / "datasets" / "manifest.json"  # of released files; it grows
    known.parent.mkdir(parents=True)
    known.write_text("{}")
    assert git_state(tmp_path)["dirty"] is False
    (tmp_path / "configs/b.yaml").write_text("new")
    assert git_state(tmp_path)["dirty"] is True


@pytest.fixture
def made(tmp_path):
    """A finished folder: a file and its record."""
    folder = tmp_path / "made"
    folder.mkdir()
    with recorded(folder / "run.yaml", {"rule": "build"}):
        (folder / "a.npy").write_bytes(b"numbers")
    check(folder / "a.npy")
    return folder


@pytest.mark.parametrize("damage", [b"numberz", b"numb", b"", None])
def test_what_is_read_must_be_what_was_written(made, tmp_path, damage):
    file = made / "a.npy"
    file.unlink() if damage is None else file.write_bytes(damage)
    with pytest.raises(DataError, match=r"a\.npy: damaged or changed.*delete the folder .*made"):
        check(file)
    with (
        pytest.raises(DataError, match="damaged or changed"),
        recorded(tmp_path / "run.yaml", {}, inputs=[file]),
    ):
        pytest.fail("the work began")


@pytest.mark.parametrize("damage", ["", "rule: build", "a: [", "files: 3"])
def test_a_damaged_record_vouches_for_nothing(made, damage):
    (made / "run.yaml").write_text(damage)
    with pytest.raises(DataError, match=r"run\.yaml: files: damaged record; delete the folder"):
        check(made / "a.npy")


def test_what_no_record_tells_of_passes(tmp_path, made):
    (tmp_path / "by-hand.npz").write_bytes(b"x")
    (made / "later.txt").write_bytes(b"x")
    check(tmp_path / "by-hand.npz", made / "later.txt")

"""`mac data fetch` and `mac data verify`, as a user calls them, on a server of this machine."""

import json
from dataclasses import asdict

import pytest
import yaml
from click.testing import CliRunner

from mac.cli import main
from mac.planning import files
from tests.server import FileServer
from tests.specs import POINTMASS


@pytest.fixture
def mac(tmp_path, monkeypatch, raw_files):
    """Runs ``mac data …`` where the point mass is released on a server; has it as ``server``."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MAC_CONFIG_PATH", str(tmp_path / "own"))
    line = {k: v for k, v in asdict(POINTMASS).items() if k not in ("name", "file")}
    with FileServer({f"/{path.name}": path.read_bytes() for path in raw_files}) as server:

        def write(name, **content):
            path = tmp_path / "own" / f"{name}.yaml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(yaml.safe_dump(content))

        write("suites/toy", mode="goal", environments={"pointmass": line})
        write("datasets/ogbench", places=[server.root], allow_http=True)
        files.read_config.cache_clear()

        def run(*arguments):
            return CliRunner().invoke(main, ["data", *arguments])

        run.server, run.write = server, write
        yield run
    files.read_config.cache_clear()


def test_fetch_then_verify(mac, tmp_path, raw_files):
    result = mac("fetch", "pointmass-play")
    assert result.exit_code == 0, result.output
    folder = tmp_path / "data" / "raw" / "pointmass-play"
    assert {path.name for path in folder.iterdir()} == {
        *("fetched.json", "run.yaml"),
        *(path.name for path in raw_files),
    }
    known = json.loads((tmp_path / "own" / "datasets" / "manifest.json").read_text())
    assert known == {"pointmass-play": json.loads((folder / "fetched.json").read_text())}
    assert "done before" in mac("fetch", "pointmass-play").output
    result = mac("verify")
    assert (result.exit_code, result.output) == (0, "data/raw/pointmass-play: right\n")


def test_verify_names_what_is_wrong_and_fetch_mends_it(mac, tmp_path, raw_files):
    mac("fetch", "pointmass-play")
    folder = tmp_path / "data" / "raw" / "pointmass-play"
    train, val = (folder / path.name for path in raw_files)
    content = bytearray(train.read_bytes())
    content[len(content) // 2] ^= 1
    train.write_bytes(content)
    val.unlink()
    result = mac("verify", "pointmass-play")
    assert result.exit_code == 2
    assert f"{train.name}: SHA-256" in result.output and f"{val.name}: not there" in result.output
    assert (
        "not right: 2 of the files above; delete each, and fetched.json beside it" in result.output
    )
    train.unlink()
    (folder / "fetched.json").unlink()
    assert mac("fetch", "pointmass-play").exit_code == 0
    assert mac("verify").exit_code == 0
    assert train.read_bytes() == raw_files[0].read_bytes()


def test_files_of_the_users_own(mac, tmp_path, raw_files):
    mac.server.contents.clear()
    result = mac("fetch", "pointmass-play", "--from", str(raw_files[0].parent))
    assert result.exit_code == 0, result.output
    taken = tmp_path / "data" / "raw" / "pointmass-play" / raw_files[0].name
    assert taken.read_bytes() == raw_files[0].read_bytes()


def test_where_the_user_says_comes_first_in_what_is_said(mac, tmp_path):
    mac.server.contents.clear()
    (tmp_path / "mine").mkdir()
    line = mac("fetch", "pointmass-play", "--from", "mine").stderr.splitlines()[-1]
    assert "cannot be had; not where you say: mine/pointmass-play-v0.npz (no such file); " in line
    assert "; nor in 127.0.0.1:" in line and "(HTTP status 404)" in line


def test_a_refusal_is_no_reason_to_refuse_another_place(mac, tmp_path, raw_files):
    nowhere = {"files": "x", "shards": "x"}
    mac.write("datasets/ogbench", places=[mac.server.root], allow_http=True, hosted=nowhere)
    files.read_config.cache_clear()
    refused = mac("fetch", "pointmass-play")
    assert refused.exit_code == 2
    assert "is hosted nowhere; collect it (`mac data collect pointmass-play`" in refused.stderr
    (tmp_path / "mine").mkdir()
    line = mac("fetch", "pointmass-play", "--from", "mine").stderr.splitlines()[-1]
    assert "not where you say: mine/" in line and "nor in" not in line
    assert not mac.server.heads
    folder = str(raw_files[0].parent)
    assert mac("fetch", "pointmass-play", "--from", folder).exit_code == 0


def test_a_set_in_shards_is_collected_in_shards(mac, tmp_path):
    mac.write("datasets/pointmass-play-100m", places=[str(tmp_path)])
    suite = yaml.safe_load((tmp_path / "own/suites/toy.yaml").read_text())
    mac.write("suites/large", **suite, set={"data.shards": 3})
    line = mac("fetch", "pointmass-play-100m").stderr.splitlines()[-1]
    assert "and 3 more cannot be had" in line
    assert "`mac data collect pointmass-play-100m`" in line


def test_no_source_is_one_line_that_names_what_collects_the_same(mac):
    mac.server.contents.clear()
    result = mac("fetch", "pointmass-play")
    assert result.exit_code == 2
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("mac: ")]
    assert "pointmass-play-v0.npz cannot be had; sought in http://127.0.0.1" in line
    assert "HTTP status 404" in line and "`mac data collect pointmass-play`" in line
    assert not mac.server.requests
    assert "cannot be had" in mac("fetch", "pointmass-play").stderr  # not remembered for good


def test_what_to_fetch_must_be_said(mac):
    assert "name a DATASET, or --experiment and --task" in mac("fetch").stderr
    assert "no such data set in any suite" in mac("fetch", "cube-trouble").stderr
    assert mac("verify", "pointmass-play").exit_code == 2

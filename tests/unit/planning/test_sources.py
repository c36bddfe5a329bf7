"""Where released files are: tried in order, over https unless their file says otherwise."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from mac.errors import ConfigError
from mac.planning import files
from mac.planning.datasets import built, data_jobs, known, raw_folders, store_of
from mac.planning.experiment import Experiment
from mac.planning.plan import Plan
from mac.planning.sources import offered, refuse_unhosted

JOB = SimpleNamespace(config={"data": {"shards": 1}}, task="t", data_files=("a.npz", "b.npz"))
SHARDS = SimpleNamespace(config={"data": {"shards": 2}}, task="t", data_files=("t-v0-000.npz",))


@pytest.fixture
def say(tmp_path, monkeypatch):
    """Writes a file of a folder of the user's own configuration."""
    monkeypatch.setenv("MAC_CONFIG_PATH", str(tmp_path))

    def write(name, kind="datasets", **content):
        files.read_config.cache_clear()
        path = tmp_path / kind / f"{name}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(yaml.safe_dump(content))

    return write


def test_places_in_their_order_and_the_users_first(say):
    say("ogbench", places=["https://a.org/x/", "https://b.org"])
    assert offered(JOB).places == [
        ["https://a.org/x/a.npz", "https://b.org/a.npz"],
        ["https://a.org/x/b.npz", "https://b.org/b.npz"],
    ]
    assert offered(JOB).told == [[], []]
    told = offered(JOB, "https://c.org")
    assert told.told == [["https://c.org/a.npz"], ["https://c.org/b.npz"]]
    assert told.places[0] == [*told.told[0], "https://a.org/x/a.npz", "https://b.org/a.npz"]
    assert offered(SHARDS).places == [
        ["https://a.org/x/t-100m-v0/t-v0-000.npz", "https://b.org/t-100m-v0/t-v0-000.npz"]
    ]


def test_a_folder_may_have_either_layout(say, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    say("ogbench", places=["~/own"])
    assert offered(JOB).places[0] == [f"{tmp_path}/own/a.npz"]
    assert offered(SHARDS).places == [
        [f"{tmp_path}/own/t-100m-v0/t-v0-000.npz", f"{tmp_path}/own/t-v0-000.npz"]
    ]


def test_a_data_set_may_have_places_of_its_own(say):
    say("t", places=["https://own.org"])
    say("t-100m", places=["https://shards.org"], shard="{file}", parallel=9)
    assert offered(JOB).places[0] == ["https://own.org/a.npz"]
    assert offered(SHARDS).places == [["https://shards.org/t-v0-000.npz"]]
    assert offered(SHARDS).parallel == 9


@pytest.mark.parametrize("scheme", ["http", "ftp", "file", "HTTPS"])
@pytest.mark.parametrize("allowed", [None, False])
def test_anything_but_https_is_refused(say, scheme, allowed):
    permission = {} if allowed is None else {"allow_http": allowed}
    say("ogbench", places=[f"{scheme}://example.org"], **permission)
    with pytest.raises(ConfigError, match=r"ogbench.yaml: places: not an https .*allow_http"):
        offered(JOB)
    say("ogbench", places=["https://example.org"], **permission)
    with pytest.raises(ConfigError, match=r"--from or MAC_DATA_FROM: not an https .*ogbench.yaml"):
        offered(JOB, f"{scheme}://example.org")


def test_what_is_hosted_nowhere_is_sought_where_the_user_says_alone(say, tmp_path):
    say("ogbench", places=["https://a.org"], hosted={"files": "u", "shards": "t"})
    assert offered(JOB, str(tmp_path)).places == [[f"{tmp_path}/a.npz"], [f"{tmp_path}/b.npz"]]
    assert offered(SHARDS, str(tmp_path)).places[0][-1].startswith("https://a.org/t-100m")


def test_a_folder_that_the_user_names_is_there(say, tmp_path):
    say("ogbench", places=["https://a.org"])
    with pytest.raises(ConfigError, match=r"MAC_DATA_FROM: no such folder; found .*/gone"):
        offered(JOB, str(tmp_path / "gone"))


def test_a_user_may_say_otherwise(say):
    say("ogbench", places=["http://example.org"], allow_http=True)
    assert offered(JOB).places[0] == ["http://example.org/a.npz"]


@pytest.mark.parametrize(
    ("content", "key"),
    [
        ({"places": []}, "places"),
        ({"places": ["x"], "mirror": "y"}, "mirror"),
        ({"places": ["x"], "allow_http": "yes"}, "allow_http"),
        ({"places": ["x"], "parallel": 0}, "parallel"),
    ],
)
def test_a_file_of_sources_is_checked(say, content, key):
    say("ogbench", **content)
    with pytest.raises(ConfigError, match=rf"ogbench.yaml: {key}"):
        offered(JOB)


@pytest.mark.parametrize(
    ("dataset", "shards", "hosted"),
    [
        ("cube-single-play", 1, True),
        ("puzzle-4x6-noisy", 1, True),
        ("antmaze-teleport-explore", 1, True),
        ("humanoidmaze-medium-navigate", 1, True),
        ("cube-octuple-play", 1, False),
        ("cube-single-plays", 1, False),
        ("cube-octuple-play", 100, True),
        ("humanoidmaze-giant-navigate", 25, True),
        ("humanoidmaze-medium-navigate", 50, False),
        ("cube-single-play", 100, False),
    ],
)
def test_what_is_hosted_nowhere_is_known(dataset, shards, hosted, monkeypatch):
    if hosted:
        refuse_unhosted(dataset, shards)
    else:
        with pytest.raises(ConfigError, match=rf"{dataset}(-100m)? is hosted nowhere; collect it"):
            refuse_unhosted(dataset, shards)
        refuse_unhosted(dataset, shards, "https://my.org")
        monkeypatch.setenv("MAC_DATA_FROM", "https://my.org")
        refuse_unhosted(dataset, shards)


def test_a_plan_refuses_what_is_hosted_nowhere(say):
    content = {"title": "t", "caption": "c", "agents": {"mac": None}, "seeds": [0]}
    suites = {"ogbench_reward": {"cube-single": [1]}}
    say("x", "experiments", **content, suites=suites, set={"data.shards": 100})
    with pytest.raises(ConfigError, match="cube-single-play-100m is hosted nowhere"):
        Plan(["x"])


def test_an_unavailable_environment_takes_part_once_its_data_have_a_place(say):
    assert "humanoidmaze-medium" in Plan(["goal_100m"]).unavailable
    say("humanoidmaze-medium-navigate-100m", places=["~/generated"])
    plan = Plan(["goal_100m"])
    assert not plan.unavailable
    job = plan.find("fetch", task="humanoidmaze-medium-navigate")
    assert (
        len(job.data_files) == 100 and job.directory.name == "humanoidmaze-medium-navigate-50shards"
    )
    names = {cell.environment.name for cell in Experiment("goal_100m").cells}
    assert "humanoidmaze-medium" in names


def test_data_sets_by_name_are_the_jobs_of_experiments():
    assert {"cube-single-play", "cube-double-play", "cube-double-play-100m"} <= {
        name for name, _, _ in known()
    }
    by_plan = Plan(["goal_100m"]).find("fetch", task="cube-double-play")
    (by_name,) = data_jobs("cube-double-play-100m", "fetch")
    for key in ("fingerprint", "outputs", "data_files", "lock", "failure"):
        assert getattr(by_name, key) == getattr(by_plan, key)
    (one,) = data_jobs("cube-double-play", "fetch")
    assert one.outputs != by_name.outputs
    shards = data_jobs("cube-double-play-100m", "collect")
    assert [job.config["data"]["seed"] for job in shards] == list(range(100))
    with pytest.raises(ConfigError, match=r"cube-trouble: no such data set.*cube-triple|cube-oct"):
        data_jobs("cube-trouble", "fetch")


@pytest.mark.parametrize(
    ("name", "environment", "shards", "episodes", "length"),
    [
        ("scene-play", "scene", 1, 1000, 1000),
        ("scene-play-100m", "scene-100m", 100, 1000, 1000),
        ("cube-triple-play", "cube-triple", 1, 3000, 1000),
        ("cube-octuple-play", "cube-octuple", 1, 1000, 1000),
        ("puzzle-4x6-noisy", "puzzle-4x6-noisy", 1, 5000, 1000),
        ("cube-quadruple-noisy-100m", "cube-quadruple-noisy-100m", 100, 1000, 1000),
        ("pointmaze-giant-navigate", "pointmaze-giant-navigate", 1, 500, 2000),
        ("pointmaze-teleport-stitch", "pointmaze-teleport-stitch", 1, 5000, 200),
        ("pointmass-play", "pointmass", 1, 100, 200),
    ],
)
def test_a_set_by_name_has_the_sizes_of_its_suite(name, environment, shards, episodes, length):
    jobs = data_jobs(name, "collect")
    assert len(jobs) == shards and jobs[0].environment.name == environment
    data = jobs[0].config["data"]
    assert (data["train_episodes"], data["episode_length"]) == (episodes, length)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"train_episodes": "many"}, r"data\.train_episodes: must be an integer; found 'many'"),
        ({"shard": 2}, r"data\.shard: unknown key; found 2; .*did you mean shards\?"),
        ([1], r"data: must be a mapping; found \[1\]"),
    ],
)
def test_what_a_suite_says_of_its_data_is_checked_without_an_experiment(say, data, told):
    line = {"dataset": "mine-play", "env_id": "cube-single-v0", "tasks": 5, "observation_dim": 28}
    line |= {"action_dim": 5, "goal_dim": 3, "max_episode_steps": 200, "success_timing": "pre"}
    say("mine", "suites", mode="reward", set={"data": data}, environments={"mine": line})
    with pytest.raises(ConfigError, match=r"suites/mine\.yaml \(mine\): " + told):
        data_jobs("mine-play", "collect")


def test_a_set_by_name_is_the_one_that_experiments_collect(say):
    content = {"title": "t", "caption": "c", "agents": {"mac": None}, "seeds": [0]}
    suites = {"ogbench_reward": {"scene": [1]}}
    say("x", "experiments", **content, suites=suites, set={"data.source": "collect"})
    assert data_jobs("scene-play", "collect")[0].outputs == Plan(["x"]).find("collect").outputs


def test_a_store_by_name_is_the_one_that_experiments_build(say, clone):
    with pytest.raises(ConfigError.__base__, match="mac data collect scene-play"):
        store_of("scene-play")
    content = {"title": "t", "caption": "c", "agents": {"mac": None}, "seeds": [0]}
    suites = {"ogbench_reward": {"scene": [1]}}
    for source in ("collect", "fetch"):  # what is fetched comes first
        say("x", "experiments", **content, suites=suites, set={"data.source": source})
        plan = Plan(["x"])
        for path in map(Path, plan.find(source).outputs):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        assert store_of("scene-play").outputs == plan.find("build").outputs


def test_a_built_store_by_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError.__base__, match=r"no store of this data set.*mac data build a"):
        built("a")
    for folder in ("a-0123456789ab", "b-0123456789ab", "b-ba9876543210"):
        path = tmp_path / "data" / "stores" / folder
        path.mkdir(parents=True)
        (path / "manifest.json").touch()
    assert built("a").name == built("a-100m").name == "a-0123456789ab"
    assert built("b-ba9876543210").name == "b-ba9876543210"
    with pytest.raises(ConfigError, match=r"several stores.*b-0123456789ab or b-ba9876543210"):
        built("b")


def test_folders_of_raw_files_by_data_set(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = ("a-play", "a-play-100shards", "a-play-0123456789ab", "a-play-017-0123456789ab")
    for folder in (*names, "b"):
        path = tmp_path / "data" / "raw" / folder
        path.mkdir(parents=True)
        if folder != "b":
            (path / "x.npz").touch()
    found = {path.name: dataset for path, dataset in raw_folders([])}
    assert found == dict.fromkeys(names, "a-play")
    assert [p.name for p, _ in raw_folders(["a-play-100shards"])] == ["a-play-100shards"]
    assert len(raw_folders(["a-play"])) == 4
    with pytest.raises(ConfigError.__base__, match=r"no raw files of this name; found a-play"):
        raw_folders(["c"])

"""What is asked of a cluster: run-times within the limit, few submissions, a site's own values."""

from collections import Counter
from math import ceil

import pytest
import yaml

from mac.errors import ConfigError
from mac.planning.cluster import LOCAL, SAFETY, SPARE_ATTEMPTS, Cluster
from mac.planning.estimate import rates, seconds
from mac.planning.experiment import listed
from mac.planning.plan import Plan
from tests.architecture.source import ROOT

SHIPPED = ROOT / "workflow/profiles/slurm/resources.yaml"


@pytest.fixture
def site(tmp_path):
    """Requests of the shipped file with some values put over them."""

    def write(**values):
        path = tmp_path / "site.yaml"
        path.write_text(yaml.safe_dump(values))
        return Cluster(f"{SHIPPED},{path}")

    return write


@pytest.fixture(scope="module")
def paper():
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        return Plan(listed())


def test_the_full_paper_needs_few_submissions_that_hold_every_job_once(paper):
    found = Cluster(str(SHIPPED)).submissions(paper)
    assert len(found) <= 500
    jobs = [job.outputs[0] for jobs in found.values() for job in jobs]
    assert len(jobs) == len(set(jobs)) == sum(job.rule not in LOCAL for job in paper)


def test_a_submission_is_of_one_rule_and_as_wide_as_the_site_says(paper, site):
    cluster = site(rules={"train_value": {"together": 3}, "evaluate": {"together": 1}})
    found = cluster.submissions(paper)
    for name, jobs in found.items():
        assert {job.rule for job in jobs} == {name.split("-")[0]}
        assert len(jobs) <= cluster.ask(jobs[0].rule).together
    count = Counter(jobs[0].rule for jobs in found.values())
    assert count["evaluate"] == sum(job.rule == "evaluate" for job in paper)


def test_seeds_of_a_stage_share_a_submission_where_they_fit(paper):
    cluster = Cluster(str(SHIPPED))
    where = {j.outputs[0]: name for name, jobs in cluster.submissions(paper).items() for j in jobs}
    stages = {}
    for job in paper:
        if job.rule not in LOCAL:
            stages.setdefault((job.rule, job.directory.parent), []).append(where[job.outputs[0]])
    for (rule, _), names in stages.items():
        if rule != "build":  # which has no seeds
            assert len(set(names)) == ceil(len(names) / cluster.ask(rule).together)


def test_run_times_follow_the_estimates_up_to_the_limit(paper, site):
    cluster = site(limit=200)
    minutes = {}
    for job in paper:
        if job.rule in ("train_value", "evaluate"):
            share = 8 if job.rule == "train_value" else 1  # eight share a GPU
            alone = sum(part for _, part in seconds(job, rates())) / 60
            minutes[job.rule, cluster.minutes(job)] = alone
            wanted = min(200, 15 + ceil(SAFETY * share * alone))
            assert cluster.minutes(job) == wanted
    assert ("train_value", 200) in minutes and any(m < 200 for _, m in minutes)
    values = [job for job in paper if job.rule == "train_value"]
    longest = max(sum(part for _, part in seconds(job, rates())) for job in values) / 60
    assert cluster.retries(values) + 1 == ceil(SAFETY * 8 * longest / 200) + SPARE_ATTEMPTS
    assert cluster.retries([]) + 1 == SPARE_ATTEMPTS


def test_the_two_ways_to_ask_for_a_gpu_exclude_each_other(site):
    path = SHIPPED.with_name("gres.yaml")
    gres = Cluster(f"{SHIPPED},{path}").resources("train_value")
    assert gres["gres"] == "gpu:1" and "slurm_extra" not in gres
    gpus = Cluster(str(SHIPPED)).resources("train_value")
    assert gpus["slurm_extra"] == "--gpus-per-task=1" and "gres" not in gpus
    assert not {"gres", "slurm_extra"} & Cluster(str(SHIPPED)).resources("evaluate").keys()


def test_a_site_sets_partitions_for_all_rules_and_for_some(site):
    cluster = site(
        slurm={"slurm_partition": "cpu", "slurm_account": "me"},
        rules={"train_value": {"mem_mb": 9000, "slurm": {"slurm_partition": "gpu"}}},
    )
    value, evaluate = cluster.resources("train_value"), cluster.resources("evaluate")
    assert (value["slurm_partition"], evaluate["slurm_partition"]) == ("gpu", "cpu")
    assert value["slurm_account"] == "me" and value["mem_mb"] == 9000
    assert cluster.ask("train_value").together == 8  # what a site does not say stays


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"limits": 3}, "limits: unknown key; found 3; .*; did you mean limit"),
        ({"limit": 0}, "limit: .* found 0"),
        ({"rules": {"train_value": {"mem": 3}}}, r"rules\.train_value\.mem: unknown key"),
        ({"rules": {"train_value": {"minutes": "2h"}}}, r"rules\.train_value\.minutes: .*'2h'"),
    ],
)
def test_a_mistake_is_named(site, values, message):
    with pytest.raises(ConfigError, match=f"site.yaml: {message}"):
        site(**values)


def test_missing_files_and_rules_are_named(tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere\.yaml: no such file"):
        Cluster("nowhere.yaml")
    with pytest.raises(ConfigError, match=r"rules\.train_all: no resources"):
        Cluster(str(SHIPPED)).ask("train_all")


def test_every_rule_that_is_sent_to_a_cluster_has_its_resources(paper):
    cluster = Cluster(str(SHIPPED))
    for rule in {job.rule for job in paper} - set(LOCAL):
        assert cluster.resources(rule)["mem_mb"] > 0

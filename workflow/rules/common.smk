# The plan of the experiments asked for, and lookups in it. Decisions are made in mac.planning.
import os
import sys
from pathlib import Path

import psutil
from snakemake.cli import get_argument_parser

from mac.errors import MacError
from mac.gpus import visible
from mac.planning import resources
from mac.planning.cluster import Cluster
from mac.planning.executor import trust_squeue
from mac.planning.targets import planned, preflight, shown, stop

# Snakemake tells a Snakefile what it is asked for on its command line alone.
TARGETS = get_argument_parser().parse_args(sys.argv[1:]).targets
PLAN = planned(TARGETS, job=not workflow.is_main_process)
try:
    CLUSTER = Cluster(config["cluster"]) if "cluster" in config else None
except MacError as _error:
    stop(_error)
# Jobs call the `mac` of the environment that this Snakemake is of, whether or not it is active.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
if workflow.is_main_process:
    trust_squeue(sys.modules.get("snakemake_executor_plugin_slurm"))
else:
    # A run-time limit begins with the outermost process of a submission, long before that of the job.
    os.environ.setdefault("MAC_SINCE", str(psutil.Process().create_time()))


wildcard_constraints:
    task=r"[^/]+",
    mark=r"[0-9a-f]{12}",
    seed=r"\d+",
    experiment=r"[^/]+",
    evaluator="episodes|model_error",
    whole="joint|agent",


def inputs_of(path):
    """Inputs of the job that writes ``path``; only their existence counts, never their age."""
    return lambda wildcards: [ancient(p) for p in PLAN.writer(path.format(**wildcards)).inputs]


def options_of(path):
    """Options of the command line that name the job which writes ``path``."""
    return lambda wildcards: PLAN.writer(path.format(**wildcards)).options


def threads_of(path):
    """Processor threads of the job that writes ``path``."""
    return lambda wildcards: resources.threads(PLAN.writer(path.format(**wildcards)))


def resources_of(rule, path):
    """Resources of the job of a rule that writes ``path``: GPUs of this machine, or what a cluster is asked for."""
    if CLUSTER is None:
        return {"gpu": lambda wildcards: resources.gpus(PLAN.writer(path.format(**wildcards)))}
    minutes = lambda wildcards: CLUSTER.minutes(PLAN.writer(path.format(**wildcards)))
    return {"runtime": minutes, **CLUSTER.resources(rule)}


def retries_of(rule):
    """Retries of a rule's jobs on a cluster; elsewhere, and in a submission, what the command line says."""
    if CLUSTER is None or not workflow.is_main_process:
        return None
    return CLUSTER.retries(job for job in PLAN if job.rule == rule)


# Of each job the submission that it shares. In a submission there is only one, whatever jobs it has of it.
SUBMISSION, WIDTHS = {}, {"submission": len(PLAN)}
if CLUSTER is not None and workflow.is_main_process:
    for _name, _jobs in CLUSTER.submissions(PLAN).items():
        if len(_jobs) > 1:
            WIDTHS[_name] = len(_jobs)
            SUBMISSION |= {_job.outputs[0]: _name for _job in _jobs}


def submission_of(path):
    """The group of the job that writes ``path``."""
    if CLUSTER is None:
        return None

    def group(wildcards):
        # Jobs of a group that do not need each other share a submission only up to this number, which Snakemake does
        # not hand on to the submission itself, and forgets between parsing and asking for groups.
        workflow.group_settings.group_components = WIDTHS
        return SUBMISSION.get(path.format(**wildcards)) if workflow.is_main_process else "submission"

    return group


# Where some jobs of a submission fail, all are submitted again. Outputs that are there are to stay, and their jobs to
# see that nothing is left to do.
kept = (lambda path: path) if CLUSTER is None else update


def within(wildcards, resources):
    """Option of the command line that tells a job its run-time limit, where it has one."""
    return ["--minutes", str(resources.runtime)] if resources.get("runtime") else []


# Jobs that run on this machine share its GPUs, unless `--resources gpu=N` says otherwise. A cluster counts its own.
if workflow.global_resources["_nodes"].value is None:
    workflow.global_resources.setdefault("gpu", max(1, len(visible())))


def picture(experiment, name, path):
    """A page or a figure of an experiment, for Snakemake's own report."""
    caption, labels = f"../report/{name}.rst", {"shows": name}
    return report(ancient(path), caption=caption, category=experiment, labels=labels)


def results_of(experiment):
    """What an experiment's results are: the stamps of its tables, and of the rows that they show."""
    return [path for job in PLAN.results(experiment) for path in job.outputs]


for _name, _final in PLAN.final.items():

    rule:
        name:
            _name
        input:
            results_of(_name),
            [picture(_name, *shown_file) for shown_file in shown(_final).items()],

# The plan of the experiments asked for, and lookups in it. Decisions are made in mac.planning.
import os
import sys
from pathlib import Path

from mac.gpus import visible
from mac.planning import resources
from mac.planning.targets import planned, preflight, shown

PLAN = planned(sys.argv[1:])
# Jobs call the `mac` of the environment that this Snakemake is of, whether or not it is active.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])


wildcard_constraints:
    task=r"[^/]+",
    mark=r"[0-9a-f]{12}",
    seed=r"\d+",
    experiment=r"[^/]+",
    evaluator="episodes|model_error",


def inputs_of(path):
    """Inputs of the job that writes ``path``; only their existence counts, never their age."""
    return lambda wildcards: [ancient(p) for p in PLAN.writer(path.format(**wildcards)).inputs]


def options_of(path):
    """Options of the command line that name the job which writes ``path``."""
    return lambda wildcards: PLAN.writer(path.format(**wildcards)).options


def threads_of(path):
    """Processor threads of the job that writes ``path``."""
    return lambda wildcards: resources.threads(PLAN.writer(path.format(**wildcards)))


def gpus_of(path):
    """GPUs of the job that writes ``path``."""
    return lambda wildcards: resources.gpus(PLAN.writer(path.format(**wildcards)))


# Jobs that run on this machine share its GPUs, unless `--resources gpu=N` says otherwise. A cluster counts its own.
if workflow.global_resources["_nodes"].value is None:
    workflow.global_resources.setdefault("gpu", max(1, len(visible())))


def picture(experiment, name, path):
    """A page or a figure of an experiment, for Snakemake's own report."""
    caption, labels = f"../report/{name}.rst", {"shows": name}
    return report(ancient(path), caption=caption, category=experiment, labels=labels)


for _name, _final in PLAN.final.items():

    rule:
        name:
            _name
        input:
            _final.outputs,
            [picture(_name, *shown_file) for shown_file in shown(_final).items()],

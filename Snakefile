# The order of work. Rules are in workflow/rules, one topic a file; each is one call of the `mac` command.
# `snakemake --cores all` is the full reproduction, `snakemake --cores all NAME` one experiment.
from snakemake.utils import min_version

min_version("9.0")


include: "workflow/rules/common.smk"


# Light work, and what needs the internet, is never sent to a cluster.
localrules: fetch, aggregate, render


rule all:
    input:
        [path for name in PLAN.final for path in results_of(name)],


include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/report.smk"


onerror:
    print("what is done stays done: run the same command again to go on", file=sys.stderr)


onstart:
    preflight(PLAN, (job.output[0] for job in workflow.dag.needrun_jobs() if job.output), CLUSTER)

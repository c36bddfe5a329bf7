# Raw data, collected here or fetched, and the memory-mapped stores built from them. As everywhere, run.yaml is written
# last.


rule collect:
    output:
        "data/raw/{task}{shard}-{mark}/{task}-v0{shard}.npz",
        "data/raw/{task}{shard}-{mark}/{task}-v0{shard}-val.npz",
        "data/raw/{task}{shard}-{mark}/run.yaml",
    wildcard_constraints:
        task=r"[^/]+?",
        shard=r"(-\d\d\d+)?",  # each shard of a set of several is a job
    log:
        "logs/{task}/collect{shard}-{mark}.log",
    benchmark:
        "benchmarks/{task}/collect{shard}-{mark}.tsv"
    threads: CLUSTER.ask("collect").cpus if CLUSTER else workflow.cores or 1
    retries: retries_of("collect")
    resources:
        **resources_of("collect", "data/raw/{task}{shard}-{mark}/{task}-v0{shard}.npz"),
    params:
        options=options_of("data/raw/{task}{shard}-{mark}/{task}-v0{shard}.npz"),
    shell:
        "mac data collect {params.options:q} --workers {threads} > {log:q} 2>&1"


rule fetch:
    output:
        "data/raw/{folder}/fetched.json",
        "data/raw/{folder}/run.yaml",
    wildcard_constraints:
        folder=r"[^/]+(?<!-[0-9a-f]{12})",  # collected data end in their fingerprint
    log:
        "logs/{folder}/fetch.log",
    benchmark:
        "benchmarks/{folder}/fetch.tsv"
    params:
        options=options_of("data/raw/{folder}/fetched.json"),
    shell:
        "mac data fetch {params.options:q} > {log:q} 2>&1"


rule build:
    input:
        inputs_of("data/stores/{task}-{mark}/manifest.json"),
    output:
        "data/stores/{task}-{mark}/manifest.json",
        "data/stores/{task}-{mark}/run.yaml",
    log:
        "logs/{task}/build-{mark}.log",
    benchmark:
        "benchmarks/{task}/build-{mark}.tsv"
    retries: retries_of("build")
    resources:
        **resources_of("build", "data/stores/{task}-{mark}/manifest.json"),
    params:
        options=options_of("data/stores/{task}-{mark}/manifest.json"),
    shell:
        "mac data build {params.options:q} > {log:q} 2>&1"

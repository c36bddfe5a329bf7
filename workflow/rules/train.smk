# Training, a rule for each stage. A stage's folder carries the fingerprint of all it depends on, and run.yaml is written
# last. The state of interrupted training lives elsewhere: Snakemake deletes the outputs of jobs that fail.

for _rule, _stage in {
    "train_model": "model",
    "train_heads": "heads",
    "train_behaviour": "behaviour",
    "train_value": "value",
    "train_agent": "{whole}",  # all stages jointly, or the only stage of an agent
}.items():
    _path = f"{{task}}/{_stage}-{{mark}}/seed{{seed}}"
    _checkpoint = f"results/stages/{_path}/checkpoint.safetensors"

    rule:
        name:
            _rule
        input:
            inputs_of(_checkpoint),
        output:
            kept(_checkpoint),
            kept(f"results/stages/{_path}/metrics.csv"),
            kept(f"results/stages/{_path}/run.yaml"),
        log:
            f"logs/{_path}.log",
        benchmark:
            f"benchmarks/{_path}.tsv"
        threads: threads_of(_checkpoint)
        retries: retries_of(_rule)
        group:
            submission_of(_checkpoint)
        resources:
            **resources_of(_rule, _checkpoint),
        params:
            verb=_rule,
            within=within,
            options=options_of(_checkpoint),
        shell:
            "mac {params.within:q} {params.verb} {params.options:q} > {log:q} 2>&1"

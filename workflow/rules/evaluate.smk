# Evaluation of one run: all its checkpoints and tasks; and a look inside one, where the experiment asks for it.

_rows = "results/stages/{task}/evaluate-{mark}/seed{seed}/{evaluator}.parquet"


rule evaluate:
    input:
        inputs_of(_rows),
    output:
        kept(_rows),
    log:
        "logs/{task}/evaluate-{mark}/seed{seed}/{evaluator}.log",
    benchmark:
        "benchmarks/{task}/evaluate-{mark}/seed{seed}/{evaluator}.tsv"
    threads: threads_of(_rows)
    retries: retries_of("evaluate")
    group:
        submission_of(_rows)
    resources:
        **resources_of("evaluate", _rows),
    params:
        within=within,
        options=options_of(_rows),
    shell:
        "mac {params.within:q} evaluate {params.options:q} > {log:q} 2>&1"


_diagnosis = "results/stages/{task}/diagnose-{mark}/seed{seed}/diagnostics.json"


rule diagnose:
    input:
        inputs_of(_diagnosis),
    output:
        kept(_diagnosis),
    log:
        "logs/{task}/diagnose-{mark}/seed{seed}.log",
    benchmark:
        "benchmarks/{task}/diagnose-{mark}/seed{seed}.tsv"
    threads: threads_of(_diagnosis)
    retries: retries_of("diagnose")
    group:
        submission_of(_diagnosis)
    resources:
        **resources_of("diagnose", _diagnosis),
    params:
        options=options_of(_diagnosis),
    shell:
        "mac diagnose {params.options:q} > {log:q} 2>&1"

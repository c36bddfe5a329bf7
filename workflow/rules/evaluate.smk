# Evaluation of one run: all its checkpoints and tasks.

_rows = "results/stages/{task}/evaluate-{mark}/seed{seed}/{evaluator}.parquet"


rule evaluate:
    input:
        inputs_of(_rows),
    output:
        _rows,
    log:
        "logs/{task}/evaluate-{mark}/seed{seed}/{evaluator}.log",
    benchmark:
        "benchmarks/{task}/evaluate-{mark}/seed{seed}/{evaluator}.tsv"
    threads: threads_of(_rows)
    resources:
        gpu=gpus_of(_rows),
    params:
        options=options_of(_rows),
    shell:
        "mac evaluate {params.options:q} > {log:q} 2>&1"

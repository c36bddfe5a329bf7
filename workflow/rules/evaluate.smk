# Evaluation of one run: all its checkpoints and tasks.


rule evaluate:
    input:
        inputs_of("results/stages/{task}/evaluate-{mark}/seed{seed}/{evaluator}.parquet"),
    output:
        "results/stages/{task}/evaluate-{mark}/seed{seed}/{evaluator}.parquet",
    log:
        "logs/{task}/evaluate-{mark}/seed{seed}/{evaluator}.log",
    benchmark:
        "benchmarks/{task}/evaluate-{mark}/seed{seed}/{evaluator}.tsv"
    params:
        options=options_of("results/stages/{task}/evaluate-{mark}/seed{seed}/{evaluator}.parquet"),
    shell:
        "mac evaluate {params.options:q} > {log:q} 2>&1"

# Statistics, tables and figures. Their files have fixed names, which cannot carry a fingerprint; the stamp that a rule
# declares does, and holds the hashes of the files.

for _rule in ("aggregate", "render"):
    _stamp = f"results/{{experiment}}/built/{_rule}-{{mark}}.json"

    rule:
        name:
            _rule
        input:
            inputs_of(_stamp),
        output:
            _stamp,
        log:
            f"logs/{{experiment}}/{_rule}-{{mark}}.log",
        benchmark:
            f"benchmarks/{{experiment}}/{_rule}-{{mark}}.tsv"
        params:
            verb=_rule,
        shell:
            "mac {params.verb} {wildcards.experiment:q} > {log:q} 2>&1"

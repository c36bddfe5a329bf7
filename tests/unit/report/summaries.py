"""Small experiments that were aggregated, to be rendered."""

from mac.rng import stream
from mac.stats.aggregate import aggregate, read_summary
from tests.unit.stats.rows import experiment, make_run, model_error_rows, save


def built(root, rates, name="quick", **arguments):
    """Folder of an aggregated experiment; arguments of aggregate, the others of the rows."""
    own = {
        key: arguments.pop(key)
        for key in ("baseline", "checkpoint", "allow_missing", "no_data")
        if key in arguments
    }
    lose = arguments.pop("lose", ())
    runs = arguments.pop("extra", []) + experiment(root, rates, **arguments)
    for run in runs:
        if (run.label, run.seed) in lose:
            (root / run.path).unlink()
    folder = root / "results" / name
    aggregate(runs, folder, experiment=name, fingerprint="rows", root=root, **own)
    return folder


def built_model_error(root, seeds=4, **arguments):
    runs = []
    for place, length in enumerate((5, 10, 25)):
        for environment in ("cube-single", "scene"):
            for seed in range(seeds):
                run = make_run(
                    f"n{length}",
                    f"{environment}-play",
                    seed,
                    agent="model_error",
                    environment=environment,
                    evaluator="model_error",
                    episodes=0,
                )
                draws = stream(seed, "model", environment, length)
                save(root, run, model_error_rows(run, 1e-4 / (place + 1), draws, 150, length))
                runs.append(run)
    folder = root / "results" / "model_error"
    aggregate(runs, folder, experiment="model_error", fingerprint="rows", root=root, **arguments)
    return folder


def summary_of(root, rates, **arguments):
    return read_summary(built(root, rates, **arguments))

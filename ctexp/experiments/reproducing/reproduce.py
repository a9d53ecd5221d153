"""`ctexp reproduce`: train a run again, say how near that comes, and measure how much another seed changes."""

import contextlib
import copy
import dataclasses
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ctexp.config import Experiment, check
from ctexp.experiments.comparing.listing import search
from ctexp.experiments.rebuild import RequestOfSweep
from ctexp.experiments.reproducing.circumstances import Circumstances, Difference, compare_circumstances, doubts
from ctexp.experiments.reproducing.original import REPRODUCES_TAG, Original, read_original
from ctexp.experiments.reproducing.verdict import (
    QUOTED,
    MetricSpread,
    Results,
    Spread,
    Verdict,
    compare_results,
    measure_spread,
)
from ctexp.experiments.training.epochs import run_epochs
from ctexp.experiments.watch import Watch
from ctexp.project import Project
from ctexp.tracking.tags import KIND_TAG, PARENT_TAG

if TYPE_CHECKING:
    from ctexp.experiments.training.epochs import Learned
    from ctexp.tracking.run import Run
    from ctexp.tracking.store import Store

KIND = "reproduction"
SEED_KIND = "seed"
VERDICT_TAG = "ctexp.reproduction.verdict"
SPREAD_TAG = "ctexp.spread.seeds"
"""Number of seeds that a reproduction measured the spread of; written last, so that it is there only with a whole
spread."""
MOST_SEEDS = 100


@dataclass(frozen=True)
class ReproductionReport:
    """What `ctexp reproduce` answers.

    Attributes:
        run_id: of the reproduction.
        reproduces: the run that it repeats.
        kind: training, trial or fold.
        seed: of that run.
        verdict: how near it came.
        circumstances: what differs besides the numbers.
        doubts: what the records cannot tell of the circumstances.
        seeds: the run of each further seed, and its metrics; empty where no spread was measured.
        synthetic: whether the scans are.
        seconds: in all.
    """

    run_id: str
    reproduces: str
    kind: str
    seed: int
    verdict: Verdict
    circumstances: tuple[Difference, ...]
    doubts: tuple[str, ...]
    seeds: tuple[dict[str, Any], ...]
    synthetic: bool
    seconds: float

    @property
    def sentence(self) -> str:
        """The verdict in words."""
        return self.verdict.sentence(self.reproduces)

    def as_json(self) -> dict[str, Any]:
        """Give everything as plain values."""
        return {
            "run_id": self.run_id,
            "reproduces": self.reproduces,
            "kind": self.kind,
            "seed": self.seed,
            **self.verdict.as_json(),
            "sentence": self.sentence,
            "circumstances": [vars(one) for one in self.circumstances],
            "doubts": list(self.doubts),
            "seeds": list(self.seeds),
            "synthetic": self.synthetic,
            "seconds": self.seconds,
        }


def reproduce_run(
    text: str, seeds: int, project: Project, watch: Watch, of_sweep: RequestOfSweep
) -> ReproductionReport:
    """Train a finished run again, as a run of its own that registers nothing, and compare.

    Args:
        text: id of a training, a trial or a fold, or at least 6 letters that begin it.
        seeds: train so many more times, on the same split, with the seeds that follow the run's for weights, order and
            augmentation; 0 for none, else 2 or more.
        project: whose store and cache.
        watch: somebody who looks on.
        of_sweep: see `rebuild`.

    Raises:
        InputError: it is not one finished training, or its scans changed; nothing was trained.
        WorkError: training or store failed; the reproduction is FAILED with the reason.
        KeyboardInterrupt: the user stopped it; the reproduction is KILLED and cannot be gone on with.
    """
    check(seeds == 0 or 2 <= seeds <= MOST_SEEDS, "--seeds", f"from 2 to {MOST_SEEDS}", seeds)

    from ctexp.tracking.provenance import all_packages, circumstances
    from ctexp.tracking.run import MlflowRun
    from ctexp.tracking.store import open_store

    began = time.monotonic()
    store = open_store(project, create=False)
    original = read_original(store, text, project, watch, of_sweep)
    seed = original.experiment.seed
    others = [dataclasses.replace(original.experiment, seed=seed + number) for number in range(1, seeds + 1)]
    tags = {KIND_TAG: KIND, REPRODUCES_TAG: original.run_id}
    with MlflowRun.start(store, f"{original.name} reproduced", tags) as run, _not_resumable(original, watch):
        from ctexp.experiments.training.tables import data_facts, split_table

        watch.say(f"run {run.id} reproduces {original.run_id} ({original.name})")
        facts = circumstances(project.root)
        hashes = {"data.hash": original.data.collection.hash, "split.hash": original.data.split.hash}
        packages = all_packages()
        run.log(params=data_facts(original.data.collection, original.data.split), tags=facts)
        run.log_text(packages, "environment.txt")
        run.log_text(split_table(original.data.split), "split.csv")
        now = Circumstances({**facts, **hashes}, packages)
        results = _train(original, original.experiment, store, run, watch)
        trained = [_train_seed(original, experiment, store, run, watch) for experiment in others]
        if trained:
            spread: Spread | None = measure_spread(run.id, [one["metrics"] for one in trained])
        else:
            spread = find_spread(store, original.run_id)
        verdict = compare_results(original.results, results, spread)
        report = ReproductionReport(
            run.id,
            original.run_id,
            original.kind,
            seed,
            verdict,
            compare_circumstances(original.circumstances, now),
            doubts(original.circumstances, now, of_sweep=original.of_sweep),
            tuple(trained),
            original.data.collection.synthetic,
            time.monotonic() - began,
        )
        _log_report(run, report)
    return report


def find_spread(store: "Store", run_id: str) -> Spread | None:
    """Give the latest spread of seeds that a reproduction of a run measured; None where there is none."""
    found = search(store, f"tags.`{REPRODUCES_TAG}` = '{run_id}'")
    measured = next((one for one in found if SPREAD_TAG in one.data.tags), None)
    if measured is None:
        return None
    logged = measured.data.metrics
    metrics = {
        name: MetricSpread(*(logged[f"{key}{end}"] for end in ("_mean", "", "_low", "_high")))
        for name in QUOTED
        if (key := f"spread_{name}") in logged
    }
    return Spread(measured.info.run_id, int(measured.data.tags[SPREAD_TAG]), metrics)


def _train_seed(
    original: Original, experiment: Experiment, store: "Store", parent: "Run", watch: Watch
) -> dict[str, Any]:
    """Train with another seed on the same sides, as a child run."""
    from ctexp.tracking.run import MlflowRun

    watch.say(f"seed {experiment.seed}, on the same split")
    tags = {KIND_TAG: SEED_KIND, PARENT_TAG: parent.id}
    with MlflowRun.start(store, f"{original.name} seed {experiment.seed}", tags) as run:
        results = _train(original, experiment, store, run, watch)
    quoted = {name: results.metrics[name] for name in QUOTED if name in results.metrics}
    return {"seed": experiment.seed, "run_id": run.id, "metrics": quoted}


def _train(original: Original, experiment: Experiment, store: "Store", run: "Run", watch: Watch) -> Results:
    """Train on the original's sides and quote the best epoch as the original was; the weights are not kept."""
    from ctexp.learning.backend import start_backend

    start_backend(experiment.seed)  # before anything else imports Keras

    from ctexp.experiments.training import checkpoints
    from ctexp.overrides import flatten

    data = original.data
    run.log(params=flatten(experiment))
    began = time.monotonic()
    try:
        # A copy, so that the clock of each training's epochs starts anew.
        learned = run_epochs(experiment, store, run, data.cache, data.split, copy.copy(watch), until=original.until)
        results, table = _quote(original, store, run, learned)
    finally:
        checkpoints.drop_checkpoints(store, run.id, keep=set())  # the network is the original's
    run.log_text(table, "validation.csv")
    run.log(
        metrics={**results.metrics, "best_epoch": learned.standing.best_epoch,
                 "seconds_training": time.monotonic() - began},
        step=learned.standing.best_epoch,
    )  # fmt: skip
    return results


def _quote(original: Original, store: "Store", run: "Run", learned: "Learned") -> tuple[Results, str]:
    """Give results and table of answers, computed as those of the original were.

    A training's are its exported network's, calibrated; a fold's are exported; a trial's are the network's own.
    """
    from ctexp.experiments.training.answers import halves, settle_answers
    from ctexp.experiments.training.tables import predictions_table, quoted_metrics
    from ctexp.learning.evaluation import evaluate
    from ctexp.learning.network import build_network
    from ctexp.registry.package import package_network

    # The original's settings also where the seed is another: the seed of the halves is the split's.
    settings, held = original.experiment, original.data.split.validation
    outputs = learned.outputs
    if original.packaged:
        best = build_network(settings.network, settings.scan.shape)
        best.set_weights(learned.network.get_weights())
        with package_network(best, original.data.cache, held) as package:
            outputs = package.outputs
    if original.calibrated:
        answers = settle_answers([outputs], [halves(held, settings.seed)], settings.answer.sensitivity)
        metrics = quoted_metrics(answers.estimates, outputs.loss) | answers.metrics
        table = predictions_table(held, answers.raw, answers.calibrated)
    else:
        metrics = quoted_metrics(evaluate(outputs), outputs.loss)
        table = predictions_table(held, outputs)
    logits = {scan.sha256: float(logit) for scan, logit in zip(held, outputs.logits, strict=True)}
    return Results(learned.history, logits, metrics), table


def _log_report(run: "Run", report: ReproductionReport) -> None:
    """Keep the verdict, the differences and the spread; the tags by which a later one finds them come last."""
    from ctexp.experiments.training.record import NOTE_TAG

    verdict = report.verdict
    metrics = {f"difference_{one.name}": one.difference for one in verdict.metrics}
    tags: dict[str, str] = {VERDICT_TAG: verdict.word}
    lines = [f"Reproduces run {report.reproduces}. {report.sentence}", ""]
    lines += [f"- {one}" for one in (*report.circumstances, *report.doubts)]
    if report.seeds and verdict.spread is not None:
        for name, one in verdict.spread.metrics.items():
            key = f"spread_{name}"
            metrics |= {key: one.deviation, f"{key}_mean": one.mean, f"{key}_low": one.low, f"{key}_high": one.high}
        tags[SPREAD_TAG] = str(len(report.seeds))
    lines += ["", "Not registered. Research software; not a medical device."]
    run.log(metrics=metrics, tags={NOTE_TAG: "\n".join(lines), **tags})


@contextlib.contextmanager
def _not_resumable(original: Original, watch: Watch) -> Iterator[None]:
    """Say what to do when the work inside ends early, whatever the cause."""
    try:
        yield
    except BaseException:
        watch.say(f"stopped; a reproduction is not gone on with: begin again with `ctexp reproduce {original.run_id}`")
        raise

"""`ctexp evaluate`: what a registered version says of scans whose truth is known; readable from top to bottom."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ctexp.datasets.batches import load_inputs
from ctexp.datasets.cache import ScanCache
from ctexp.datasets.collection import LabelledScan
from ctexp.datasets.ingest import Progress
from ctexp.datasets.sources import find_source
from ctexp.errors import WorkError
from ctexp.experiments.evaluating.audit import Ask, audit
from ctexp.experiments.evaluating.chosen import choose_scans
from ctexp.experiments.evaluating.evaluation_report import EvaluationReport
from ctexp.experiments.rebuild import RequestOfSweep
from ctexp.experiments.watch import Watch
from ctexp.learning.baseline import mean_hu_auc
from ctexp.learning.evaluation import Outputs, confusion
from ctexp.learning.measures import all_estimates, calibration_error_by_chance
from ctexp.project import Project

if TYPE_CHECKING:
    from ctexp.registry.predictor import Predictor


@dataclass(frozen=True)
class EvaluationRequest:
    """One evaluation.

    Attributes:
        reference: REF of the version; None for the champion.
        on: `validation`, `test` or a SOURCE.
        positive: name of the abnormal class of a SOURCE.
        skip_bad: leave out what cannot be used of a SOURCE, and what the version has seen.
        audit: ask for shortcuts, too.
    """

    reference: str | None = None
    on: str = "validation"
    positive: str | None = None
    skip_bad: bool = False
    audit: bool = False


def evaluate_version(
    request: EvaluationRequest, project: Project, watch: Watch, of_sweep: RequestOfSweep
) -> EvaluationReport:
    """Ask a registered version about scans whose truth is known, and keep the numbers in a run of their own.

    On the locked test the look is written into the ledger first (`ctexp.registry.ledger`), and the run keeps numbers
    and pictures over all scans but no answer of a single one: with labels and answers scan by scan anybody could try
    thresholds and compare networks on the test without a look.

    Args:
        request: what to evaluate on which scans.
        project: whose store.
        watch: somebody who looks on.
        of_sweep: see `rebuild`.

    Raises:
        InputError: REF or scans break a rule; nothing was logged, and no look was taken.
        WorkError: store or version cannot be read, or the store does not take the look.
        KeyboardInterrupt: the user stopped it; a look that was written down counts.
    """
    began = time.monotonic()
    own = ("validation", "test")
    if request.on not in own:
        find_source(request.on, project, besides=own)  # a mistyped source is said before MLflow is loaded

    from ctexp.experiments.evaluating.cards import renew_cards
    from ctexp.experiments.evaluating.evaluation_record import begin_run, log_evaluation, look_of
    from ctexp.registry.references import load_predictor, resolve
    from ctexp.tracking.store import open_store

    store = open_store(project, create=False)
    version = resolve(store, request.reference)
    predictor = load_predictor(store, version)
    manifest = predictor.manifest
    chosen = choose_scans(request.on, store, version, manifest, project, watch, of_sweep,
                          positive=request.positive, skip_bad=request.skip_bad)  # fmt: skip

    with begin_run(store, version, manifest, chosen, project) as run:
        watch.say(f"run {run.id} (evaluation)")
        standing = look_of(store, run, version, chosen) if chosen.kind == "test" else None
        ask = network_of(predictor)
        outputs = answers_of(ask, chosen.cache, chosen.scans, watch.stage("asking the network"))
        controls = None
        if request.audit:
            controls = audit(ask, chosen.cache, chosen.scans, outputs.logits, watch.stage("looking for shortcuts"))
        report = EvaluationReport(
            run_id=run.id,
            model=version,
            chosen=chosen,
            estimates=all_estimates(outputs, manifest.threshold),
            without_network=mean_hu_auc(chosen.cache, chosen.scans),
            counts=confusion(outputs, manifest.threshold),
            threshold=manifest.threshold,
            temperature=manifest.temperature,
            chance_error=calibration_error_by_chance(outputs),
            standing=standing,
            controls=controls,
            synthetic=manifest.synthetic or chosen.collection.synthetic,
            seconds=time.monotonic() - began,
        )
        log_evaluation(run, report, outputs)
    renew_cards(store, [version], watch)
    return report


def network_of(predictor: "Predictor") -> Ask:
    """Give the function from prepared scans (n, rows, columns, slices, 1) to a version's calibrated (n,) logits."""
    return predictor.logits


def answers_of(ask: Ask, cache: ScanCache, scans: Sequence[LabelledScan], progress: Progress) -> Outputs:
    """Ask a version about prepared scans, one at a time as `ctexp predict` does.

    Raises:
        WorkError: an answer is no number.
    """
    logits: npt.NDArray[np.float64] = np.empty(len(scans))
    for number, scan in enumerate(scans):
        logits[number] = ask(load_inputs(cache, [scan]))[0]
        progress(number + 1, len(scans))
    outputs = Outputs(np.array([scan.label for scan in scans], dtype=np.int64), logits)
    if not outputs.finite:
        raise WorkError("evaluate: every answer of the network must be a number, some are not; train again")
    return outputs

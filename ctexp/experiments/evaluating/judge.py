"""A challenger against the champion, on the same scans: is it at least not worse, by a margin named beforehand?

Both answer through their registered networks, each on scans prepared by its own settings, and only on scans of the
challenger's validation side that neither was trained on. The locked test is not looked at, neither's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ctexp.config import check
from ctexp.datasets.batches import load_inputs
from ctexp.datasets.cache import ScanCache
from ctexp.datasets.collection import Collection, LabelledScan
from ctexp.datasets.ingest import ingest
from ctexp.datasets.splits import SIDES
from ctexp.errors import DataError, InputError
from ctexp.experiments.evaluating.enough import enough
from ctexp.experiments.rebuild import RequestOfSweep, data_of_run, request_of_run, sides_of_run
from ctexp.experiments.watch import Watch
from ctexp.learning.evaluation import Outputs
from ctexp.learning.intervals import auc
from ctexp.learning.paired import PairedTest, delong_test, paired_loss
from ctexp.project import Project
from ctexp.scans.read import ReadOptions

if TYPE_CHECKING:
    from ctexp.registry.manifest import PredictorManifest
    from ctexp.registry.predictor import Predictor
    from ctexp.registry.references import ModelVersion
    from ctexp.tracking.store import Store

_Z = NormalDist().inv_cdf(0.95)


@dataclass(frozen=True)
class Margins:
    """What a challenger may be worse by and still become champion; named before anybody sees the comparison.

    Attributes:
        auc: of the area under the ROC curve, 0 to 0.5.
        loss: of the mean log loss, in nats a scan, which falls with wrong and with wrongly sure answers.
    """

    auc: float = 0.05
    loss: float = 0.05

    def __post_init__(self) -> None:
        check(0 <= self.auc <= 0.5, "--margin", "from 0 to 0.5", self.auc)
        check(0 <= self.loss <= 10, "--loss-margin", "from 0 to 10 nats", self.loss)


@dataclass(frozen=True)
class Check:
    """One condition of a promotion: what was found, in one line."""

    name: str
    passed: bool
    text: str


@dataclass(frozen=True)
class Judgement:
    """What the comparison came to.

    Attributes:
        checks: every condition, in the order in which it was looked at; a comparison that cannot be made has failed.
        notes: what a reader of the numbers should not overlook.
        numbers: the comparison as plain values; empty where none was made.
    """

    checks: tuple[Check, ...]
    notes: tuple[str, ...] = ()
    numbers: dict[str, Any] = field(default_factory=dict)

    @property
    def failures(self) -> tuple[str, ...]:
        """Each failed condition, in one line."""
        return tuple(f"{one.name}: {one.text}" for one in self.checks if not one.passed)


def judge(
    store: "Store",
    challenger: "ModelVersion",
    champion: "ModelVersion",
    project: Project,
    watch: Watch,
    margins: Margins,
    of_sweep: RequestOfSweep,
) -> Judgement:
    """Compare two registered versions.

    Args:
        store: where they are registered.
        challenger: the version that is to be champion.
        champion: the version that is.
        project: whose data and cache.
        watch: somebody who looks on.
        margins: what the challenger may be worse by.
        of_sweep: reads a sweep's request (`ctexp.experiments.rebuild`).

    Raises:
        DataError: the challenger's scans cannot be read, or changed since.
        InputError: its run does not say which scans it had.
        WorkError: a version's files cannot be read.
    """
    from ctexp.registry.references import load_predictor

    first, second = load_predictor(store, champion), load_predictor(store, challenger)
    data = data_of_run(store, challenger.run_id, second.manifest.scan, project, watch, of_sweep)
    checks = [_same_data(store, challenger, champion)]
    notes = []
    try:
        theirs = sides_of_run(
            store,
            champion.run_id,
            lambda: data_of_run(store, champion.run_id, second.manifest.scan, project, watch, of_sweep),
        )
    except InputError as error:
        text = f"which scans version {champion.version} was trained on is not known: {error}"
        return Judgement((*checks, Check("judged by", False, text)))
    ours = {scan.sha256: side for side in SIDES for scan in getattr(data.split, side)}
    taught = taught_by(first.manifest, theirs) | taught_by(second.manifest, ours)
    unseen = neutral_scans(data.collection, data.split.validation, taught)
    scans = unlocked_scans(unseen, theirs)
    left_out = len(data.split.validation) - len(unseen)
    if left_out:
        notes.append(
            f"{left_out} of the {len(data.split.validation)} validation scans were left out: "
            "one of the two was trained on them or on others of the same patients."
        )
    if len(scans) < len(unseen):
        notes.append(
            f"{len(unseen) - len(scans)} of the {len(data.split.validation)} validation scans were left out: they are "
            f"in the locked test of version {champion.version}, which was split by another seed."
        )
    folds = len(first.manifest.networks) > 1, len(second.manifest.networks) > 1
    found = enough(scans, data.collection, theirs, champion.version, folds, same_split=ours == theirs)
    checks.append(Check("judged by", *found))
    if not checks[-1].passed:
        return Judgement(tuple(checks), tuple(notes))
    labels = np.array([scan.label for scan in scans], dtype=np.int64)
    options = ReadOptions(allow_gaps=request_of_run(store, challenger.run_id, of_sweep).allow_gaps)
    before, after = (Outputs(labels, _logits(one, scans, project, options, watch)) for one in (first, second))
    if any(theirs.get(scan.sha256) != "validation" for scan in scans):
        notes.append(
            f"Version {challenger.version}'s epoch was chosen on these scans, version {champion.version}'s was not on "
            "all of them: this favours the challenger a little."
        )
    compared, numbers = compare_outputs(before, after, margins)
    return Judgement((*checks, *compared), tuple(notes), numbers)


def taught_by(manifest: "PredictorManifest", sides: Mapping[str, str]) -> frozenset[str]:
    """Give the content hashes of the scans that taught a version.

    They are its training side. The networks of a cross-validation are taught by each other's validation scans, too;
    then the manifest counts more scans than that side has.

    Args:
        manifest: of the version.
        sides: the side of each scan of its run, by content hash.
    """
    train = frozenset(sha256 for sha256, side in sides.items() if side == "train")
    if manifest.trained_on.get("scans", len(train)) <= len(train):
        return train
    return train | {sha256 for sha256, side in sides.items() if side == "validation"}


def neutral_scans(
    collection: Collection, validation: Sequence[LabelledScan], trained: frozenset[str]
) -> tuple[LabelledScan, ...]:
    """Give the validation scans whose patients have no scan, by content hash, among those trained on."""
    known = {scan.patient for scan in collection.scans if scan.sha256 in trained}
    return tuple(scan for scan in validation if scan.sha256 not in trained and scan.patient not in known)


def unlocked_scans(scans: Sequence[LabelledScan], sides: Mapping[str, str]) -> tuple[LabelledScan, ...]:
    """Give the scans that are not in a version's locked test: a promotion is no look, and would go into no ledger.

    Args:
        scans: of another version's validation side.
        sides: the side of each scan of the version's run, by content hash.
    """
    return tuple(scan for scan in scans if sides.get(scan.sha256) != "test")


def compare_outputs(champion: Outputs, challenger: Outputs, margins: Margins) -> tuple[list[Check], dict[str, Any]]:
    """Compare calibrated answers to the same scans: AUC by DeLong's paired test, log loss by Student's.

    A condition holds when the lower end of the one-sided 95 % interval of the difference lies above the margin
    (`ctexp.learning.paired`).

    Returns:
        The two conditions, and the numbers behind them. Differences are gains: above 0 the challenger is better.
    """
    areas = delong_test(champion.labels, champion.logits, challenger.logits)
    losses = paired_loss(champion.labels, champion.logits, challenger.logits)
    numbers: dict[str, Any] = {
        "scans": len(champion.labels),
        "abnormal": int(champion.labels.sum()),
        "auc": _numbers(auc(champion.labels, champion.logits).value, auc(challenger.labels, challenger.logits).value,
                        areas, margins.auc),
        "log_loss": _numbers(champion.loss, challenger.loss, losses, margins.loss),
    }  # fmt: skip
    return [
        _not_worse("AUC", areas, margins.auc, numbers["auc"], ""),
        _not_worse("log loss", losses, margins.loss, numbers["log_loss"], " nats a scan"),
    ], numbers


def _numbers(champion: float, challenger: float, test: PairedTest, margin: float) -> dict[str, float]:
    lower = test.difference - _Z * test.margin_error
    return {"champion": champion, "challenger": challenger, "gain": test.difference, "at_least": lower,
            "allowed": -margin}  # fmt: skip


def _not_worse(name: str, test: PairedTest, margin: float, numbers: dict[str, float], unit: str) -> Check:
    passed = test.non_inferior(margin)
    text = (
        f"{numbers['challenger']:.3f} against {numbers['champion']:.3f}, a gain of {test.difference:+.3f}{unit}; "
        f"with 95 % confidence it is at least {numbers['at_least']:+.3f}, and must be above {-margin:+.3f}"
    )
    if not passed and test.difference > -margin:
        text += f"; {test.n} scans cannot tell it closer"
    return Check(name, passed, text)


def _same_data(store: "Store", challenger: "ModelVersion", champion: "ModelVersion") -> Check:
    hashes = [store.run(one.run_id).data.params.get("data.hash") for one in (challenger, champion)]
    words = [text[:12] if text else "not logged" for text in hashes]
    passed = hashes[0] is not None and hashes[0] == hashes[1]
    text = f"hash {words[0]}" if passed else (
        f"both must come from the same scans, the hash of version {challenger.version}'s is {words[0]}, "
        f"of version {champion.version}'s {words[1]}"
    )  # fmt: skip
    return Check("same scans", passed, text)


def _logits(
    predictor: "Predictor", scans: Sequence[LabelledScan], project: Project, options: ReadOptions, watch: Watch
) -> npt.NDArray[np.float64]:
    """Give (n,) calibrated float64 logits of scans, prepared by the version's own settings."""
    cache = ScanCache(project.cache, predictor.manifest.scan)
    for one in ingest([scan.path for scan in scans], cache, options=options, progress=watch.stage("preparing scans")):
        if one.error:
            raise DataError(str(one.error))
    return np.concatenate([predictor.logits(load_inputs(cache, [scan])) for scan in scans])

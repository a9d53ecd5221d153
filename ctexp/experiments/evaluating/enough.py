"""Whether enough scans are left to compare two versions on, and what would leave more."""

from collections.abc import Mapping, Sequence

from ctexp.datasets.collection import Collection, LabelledScan

FEWEST_SCANS = 10
"""Below this no comparison is made; of each class there must be two, or no AUC has an error."""


def enough(
    scans: Sequence[LabelledScan],
    collection: Collection,
    sides: Mapping[str, str],
    champion: str,
    folds: tuple[bool, bool],
    *,
    same_split: bool,
) -> tuple[bool, str]:
    """See whether enough scans are left to judge on; where not, name what would leave more.

    Args:
        scans: those left.
        collection: all scans of the challenger's run.
        sides: the side of each scan of the champion's run, by content hash.
        champion: its version.
        folds: whether the champion, and whether the challenger, has networks of a cross-validation.
        same_split: whether both runs have the same sides.

    Returns:
        Whether they are enough, and what was found with the remedy.
    """
    rule = f"at least {FEWEST_SCANS} validation scans, two a class, that neither was trained on"
    if _are_enough(scans):
        return True, f"{_counts(scans)}, which neither was trained on"
    if folds[0]:
        remedy = f"version {champion} has folds, all but its test taught it: only --force helps"
    elif not _are_enough([scan for scan in collection.scans if sides.get(scan.sha256) == "validation"]):
        remedy = "train on more scans"  # no other challenger would have more either
    else:
        seed = "" if same_split else f"with the seed and split of version {champion}"
        causes = [word for word in ("without --folds" if folds[1] else "", seed) if word]
        remedy = f"train a challenger {', '.join(causes) or 'on more scans'}"
    return False, f"{rule}, got {_counts(scans)}; {remedy}"


def _are_enough(scans: Sequence[LabelledScan]) -> bool:
    abnormal = sum(scan.label for scan in scans)
    return len(scans) >= FEWEST_SCANS and min(len(scans) - abnormal, abnormal) >= 2


def _counts(scans: Sequence[LabelledScan]) -> str:
    abnormal = sum(scan.label for scan in scans)
    return f"{len(scans)} ({len(scans) - abnormal} normal, {abnormal} abnormal)"

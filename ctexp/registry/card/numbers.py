"""The sections of a model card with numbers: what is measured, and what came out."""

from ctexp.registry.card.facts import CardFacts
from ctexp.registry.card.parts import MISSING, Section, Table, interval, listed, number, validation_counts

MEASURES = {
    "auc": "AUC",
    "accuracy": "accuracy",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "ppv": "positive predictive value",
    "npv": "negative predictive value",
}
BASELINES = {"auc_mean_hu": "AUC of mean HU", "auc_lung_hu": "AUC of the lung's mean HU"}


def metrics(facts: CardFacts) -> Section:
    """Say what is measured, and from where on a scan is called abnormal."""
    manifest, logged = facts.manifest, facts.metrics
    point = manifest.operating_point if manifest else None
    chosen = "0.5, which nobody chose" if manifest and point is None else None
    if point is not None:
        wish, scans = (point.get(key, MISSING) for key in ("wished_sensitivity", "scans"))
        chosen = f"for a sensitivity of {wish} on {scans} scans"
    temperature = None
    if manifest:
        fitted = f", fitted to {manifest.calibrated_on} scans" if manifest.calibrated_on else ": not calibrated"
        temperature = f"{manifest.temperature:.3g}{fitted}"
    return Section(
        "Metrics",
        (
            "AUC: the share of pairs of a normal and an abnormal scan that are ordered rightly; interval by DeLong, on "
            "the logit scale. Sensitivity, specificity and accuracy: at the threshold below; intervals by Wilson. All "
            "intervals are of 95 % and take scans as independent.",
            listed(
                ("called abnormal from", f"{manifest.threshold:.4g}" if manifest else None),
                ("threshold chosen", chosen),
                ("temperature", temperature),
                ("calibration error before calibration", number(logged.get("val_ece_before"))),
                ("the same after, cross-fitted", number(logged.get("val_ece_after"))),
                ("Brier score before calibration", number(logged.get("val_brier_before"))),
                ("the same after, cross-fitted", number(logged.get("val_brier_after"))),
                ("log loss, validation", number(logged.get("val_loss"))),
            ),
        ),
    )  # fmt: skip


def quantitative(facts: CardFacts) -> Section:
    """Give every number with its interval, beside those that need no network."""
    counts = validation_counts(facts)
    rows = tuple(
        (words, interval(facts.metrics, f"val_{key}") or MISSING, _n(key, counts))
        for key, words in (MEASURES | BASELINES).items()
    )
    ensemble = facts.manifest is not None and len(facts.manifest.networks) > 1
    where = "Out of fold, each scan by networks that it did not teach" if ensemble else "On the validation scans"
    parts: list[str | Table] = [
        f"{where}. The last two lines need no network: a threshold on mean density alone.",
        Table(("measure", "value (95 % interval)", "n"), rows),
    ]
    tests = [one for one in facts.evaluations if one.on == "test"]
    if not tests:
        parts.append("On the locked test: not evaluated.")
    for one in facts.evaluations:
        where = "the locked test" if one.on == "test" else f"other scans ({one.params.get('data.source', MISSING)})"
        found = tuple(
            (words, value)
            for key, words in (MEASURES | BASELINES).items()
            if (value := interval(one.metrics, f"{one.on}_{key}")) is not None
        )
        parts.append(f"On {where}, {one.params.get('data.scans', MISSING)} scans, {one.when:%Y-%m-%d %H:%M} UTC:")
        parts.append(Table(("measure", "value (95 % interval)"), found) if found else f"Numbers: {MISSING}.")
    parts.append("Groups of patients, scanners and sites: not measured unless listed above.")
    return Section("Quantitative analyses", tuple(parts))


def _n(measure: str, counts: tuple[int, int] | None) -> str:
    if counts is None or measure in ("ppv", "npv"):  # these rest on what was called, which is not logged
        return MISSING
    return str({"sensitivity": counts[1], "specificity": counts[0]}.get(measure, sum(counts)))

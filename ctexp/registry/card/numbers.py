"""The sections of a model card with numbers: what is measured, and what came out."""

from ctexp.learning.metric_words import PROBABILITIES
from ctexp.registry.card.facts import CardFacts
from ctexp.registry.card.parts import (
    MISSING,
    Section,
    Table,
    interval,
    is_ensemble,
    listed,
    number,
    scans_behind,
    scans_of,
    validation_counts,
)

MEASURES = {
    "auc": "AUC",
    "accuracy": "accuracy",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "ppv": "positive predictive value",
    "npv": "negative predictive value",
}
CONTROLS = {
    "lungs_blanked": "AUC with the lungs blanked",
    "border_only": "AUC of the border alone",
    "header": "AUC of header facts, no network",
}
"""Where an evaluation looked for shortcuts; an AUC that chance does not explain is one."""
BASELINES = {"auc_mean_hu": "AUC of mean HU", "auc_lung_hu": "AUC of the lung's mean HU"}


def metrics(facts: CardFacts) -> Section:
    """Say what is measured, and from where on a scan is called abnormal."""
    manifest, logged = facts.manifest, facts.metrics
    point = manifest.operating_point if manifest else None
    chosen = "0.5, the default" if manifest and point is None else None
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
                ("calibration error (ECE) before calibration", interval(logged, "val_ece_before")),
                ("ECE after it, cross-fitted", interval(logged, "val_ece_after")),
                ("Brier score before calibration", interval(logged, "val_brier_before")),
                ("Brier score after it, cross-fitted", interval(logged, "val_brier_after")),
                ("log loss before calibration", number(logged.get("val_loss"))),
            ),
        ),
    )  # fmt: skip


def quantitative(facts: CardFacts) -> Section:
    """Give every number with its interval, beside those that need no network."""
    counts = validation_counts(facts)
    rows = tuple(
        (words, interval(facts.metrics, f"val_{key}") or MISSING,
         scans_behind(facts.metrics, f"val_{key}") or _n(key, counts))
        for key, words in (MEASURES | BASELINES).items()
    )  # fmt: skip
    where = "On the validation scans"
    if is_ensemble(facts):
        where = "Out of fold, each scan by networks that it did not teach"
    parts: list[str | Table] = [
        f"{where}. The last two lines need no network: a threshold on mean density alone.",
        Table(("measure", "value (95 % interval)", "n"), rows),
    ]
    tests = [one for one in facts.evaluations if one.on == "test"]
    if not tests:
        parts.append("On the locked test: not evaluated.")
    for one in facts.evaluations:
        if one.on == "validation":  # the training's own numbers of these scans stand above
            continue
        found = tuple(
            (words, value, scans_behind(one.metrics, f"{one.on}_{key}") or MISSING)
            for key, words in (MEASURES | PROBABILITIES | BASELINES).items()
            if (value := interval(one.metrics, f"{one.on}_{key}")) is not None
        ) + tuple(
            (f"audit: {words}", value, scans_behind(one.metrics, f"audit_{key}") or MISSING)
            for key, words in CONTROLS.items()
            if (value := interval(one.metrics, f"audit_{key}")) is not None
        )
        parts.append(
            f"On {scans_of(one)}, {one.params.get('data.scans', MISSING)} scans, {one.when:%Y-%m-%d %H:%M} UTC:"
        )
        parts.append(Table(("measure", "value (95 % interval)", "n"), found) if found else f"Numbers: {MISSING}.")
    parts.append("Groups of patients, scanners and sites: not measured unless listed above.")
    return Section("Quantitative analyses", tuple(parts))


def _n(measure: str, counts: tuple[int, int] | None) -> str:
    """Give n of a run that did not log it; PPV and NPV rest on what was called, which it did not log either."""
    if counts is None or measure in ("ppv", "npv"):
        return MISSING
    return str({"sensitivity": counts[1], "specificity": counts[0]}.get(measure, sum(counts)))

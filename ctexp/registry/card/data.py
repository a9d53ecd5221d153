"""The sections of a model card about scans: what kind they were, which trained, which judged."""

from collections.abc import Mapping

from ctexp.registry.card.facts import CardFacts
from ctexp.registry.card.parts import (
    MISSING,
    Section,
    Table,
    both_counts,
    count,
    is_ensemble,
    listed,
    side_counts,
    synthetic_scans,
    validation_counts,
    validation_patients,
)
from ctexp.scans.quality.features import FEATURES


def factors(facts: CardFacts) -> Section:
    """Say what kind of scans the version knows."""
    text = (
        "Age, sex, scanner, dose and site of the patients: not logged. No numbers by group of patients or by scanner "
        "were made, so nothing is known of how they differ."
    )
    reference = facts.manifest.reference if facts.manifest else None
    if reference is None:
        return Section("Factors", (text, f"What kind of scans it was trained on: {MISSING}."))
    rows = tuple(
        (name, f"{low:.3g}", f"{high:.3g}")
        for name, low, high in zip(reference.names, reference.low, reference.high, strict=True)
    )
    kind = f"What the {reference.scans} training scans were like, measured on the scans:"
    meanings = {one.name: one.meaning for one in FEATURES}
    words = "; ".join(f"{name}: {meanings[name]}" for name in reference.names if name in meanings)
    table = Table(("feature", "5 % below", "95 % below"), rows)
    return Section("Factors", (text, kind, table, f"What the features are, x being the number. {words}."))


def evaluation_data(facts: CardFacts) -> Section:
    """Say which scans judged it, and who looked at the locked test."""
    params = facts.params
    validated, chose = side_counts(params, "validation"), "Validation"
    if is_ensemble(facts):
        validated, chose = both_counts(validation_counts(facts), validation_patients(facts)), "Each fold's validation"
    parts: list[str | Table] = [
        f"{chose} chose the saved epoch, the temperature and, where one was chosen, the threshold. The locked test "
        "is opened by `ctexp evaluate --on test` only, and every look at it is kept.",
        listed(
            ("scheme of the split", params.get("split.scheme")),
            ("share for validation, for test", _both(params, "split.validation", "split.test")),
            ("seed", params.get("seed")),
            ("validation scans", f"{validated}, out of fold" if validated and is_ensemble(facts) else validated),
            ("locked test scans", side_counts(params, "test")),
            ("hash of the split", params.get("split.hash")),
        ),
    ]
    if facts.looks is None:
        parts.append("Looks at the locked test: the ledger cannot be read.")
    elif not facts.looks:
        parts.append("Looks at the locked test: none on record.")
    else:
        tests = len({look.test_hash for look in facts.looks})
        parts.append(
            f"Looks at the locked test, for any version: {len(facts.looks)}, at {tests} "
            f"{'test set' if tests == 1 else 'different test sets'} of this collection. "
            "The more looks, the less a test is one."
        )
        rows = tuple((look.when, f"{look.user}@{look.host}", look.version, look.test_hash[:12]) for look in facts.looks)
        parts.append(Table(("when (UTC)", "who", "version", "test set"), rows))
    return Section("Evaluation data", tuple(parts))


def training_data(facts: CardFacts) -> Section:
    """Say which scans trained it."""
    params = facts.params
    classes = [f"{key.removeprefix('data.class.')} {count}" for key, count in sorted(params.items())
               if key.startswith("data.class.")]  # fmt: skip
    synthetic = synthetic_scans(facts)
    # Every scan outside the locked test taught some of an ensemble's networks.
    taught = (
        both_counts(validation_counts(facts), validation_patients(facts))
        if is_ensemble(facts)
        else side_counts(params, "train")
    )
    return Section(
        "Training data",
        (
            listed(
                ("source", params.get("data.source")),
                ("synthetic", None if synthetic is None else "yes: drawn by a program" if synthetic else "no"),
                ("scans", _scans(params)),
                ("patients", params.get("data.patients")),
                ("classes, in the source's words", ", ".join(classes) or None),
                ("training scans", taught),
                ("left out as unusable", params.get("data.skipped")),
                ("pairs of near-duplicates", params.get("data.near_duplicates")),
                ("hash of scans and labels", params.get("data.hash")),
                ("who labelled, and by what", None),
                ("dates of the scans; consent, ethics board", None),
            ),
            "All scans of a patient, and near-duplicates, are on one side of the split. Exact copies count once.",
        ),
    )


def network(facts: CardFacts) -> Section:
    """Give all settings."""
    params = facts.params
    groups = {"scan": "preparation", "augment": "augmentation", "network": "network", "training": "training"}
    rows = tuple(
        (groups[group], key.partition(".")[2], params[key])
        for group in groups
        for key in params
        if key.startswith(f"{group}.")
    )
    epoch, preset = count(facts.metrics.get("best_epoch")) or MISSING, params.get("preset", MISSING)
    notes = f"Saved epoch: {epoch}. Preset: {preset}."
    if not rows:
        return Section("Preparation, network and training", (f"Settings: {MISSING}.", notes))
    return Section("Preparation, network and training", (notes, Table(("of", "setting", "value"), rows)))


def _both(params: Mapping[str, str], first: str, second: str) -> str | None:
    return f"{params[first]}, {params[second]}" if first in params and second in params else None


def _scans(params: Mapping[str, str]) -> str | None:
    """Count the collection's scans, and those of them that a fixed split left out."""
    every, left_out = params.get("data.scans"), params.get("data.left_out")
    return f"{every}, of them {left_out} on no side of the split" if every and left_out else every

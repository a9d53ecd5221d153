"""The model card of a registered version: what was logged of it, under the headings that readers look for.

The headings are those of Mitchell et al. 2019, "Model Cards for Model Reporting" (arXiv 1810.03993); the facts are
those that CLAIM 2024 asks of a report on imaging (Tejani et al. 2024, Radiology: Artificial Intelligence 6(4)) and that
a program can know. What was not logged is said to be missing; nothing is guessed.
"""

import math
from collections.abc import Iterable

from ctexp.learning.doubts import too_narrow
from ctexp.registry.card.data import evaluation_data, factors, network, training_data
from ctexp.registry.card.facts import CardFacts
from ctexp.registry.card.numbers import BASELINES, metrics, quantitative
from ctexp.registry.card.parts import (
    MISSING,
    Card,
    Section,
    Table,
    count,
    listed,
    scans_of,
    synthetic_scans,
    validation_counts,
    validation_patients,
)
from ctexp.tracking.tags import RESUMED_TAG

FEW_SCANS = 100
"""Below this a 95 % interval of a proportion near 0.9 is wider than a tenth."""


def compose_card(facts: CardFacts) -> Card:
    """Make the card of a version."""
    synthetic = synthetic_scans(facts)
    lead = "Research software; not a medical device. It must not be used to diagnose or to treat."
    if synthetic:
        lead += " Trained on synthetic scans, drawn by a program: it says nothing about patients."
    return Card(
        f"Model card: {facts.name} version {facts.version}",
        lead,
        (
            _details(facts),
            _use(),
            factors(facts),
            metrics(facts),
            evaluation_data(facts),
            training_data(facts),
            network(facts),
            quantitative(facts),
            _ethics(synthetic),
            Section("Caveats and recommendations", tuple(_caveats(facts))),
            _history(facts),
            _provenance(facts),
            _citing(facts),
        ),
    )


def _details(facts: CardFacts) -> Section:
    manifest, sweep = facts.manifest, facts.sweep
    networks = None if manifest is None else len(manifest.networks)
    made = "one training"
    if sweep is not None:
        made = f"one trial of the sweep {sweep.get('name') or MISSING} ({sweep.get('sweep.algorithm') or MISSING})"
    elif networks and networks > 1:
        made = f"cross-validation: the mean of {networks} networks"
    return Section(
        "Model details",
        (
            listed(
                ("name and version", f"{facts.name}, version {facts.version}"),
                ("aliases", ", ".join(f"@{alias}" for alias in facts.aliases) or "none"),
                ("registered", None if facts.registered is None else f"{facts.registered:%Y-%m-%d %H:%M} UTC"),
                ("trained by", facts.tags.get("mlflow.user")),
                ("kind", "3D convolutional network; one probability: abnormal, against normal"),
                ("made by", made),
                ("networks", None if networks is None else str(networks)),
                ("weights", count(facts.params.get("network.weights"))),
                ("form", "ONNX and JSON; nothing of it is executed but by the ONNX runtime"),
                ("run", facts.run_id),
                ("licence of the weights", None),
                ("contact", None),
            ),
        ),
    )


def _use() -> Section:
    return Section(
        "Intended use",
        (
            "Research on telling normal chest CT scans from those with signs of viral pneumonia, and on how such "
            "networks are trained and compared. Users: researchers and engineers.",
            "Out of scope: any use on patients, alone or beside a reader; other organs, other diseases, contrast "
            "studies, children; scans that are not chest CT in HU. The program refuses what it does not recognise as "
            "such, and warns of scans unlike those it was trained on. It tells two classes apart and knows no other "
            "finding: normal means only that nothing of what it learned was seen.",
        ),
    )


def _ethics(synthetic: bool | None) -> Section:
    data = (
        "The scans were drawn by a program; no patient is behind them."
        if synthetic
        else "Scans of people: whether consent and a board's approval were given, and how the scans were made "
        "anonymous, was not logged. The version holds weights and summary numbers of the training scans, no picture "
        "of them; weights can still carry traces of single scans."
    )
    return Section(
        "Ethical considerations",
        (
            data,
            "A missed finding and a false alarm both harm. A threshold that suits one hospital's mix of patients need "
            "not suit another's. Such networks are known to learn what goes with a disease in one collection (scanner, "
            "position, site) in place of the disease.",
        ),
    )


def _caveats(facts: CardFacts) -> Iterable[str]:
    """Say what a reader of the numbers should not overlook, from the numbers themselves."""
    logged, counts = facts.metrics, validation_counts(facts)
    yield (
        "The saved epoch was chosen on the validation scans, so the validation numbers are slightly too good; those of "
        "the first look at the locked test and of other sites are not."
    )
    if facts.sweep is not None:
        trials = count(facts.sweep.get("trials_finished")) or "an unlogged number of"
        yield f"It was chosen among {trials} finished trials by their scores: another reason why these are too good."
    if counts is not None and sum(counts) < FEW_SCANS:
        yield f"Only {sum(counts)} scans are behind the validation numbers: read the intervals, not the values."
    patients = validation_patients(facts)
    if counts is not None and patients is not None:
        yield from too_narrow(patients, sum(counts))
    area = logged.get("val_auc", math.nan)
    if any(area <= logged.get(f"val_{key}", math.nan) for key in BASELINES):
        yield (
            "A threshold on mean density orders the validation scans at least as well: the network adds nothing there."
        )
    # The same question asked of the same scans again is answered in the same words: they are told once.
    yield from dict.fromkeys(
        f"Doubt, from an audit on {scans_of(one)}: {doubt}" for one in facts.evaluations for doubt in one.doubts
    )
    if facts.manifest is not None and facts.manifest.scan.geometry == "lungs":
        yield (
            "The network is shown the lungs alone, as their air marks them out: a consolidation wider than 4 cm that "
            "touches the chest wall is taken for chest wall, and nothing is said of it or of what lies outside."
        )
    if facts.manifest is not None and not facts.manifest.calibrated_on:
        yield "Its probabilities were not calibrated."
    forced = [event for event in facts.history.events if event.version == facts.version and event.what == "forced"]
    if forced:
        yield f"It was made champion by force, against the comparison: {forced[-1].why or MISSING}"
    if changed := facts.tags.get(RESUMED_TAG):
        whose = (
            "Its training was interrupted and" if facts.sweep is None else "Its sweep, before or after this trial, was"
        )
        yield f"{whose} gone on with under other circumstances: {changed}"
    if facts.tags.get("git.dirty") == "true":
        yield "The code had changes that were not committed when it was trained: the commit alone does not repeat it."
    yield "Before any other use: evaluate it on scans of your own site whose truth is known (`ctexp evaluate`)."


def _history(facts: CardFacts) -> Section:
    events = facts.history.events
    if not events:
        return Section("History of the champion", (f"Promotions: {MISSING}.",))
    rows = tuple(
        (event.when, event.what, event.before or "none", event.version, event.who, event.why or "-") for event in events
    )
    parts: list[str | Table] = [Table(("when (UTC)", "what", "from", "to", "who", "why"), rows)]
    compared = [event for event in events if event.version == facts.version and "auc" in event.numbers]
    if compared:
        numbers = compared[-1].numbers
        pairs = ", ".join(
            f"{words} {numbers[key]['challenger']:.3f} against {numbers[key]['champion']:.3f}"
            for key, words in (("auc", "AUC"), ("log_loss", "log loss"))
        )
        parts.append(
            f"When version {facts.version} last became champion it was compared with version {numbers['against']} on "
            f"{numbers['scans']} validation scans that neither was trained on: {pairs}."
        )
    return Section("History of the champion", tuple(parts))


def _provenance(facts: CardFacts) -> Section:
    tags = facts.tags
    packages = {key.removeprefix("version."): value for key, value in tags.items() if key.startswith("version.")}
    hardware = {key.removeprefix("hardware."): value for key, value in tags.items() if key.startswith("hardware.")}
    changed = {"true": " (with changes)", "false": ""}.get(tags.get("git.dirty", ""), "")
    commit = tags.get("git.commit")
    hashes = facts.manifest.networks if facts.manifest else {}
    return Section(
        "Provenance",
        (
            listed(
                ("ctexp", tags.get("ctexp.version")),
                ("git commit of the project", f"{commit}{changed}" if commit else None),
                *(packages.items() or [("packages", None)]),
                *(hardware.items() or [("hardware", None)]),
                ("seconds of training", count(facts.metrics.get("seconds_training"))),
                *((f"SHA-256 of {name}", sha256) for name, sha256 in hashes.items()),
            ),
        ),
    )


def _citing(facts: CardFacts) -> Section:
    version = facts.tags.get("ctexp.version")
    made = f"{facts.registered:%Y}" if facts.registered else "no year logged"
    return Section(
        "How to cite",
        (
            f"{facts.name} version {facts.version} ({made}), run {facts.run_id}, trained with ctexp "
            f"{version or '(version not logged)'} on {facts.params.get('data.source', 'a source that was not logged')} "
            f"(hash {facts.params.get('data.hash', MISSING)[:12]}). Research software; not a medical device.",
            "Cite the collection's own publication as well.",
        ),
    )

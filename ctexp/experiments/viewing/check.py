"""`ctexp data check`: one pass over scans, and what is to be known of each before anything is trained on it."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from ctexp.datasets.ingest import Progress
from ctexp.datasets.parallel import cores, ordered_map
from ctexp.errors import ScanError
from ctexp.experiments.viewing.checklist import ListedScan, list_all
from ctexp.experiments.viewing.contact import Thumbnail, contact_sheet, thumbnail
from ctexp.project import Project
from ctexp.scans.quality import NOT_HU, Finding, Quality, assess, padding_share
from ctexp.scans.read import ReadOptions, open_scan
from ctexp.scans.volume import Volume

Mark = Literal["unreadable", "refuse", "warn", "ok"]
MARKS: tuple[Mark, ...] = ("unreadable", "refuse", "warn", "ok")
"""From worst to best."""


@dataclass(frozen=True)
class Facts:
    """What a readable scan is like.

    Attributes:
        sha256: of the bytes that it is made of.
        shape: voxels along x, y and z.
        spacing_mm: between them.
        orientation: where the file's own axes pointed, as three letters; empty where unknown.
        hu: lowest and highest number, as HU, padding included.
        padding: share of the scan that is padding, 0 to 1.
        quality: what the gate found, and whether the scan is there twice.
    """

    sha256: str
    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    orientation: str
    hu: tuple[float, float]
    padding: float
    quality: Quality


@dataclass(frozen=True)
class Checked:
    """One scan: what it is like, or why it cannot be read."""

    path: Path
    facts: Facts | None = None
    error: str | None = None
    class_name: str | None = None
    same_as: Path | None = None
    label: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def mark(self) -> Mark:
        """The gate's verdict, or that the scan cannot be read."""
        return self.facts.quality.verdict if self.facts else "unreadable"

    def as_json(self) -> dict[str, Any]:
        """Give everything as plain values."""
        start = {"path": str(self.path), "class": self.class_name, "verdict": self.mark}
        if self.facts is None:
            return {**start, "error": self.error}
        facts = self.facts
        return {
            **start,
            "shape": facts.shape,
            "spacing_mm": facts.spacing_mm,
            "orientation": facts.orientation or None,
            "hu": facts.hu,
            "padding": facts.padding,
            "sha256": facts.sha256,
            "same_as": str(self.same_as) if self.same_as else None,
            "quality": facts.quality.as_json(),
        }


@dataclass(frozen=True)
class Report:
    """All scans, the worst first, the pages that show them, and what a training on them would miss.

    Attributes:
        scans: the worst first.
        pages: pictures of them.
        labels: scans of each class, usable or not, and patients where they are named or have several scans.
        warnings: what stands in the way of a training although each scan may be good, a line each.
    """

    scans: tuple[Checked, ...]
    pages: tuple[Path, ...] = ()
    labels: dict[str, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Scans of each mark, and how many are there twice."""
        found = Counter(one.mark for one in self.scans)
        return {**{mark: found[mark] for mark in reversed(MARKS)},
                "duplicates": sum(one.same_as is not None for one in self.scans)}  # fmt: skip

    @property
    def sound(self) -> bool:
        """Whether every scan can be read and none is refused."""
        return not any(one.mark in ("unreadable", "refuse") for one in self.scans)

    def as_json(self) -> dict[str, Any]:
        """Give everything as plain values."""
        return {
            "scans": [one.as_json() for one in self.scans],
            "summary": {"scans": len(self.scans), **self.counts},
            "labels": self.labels,
            "warnings": self.warnings,
            "pages": [str(page) for page in self.pages],
        }


def check_scans(
    sources: Sequence[str],
    project: Project,
    *,
    options: ReadOptions = ReadOptions(),  # noqa: B008 - it is frozen
    positive: str | None = None,
    pictures: Path | None = None,
    progress: Callable[[str], Progress] | None = None,
) -> Report:
    """Read every scan once and judge it. Memory does not grow with their number but for a line a scan.

    Args:
        sources: each a SOURCE, a scan, or a folder of scans without classes.
        project: where built-in sources lie.
        options: how DICOM series are read.
        positive: name of the abnormal class when the names are the user's own.
        pictures: folder to draw contact sheets into.
        progress: makes a progress function for the stage it is told.

    Raises:
        DataError: a source is not there or holds no scans.
        WorkError: pictures cannot be written.
    """
    listed = list_all(sources, project, positive, progress)
    entries = listed.scans
    tell = progress("checking scans") if progress else None
    found: list[Checked] = []
    with contact_sheet() as contact:
        work = ordered_map(lambda one: _check(one, options, with_picture=pictures is not None), entries, cores())
        for checked, image in work:
            if image is not None:
                contact.put(len(found), image)
            found.append(checked)
            if tell:
                tell(len(found), len(entries))
        found = _with_duplicates(found)
        found += [Checked(problem.path, error=problem.reason) for problem in listed.problems]
        order = sorted(range(len(found)), key=lambda number: MARKS.index(found[number].mark))
        pages = contact.draw(pictures, [(number, *_caption(found[number])) for number in order]) if pictures else ()
    scans = tuple(found[number] for number in order)
    usable = {one.path for one in scans if one.mark in ("ok", "warn")}
    return Report(scans, tuple(pages), listed.labels, (*listed.warnings, *listed.missing_classes(usable)))


def _check(listed: ListedScan, options: ReadOptions, *, with_picture: bool) -> tuple[Checked, Thumbnail | None]:
    path = listed.path
    entry = listed.entry
    class_name, label = (entry.class_name, entry.label) if entry else (None, None)
    try:
        scan = open_scan(path, replace(options, one_patient=entry is not None))
        volume = scan.decode()
    except ScanError as error:
        return Checked(path, error=str(error), class_name=class_name), None
    quality = assess(volume)
    facts = Facts(
        scan.sha256,
        volume.shape,
        volume.spacing_mm,
        volume.orientation,
        _range_hu(volume),
        padding_share(volume),
        quality,
    )
    in_hu = not any(finding.code in NOT_HU for finding in quality.findings)
    image = thumbnail(volume, in_hu=in_hu) if with_picture else None
    return Checked(path, facts, None, class_name, label=label, notes=scan.notes), image


def _range_hu(volume: Volume) -> tuple[float, float]:
    ends = (float(number) * volume.slope + volume.intercept for number in (volume.stored.min(), volume.stored.max()))
    low, high = sorted(ends)
    return low, high


def _with_duplicates(found: Sequence[Checked]) -> list[Checked]:
    """Add a finding to every scan that is there before, and to both where their labels contradict each other."""
    groups: dict[str, list[int]] = {}
    for number, one in enumerate(found):
        if one.facts:
            groups.setdefault(one.facts.sha256, []).append(number)
    result = list(found)
    for numbers in groups.values():
        for number in numbers:
            one = found[number]
            against = [
                found[n] for n in numbers if None not in (one.label, found[n].label) and found[n].label != one.label
            ]
            if against:
                result[number] = _duplicate(one, against[0], contradicts=True)
            elif number != numbers[0]:
                result[number] = _duplicate(one, found[numbers[0]], contradicts=False)
    return result


def _duplicate(one: Checked, other: Checked, *, contradicts: bool) -> Checked:
    text = f"every scan must be there once, this is the same as {other.path}"
    if contradicts:
        text += f", and in {one.class_name} here and {other.class_name} there"
    finding = Finding("duplicate", "refuse" if contradicts else "warn", text)
    assert one.facts is not None  # noqa: S101 - duplicates are told by their bytes
    facts = replace(one.facts, quality=one.facts.quality.with_findings(finding))
    return replace(one, facts=facts, same_as=other.path)


def _caption(one: Checked) -> tuple[str, Mark, str]:
    """Give name, mark and codes, or the error, for the picture."""
    reason = ", ".join(finding.code for finding in one.facts.quality.findings) if one.facts else one.error or ""
    return "/".join(one.path.parts[-2:]), one.mark, reason.removeprefix(f"{one.path}: ")


def finding_lines(one: Checked) -> Iterator[str]:
    """Give what a person reads below a scan's line."""
    if one.error:
        yield one.error
    if one.facts:
        yield from (f"{finding.level}: {finding.text}" for finding in one.facts.quality.findings)
    yield from one.notes

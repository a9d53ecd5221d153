"""A collection: duplicates, contradictions, classes, and a hash that knows content alone."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ctexp.config import ScanSettings
from ctexp.datasets.cache import ScanCache
from ctexp.datasets.collection import Collection, gather
from ctexp.datasets.entries import Entry, Problem
from ctexp.datasets.leakage import keep_to_sides
from ctexp.datasets.phantom import PhantomSettings, write_phantoms
from ctexp.errors import DataError

WORDS = ("normal", "abnormal")


@pytest.fixture
def entries(tmp_path: Path, write_scan: Callable[..., Path]) -> list[Entry]:
    """Four scans, normal and abnormal in turn."""
    return [
        Entry(write_scan(tmp_path / "data" / f"{number}.nii", number), number % 2, WORDS[number % 2], f"p{number}")
        for number in range(4)
    ]


@pytest.fixture
def collect(tmp_path: Path) -> Callable[..., Collection]:
    """A function that gathers entries of a source named `here`."""
    cache = ScanCache(tmp_path / "cache", ScanSettings(shape=(8, 8, 8)))
    return lambda entries, **options: gather("here", entries, cache, **options)


def copy_of(entry: Entry, name: str, **changes: object) -> Entry:
    """The same bytes under another name."""
    path = entry.path.with_name(name)
    path.write_bytes(entry.path.read_bytes())
    return replace(entry, path=path, **changes)  # type: ignore[arg-type]


def test_scans_carry_what_the_source_says(entries: list[Entry], collect: Callable[..., Collection]) -> None:
    """Path, label, class, patient and side pass through; scans are sorted by content."""
    sided = [replace(entry, side="validation") for entry in entries]
    collection = collect(sided, synthetic=True)
    found = {scan.path: (scan.label, scan.class_name, scan.patient, scan.side) for scan in collection.scans}
    assert found == {entry.path: (entry.label, entry.class_name, entry.patient, entry.side) for entry in sided}
    assert [scan.sha256 for scan in collection.scans] == sorted(scan.sha256 for scan in collection.scans)
    assert collection.class_counts == {"abnormal": 2, "normal": 2}
    assert (collection.source, collection.synthetic, collection.skipped) == ("here", True, ())


def test_hash_knows_neither_names_nor_order_nor_place(
    entries: list[Entry], collect: Callable[..., Collection], tmp_path: Path
) -> None:
    """The same scans and labels have the same hash under other names, in another folder, order and patients' names."""
    first = collect(entries)
    (tmp_path / "other").mkdir()
    moved = []
    for number, entry in enumerate(reversed(entries)):
        path = entry.path.rename(tmp_path / "other" / f"scan {number}.nii")
        moved.append(replace(entry, path=path, patient=f"other {number}", class_name="CT"))
    assert collect(moved).hash == first.hash
    assert len(first.hash) == 64


def test_hash_moves_with_a_byte_and_with_a_label(entries: list[Entry], collect: Callable[..., Collection]) -> None:
    """A changed byte, a changed label, and a missing scan are each another collection."""
    first = collect(entries).hash
    relabelled = [replace(entries[0], label=1, class_name="abnormal"), *entries[1:]]
    hashes = {first, collect(relabelled).hash, collect(entries[1:]).hash}
    with entries[0].path.open("ab") as stream:
        stream.write(b"\0")
    hashes.add(collect(entries).hash)
    assert len(hashes) == 4


def test_unreadable_scans_are_all_named(entries: list[Entry], collect: Callable[..., Collection]) -> None:
    """The count and a line for every bad file, with what listing found and the way out."""
    entries[1].path.write_bytes(b"no scan")
    entries[2].path.unlink()
    listed = Problem(Path("x.png"), "x.png: a scan must be .nii or .nii.gz")
    with pytest.raises(DataError) as caught:
        collect(entries, problems=[listed])
    head, *lines = str(caught.value).splitlines()
    assert head == "here: 3 of 5 files cannot be used; mend or remove them, or go on without them by --skip-bad"
    assert [line.split(": ")[0] for line in lines] == ["  x.png", f"  {entries[1].path}", f"  {entries[2].path}"]


def test_skip_bad_goes_on_and_tells(entries: list[Entry], collect: Callable[..., Collection]) -> None:
    """What is left out is kept as a list of problems."""
    entries[3].path.write_bytes(b"no scan")
    collection = collect(entries, skip_bad=True)
    assert len(collection.scans) == 3
    assert [problem.path for problem in collection.skipped] == [entries[3].path]


def test_duplicate_names_the_scan_it_repeats(entries: list[Entry], collect: Callable[..., Collection]) -> None:
    """A second copy is refused with the first one's name; left out, the collection is as without it."""
    again = copy_of(entries[0], "z-copy.nii")
    with pytest.raises(DataError, match=rf"{again.path}: every scan must be there once, same as {entries[0].path}$"):
        collect([again, *entries])
    kept = collect([again, *entries], skip_bad=True)
    assert kept == replace(collect(entries), skipped=kept.skipped)
    assert [problem.path for problem in kept.skipped] == [again.path]


def test_contradicting_copies_are_both_left_out(entries: list[Entry], collect: Callable[..., Collection]) -> None:
    """Where copies have different labels both are named, and neither label is believed."""
    again = copy_of(entries[0], "z-copy.nii", label=1, class_name="abnormal")
    with pytest.raises(DataError) as caught:
        collect([*entries, again])
    assert "labelled normal here and abnormal there" in str(caught.value)
    assert "labelled abnormal here and normal there" in str(caught.value)
    left = collect([*entries, again], skip_bad=True)
    assert {scan.path for scan in left.scans} == {entry.path for entry in entries[1:]}
    assert {problem.path for problem in left.skipped} == {entries[0].path, again.path}


def test_three_copies_of_which_one_contradicts(entries: list[Entry], collect: Callable[..., Collection]) -> None:
    """No copy is kept when any of them has another label, and each names one with another."""
    copies = [copy_of(entries[0], "x.nii"), copy_of(entries[0], "y.nii", label=1, class_name="abnormal")]
    left = collect([*entries, *copies], skip_bad=True)
    assert len(left.scans) == 3
    assert len(left.skipped) == 3
    said = sorted(problem.reason.rpartition(", and ")[2] for problem in left.skipped)
    assert said == ["labelled abnormal here and normal there", *["labelled normal here and abnormal there"] * 2]


@pytest.mark.parametrize(("label", "word"), [(0, "normal"), (1, "abnormal")])
def test_one_class_is_no_collection(
    label: int, word: str, entries: list[Entry], collect: Callable[..., Collection]
) -> None:
    """Scans of one class cannot teach a difference."""
    with pytest.raises(DataError, match=f"must hold scans of both classes, got 2 {word} scans"):
        collect([entry for entry in entries if entry.label == label])


def test_no_scans(entries: list[Entry], collect: Callable[..., Collection]) -> None:
    """An empty source, and one with no usable scan, say so."""
    with pytest.raises(DataError, match=r"^here: must hold scans \(NIfTI or DICOM\), found none"):
        collect([])
    for entry in entries:
        entry.path.write_bytes(b"no scan")
    with pytest.raises(DataError, match="both classes, got 0 no usable scans"):
        collect(entries, skip_bad=True)


def test_class_that_was_left_out_is_counted(entries: list[Entry], collect: Callable[..., Collection]) -> None:
    """Where leaving out what is bad leaves one class, the scans of the other are counted, and who says why."""
    for entry in entries:
        if entry.label == 1:
            entry.path.write_bytes(b"no scan")
    with pytest.raises(DataError) as caught:
        collect(entries, skip_bad=True)
    assert str(caught.value) == (
        "here: must hold scans of both classes, got 2 normal scans; --skip-bad left out 2 abnormal ones, "
        "`ctexp data check here` says why"
    )


@pytest.mark.slow
def test_copied_synthetic_scans_are_still_known_as_such(tmp_path: Path) -> None:
    """Drawn scans say so in their headers: copies without the file that marks the original are synthetic, too."""
    write_phantoms(tmp_path / "drawn", PhantomSettings(scans=2, size=48), processes=1)
    copies = []
    for number, path in enumerate(sorted((tmp_path / "drawn").glob("CT-*/*.nii.gz"))):
        copies.append(tmp_path / f"copy{number}.nii.gz")
        copies[-1].write_bytes(path.read_bytes())
    entries = [Entry(path, label, str(label), path.name) for label, path in enumerate(copies)]
    cache = ScanCache(tmp_path / "cache", ScanSettings(shape=(16, 16, 8)))
    for _ in range(2):  # the second time everything comes from the cache
        assert gather("copies", entries, cache).synthetic


def test_copies_of_two_patients_are_of_one(entries: list[Entry], collect: Callable[..., Collection]) -> None:
    """Who has the same bytes as somebody else is that person: what is left of both is one patient's."""
    again = copy_of(entries[0], "z-copy.nii", patient="p2")
    left = collect([*entries, again], skip_bad=True)
    of = {scan.path.name: scan.patient for scan in left.scans}
    assert of["0.nii"] == of["2.nii"] == "p0"
    assert (of["1.nii"], of["3.nii"]) == ("p1", "p3")
    torn = copy_of(entries[0], "z-copy.nii", patient="p2", label=1, class_name="abnormal")
    left = collect([*entries, torn], skip_bad=True)  # neither copy stays, and they are of one person all the same
    assert {scan.path.name: scan.patient for scan in left.scans} == {"1.nii": "p1", "2.nii": "p0", "3.nii": "p3"}


@pytest.mark.parametrize("names", [("a.nii", "z.nii"), ("z.nii", "a.nii")])
def test_of_copies_on_two_sides_the_judging_one_stays(
    names: tuple[str, str], entries: list[Entry], collect: Callable[..., Collection]
) -> None:
    """By side, not by name; what its person has on the side nearer to training goes where sides count, only there."""
    sides = [replace(entry, side="train", patient="p1" if entry is entries[1] else "p0") for entry in entries[:2]]
    train = replace(copy_of(entries[0], names[0]), side="train", patient="p1")
    test = replace(copy_of(entries[0], names[1]), side="test", patient="p2")
    rest = [replace(entry, side="test", patient="p2") for entry in entries[2:]]
    left = collect([*sides[1:], train, test, *rest], skip_bad=True)
    judging = {names[1]: "test", "2.nii": "test", "3.nii": "test"}
    assert {scan.path.name: scan.side for scan in left.scans} == {"1.nii": "train", **judging}
    kept = keep_to_sides(left)
    assert {scan.path.name: scan.side for scan in kept.scans} == judging
    assert keep_to_sides(kept) == kept
    reasons = {problem.path.name: problem.reason for problem in kept.skipped}
    assert reasons.keys() == {names[0], "1.nii"}
    assert reasons["1.nii"].endswith(
        "a patient must be on one side, copies show that patient p1 is on train and on test"
    )


def test_one_person_over_any_number_of_copies(entries: list[Entry], collect: Callable[..., Collection]) -> None:
    """Who is a copy of a copy of somebody who is tested teaches nothing, and of one side becomes one patient."""
    first, second, third, fourth = (replace(one, side="train") for one in entries)
    like_first = replace(copy_of(first, "x.nii"), patient="p2")
    like_third = replace(copy_of(entries[2], "y.nii"), side="test", patient="p9")
    fifth = replace(copy_of(second, "w.nii"), patient="p3")
    left = keep_to_sides(collect([first, second, third, fourth, like_first, like_third, fifth], skip_bad=True))
    assert {scan.path.name: (scan.side, scan.patient) for scan in left.scans} == {
        "y.nii": ("test", "p0"), "1.nii": ("train", "p1"), "3.nii": ("train", "p1")}  # fmt: skip

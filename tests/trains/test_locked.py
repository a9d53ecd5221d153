"""What a manifest says and must go no further: the labels of the locked test, and who the patients are."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

PATIENT = "ZYXWVU"


@dataclass(frozen=True)
class Told:
    """Two trainings: what each answered, its project's folder, and all that it printed."""

    answers: list[dict]
    folders: list[Path]
    printed: list[str]


@pytest.fixture(scope="module")
def told(scans: Path, program_in, tmp_path_factory: pytest.TempPathFactory) -> Told:
    """One collection with given sides, trained on twice; the second time two scans of the test have changed labels."""
    sides = ["train"] * 12 + ["validation"] * 4 + ["test"] * 4
    rows = []
    for word, name in (("normal", "CT-0"), ("abnormal", "CT-23")):
        for number, (path, side) in enumerate(zip(sorted((scans / name).iterdir()), sides, strict=True)):
            rows.append([str(path), word, f"{PATIENT}-{name}-{number}", side])
    found = Told([], [], [])
    for turned in (False, True):
        if turned:
            first, second = (next(row for row in rows if row[1] == word and row[3] == "test")
                             for word in ("normal", "abnormal"))  # fmt: skip
            first[1], second[1] = second[1], first[1]
        manifest = tmp_path_factory.mktemp("manifests") / "scans.csv"
        manifest.write_text("\n".join(",".join(row) for row in [["path", "label", "patient", "split"], *rows]) + "\n")
        program = program_in(tmp_path_factory.mktemp("project"))
        done = program("train", "--data", manifest, "--preset", "smoke", "--epochs", 1, "--folds", 2, "--json")
        found.answers.append(json.loads(done.stdout))
        found.folders.append(program.folder)
        found.printed.append(done.stdout + done.stderr)
    return found


def test_labels_of_the_locked_test_decide_nothing(told: Told) -> None:
    """With two of them exchanged folds, networks, calibration and all numbers are the same to the last bit."""
    one, other = told.answers
    assert one["metrics"]
    assert one["metrics"] == other["metrics"]
    assert one["data"]["hash"] != other["data"]["hash"]  # the change was seen


def test_who_the_patients_are_is_kept_nowhere(told: Told) -> None:
    """A manifest's patients are in no file of the project and in nothing that is printed."""
    for folder, printed in zip(told.folders, told.printed, strict=True):
        kept = [path for path in folder.rglob("*") if path.is_file()]
        assert any(path.name == "split.csv" for path in kept)
        assert [path for path in kept if PATIENT.encode() in path.read_bytes()] == []
        assert PATIENT not in printed

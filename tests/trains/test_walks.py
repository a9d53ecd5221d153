"""Every command that a page gives is typed as it stands there, or it is said what it needs and who tests it then."""

import re
import shlex
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

import nibabel as nib
import numpy as np
from helpers.dicom_series import slices, write
from helpers.pages import CHECKOUT, GENERATED, PAGES, commands_of

from ctexp.datasets.phantom import PhantomSettings, write_phantoms
from ctexp.presets import PRESETS

if TYPE_CHECKING:
    from conftest import Program

ELSEWHERE = {
    "ctexp data fetch mosmed": ("a download", "tests/mosmed/test_fetch.py"),
    "ctexp data fetch mosmed --from ~/Downloads/CT-0.zip --from ~/Downloads/CT-23.zip": (
        "the archives",
        "tests/mosmed/test_local.py",
    ),
    "ctexp data fetch mosmed --from https://mirror.example.org/mosmed": ("a mirror", "tests/mosmed/test_fetch.py"),
    "ctexp data fetch mosmed --from /data/COVID19_1110": ("all 1,110 scans", "tests/mosmed/test_local.py"),
    "ctexp data fetch mosmed --from /data/COVID19_1110 --out data/mosmed-full": (
        "all 1,110 scans",
        "tests/mosmed/test_local.py",
    ),
    "ctexp train --data data/mosmed-full --config published.toml": ("all 1,110 scans", "tests/trains/test_train.py"),
    "ctexp train --resume RUN_ID": ("a run that was interrupted", "tests/trains/test_resume.py"),
    "ctexp predict - --format csv": ("paths on standard input", "tests/trains/test_predict.py"),
    "ctexp serve": ("somebody who ends it", "tests/trains/service/test_others.py"),
    "ctexp serve --model ctexp@challenger --port 8081": ("somebody who ends it", "tests/trains/service/test_others.py"),
    "ctexp serve --token-file token --allow-host ct.example.org": (
        "somebody who ends it",
        "tests/trains/service/test_others.py",
    ),
    "ctexp train --folds 5": ("minutes", "tests/trains/test_folds.py"),
    "ctexp train --data scans/ --folds 5": ("minutes", "tests/trains/test_folds.py"),
    "ctexp train --folds 5 --repeats 2 --final ensemble": ("minutes", "tests/trains/test_folds.py"),
    "ctexp reproduce RUN --seeds 5": ("minutes", "tests/trains/test_reproduce.py"),
    "ctexp reproduce RUN_ID --seeds 5": ("minutes", "tests/trains/test_reproduce.py"),
    "ctexp sweep mine --data scans/ --resume": ("a minute", "tests/trains/test_sweep.py"),
    "ctexp sweep": ("an hour", "tests/trains/test_sweep.py"),
    "ctexp sweep --data scans/": ("an hour", "tests/trains/test_sweep.py"),
    "ctexp sweep training --trials 40": ("hours", "tests/trains/test_sweep_kinds.py"),
    "ctexp sweep --resume": ("a sweep that was interrupted", "tests/trains/test_sweep.py"),
    "ctexp sweep --algorithm hyperband": ("minutes", "tests/trains/test_sweep_kinds.py"),
    "ctexp sweep --folds 5": ("minutes", "tests/trains/test_sweep_kinds.py"),
    "ctexp sweep --ray ADDRESS": ("a cluster", "tests/trains/cluster/test_cluster.py"),
    "ctexp sweep --ray local": ("Ray", "tests/trains/cluster/test_cluster.py"),
    "ctexp sweep default --data /data/scans --ray 10.0.0.1:6379": ("a cluster", "tests/trains/cluster/test_cluster.py"),
}
"""What each needs, and the tests that see to that."""
SHORTER = {
    "sweep --trials 6": "sweep --trials 2",
    "sweep --resume --trials 40": "sweep --resume --trials 3",
}
"""What would take a study's time, and what takes a test's."""
OTHERWISE = {"ctexp models promote": 1, "ctexp models rollback": 2}
"""A challenger that is not shown to be as good is refused; then there is no earlier champion to go back to."""
STORY = ("tutorial.md", "README.md", "own-data.md", "mosmed.md", "evaluation.md", "explaining.md")
"""Pages whose commands build on each other, in this order; the others come after."""


def walk() -> list[tuple[str, str]]:
    """(page, command) of all pages, each command once."""
    pages = [page for page in PAGES if page != GENERATED and "CHANGELOG" not in page.name]
    place = {name: number for number, name in enumerate(STORY)}
    pages.sort(key=lambda page: (place.get(page.name, len(STORY)), str(page)))
    seen: dict[str, str] = {}
    for page in pages:
        for command in commands_of(page):
            seen.setdefault(command, page.relative_to(CHECKOUT).as_posix())
    return [(page, command) for command, page in seen.items()]


def typed(command: str, runs: list[str]) -> list[str]:
    """What is typed: placeholders filled in, and fewer trials than a study would take."""
    for long, short in SHORTER.items():
        command = command.replace(long, short)
    values = {"RUN": runs, "A": runs[:1], "B": runs[1:], "REF": ["ctexp@champion"], "SCANS": ["scans"],
              "SCAN": ["scan.nii.gz"], "RUN_ID": runs}  # fmt: skip
    taken = {word: iter(found) for word, found in values.items()}
    words = [next(taken[word]) if word in taken else word for word in shlex.split(command)[1:]]
    if "covid" in words:  # a collection whose classes have the user's own names
        words = [word.replace("scans/", "named/") for word in words]
    return [word.rstrip("/") for word in words]


def lay_out(folder: Path, scans: Path) -> None:
    """Put every file that the pages speak of into a project."""
    for classes in ({"normal": "CT-0", "abnormal": "CT-23"}, {"healthy": "CT-0", "covid": "CT-23"}):
        place = folder / ("scans" if "normal" in classes else "named")
        for name, given in classes.items():
            shutil.copytree(scans / given, place / name)
    for place in ("data/mosmed", "data/phantom"):
        shutil.copytree(scans, folder / place)
    for site in ("other", "other-site"):  # scans of another place are no copies of these
        write_phantoms(folder / site, PhantomSettings(scans=16, size=48, seed=77), processes=1)
    one = next((scans / "CT-23").glob("*.nii.gz"))
    shutil.copy(one, folder / "data/phantom/CT-23/study_0002.nii.gz")
    for name in ("scan.nii.gz", "other.nii.gz"):
        shutil.copy(one, folder / name)
    chest = nib.load(one)
    hu = chest.get_fdata().astype(np.int16)
    for name in ("series", "export", "LIDC-IDRI-0001"):
        write(folder / name, slices(hu=np.maximum(hu, -1024), affine=chest.affine))
    rows = [f"{path},{path.parent.name}" for path in sorted((folder / "scans").rglob("*.nii.gz"))]
    (folder / "manifest.csv").write_text("\n".join(["path,label", *rows]) + "\n")
    (folder / "mine.toml").write_text("seed = 3\n[network]\ndropout = 0.2\n[training]\nepochs = 3\npatience = 2\n")
    shutil.copytree(CHECKOUT / "sweeps", folder / "sweeps")
    shutil.copy(CHECKOUT / "sweeps" / "smoke.toml", folder / "sweeps" / "mine.toml")


def test_what_is_not_typed_is_in_a_page_and_tested_elsewhere() -> None:
    """Each command that the walk leaves out is one that a page gives, and the tests that it names type its options."""
    commands = {command for _, command in walk()}
    assert set(ELSEWHERE) - commands == set()
    for command, (_, place) in ELSEWHERE.items():
        tests = (CHECKOUT / place).read_text(encoding="utf-8")
        options = [word for word in shlex.split(command) if word.startswith("--")]
        assert [option for option in options if f'"{option}"' not in tests] == [], f"{command}: {place}"


def test_every_command_of_the_pages_can_be_typed(program: "Program", scans: Path) -> None:
    """In a project with small scans and presets of seconds, each command does its work, in the order of the pages."""
    lay_out(program.folder, scans)
    smoke = PRESETS["smoke"]
    tiny = replace(smoke, network=replace(smoke.network, filters=(4, 4, 4, 4)))
    lungs = replace(tiny, scan=replace(tiny.scan, geometry="lungs", resampling="area"))
    presets = {"default": lungs, "published": tiny, "whole": tiny}
    runs: list[str] = []
    seen: list[list[str]] = []
    with mock.patch.dict(PRESETS, presets):
        for page, command in walk():
            if command in ELSEWHERE:
                continue
            words = typed(command, runs)
            if words in seen:  # two pages' words for the same
                continue
            seen.append(words)
            done = program(*words, exit_code=OTHERWISE.get(command, 0))
            assert "Traceback" not in done.stderr, f"{page}: {command}\n{done.stderr}"
            if found := re.search(r"\(run ([0-9a-f]{32})\)", done.stderr + done.stdout):
                runs = [*runs, found[1]][:2]
    assert len(runs) == 2
    for name in ("scan.png", "chest.png", "card.html", "comparison.png"):
        assert (program.folder / name).stat().st_size > 1000
    assert len(list((program.folder / "why").iterdir())) >= 2

"""What the pages promise to whoever explains scans, or asks from Python."""

import csv
import io
import json
import re
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ctexp.cli.main import app

DOCS = Path(__file__).parents[2] / "docs"


def blocks(page: str) -> list[str]:
    """The indented blocks of a page that begin with an import."""
    text = (DOCS / page).read_text(encoding="utf-8")
    found = re.findall(r"(?:^    .*\n|^\n)+", text, flags=re.MULTILINE)
    codes = ["\n".join(line[4:] for line in block.splitlines()) for block in found]
    return [code.strip() for code in codes if re.search(r"^import ctexp$", code, flags=re.MULTILINE)]


@pytest.fixture
def project(trained, scans, monkeypatch: pytest.MonkeyPatch):
    """The folder of a finished training, with a scan of the name that the pages use."""
    monkeypatch.chdir(trained.program.folder)
    shutil.copy(sorted((scans / "CT-23").iterdir())[0], "scan.nii.gz")
    yield trained.program.folder
    Path("scan.nii.gz").unlink()


@pytest.mark.parametrize("page", ["predicting.md", "explaining.md"])
def test_python_of_a_page_runs_as_it_stands(project, page: str) -> None:
    """Each block is run; what it names afterwards is there, and is what the comments say."""
    codes = blocks(page)
    assert codes
    for code in codes:
        names: dict[str, object] = {}
        exec(code, names)  # noqa: S102 - the page's own
        if "answer" in names:
            answer = names["answer"]
            assert (answer.label == "abnormal") == (answer.abnormal >= answer.threshold)
            assert answer.quality.verdict in ("ok", "warn")
        else:
            explanation = names["explanation"]
            assert (explanation.heat.dtype.name, explanation.heat.ndim, explanation.method) == (
                "float32",
                3,
                "contrast",
            )
            assert len(explanation.cells) == 3


@pytest.mark.parametrize("method", ["contrast", "gradcam", "occlusion"])
def test_each_method_writes_its_two_files_once(project, method: str) -> None:
    """JSON and CSV name both files; explaining the scan again replaces them; the answer does not depend on it."""
    words = ["predict", "scan.nii.gz", "--explain", f"why-{method}", "--explain-method", method]
    (plain,) = json.loads(CliRunner().invoke(app, ["predict", "scan.nii.gz", "--format", "json"]).stdout)
    (said,) = json.loads(CliRunner().invoke(app, [*words, "--format", "json"]).stdout)
    (row,) = csv.DictReader(io.StringIO(CliRunner().invoke(app, [*words, "--format", "csv"]).stdout))
    assert said["explanation"]["method"] == method
    assert (said["explanation"]["heat_map"], said["explanation"]["picture"]) == (row["heat_map"], row["picture"])
    assert said["abnormal"] == plain["abnormal"] == float(row["abnormal"])
    written = {path.as_posix() for path in Path(f"why-{method}").iterdir()}
    assert written == {row["heat_map"], row["picture"]}

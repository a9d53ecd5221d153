"""`ctexp data fetch mosmed` from a server: whole classes or nothing, checked, and never fetched twice."""

import hashlib
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.mosmed_site import SUBSET, Web, held, left_behind, record, serve, subset, zipped
from typer.testing import Result

from ctexp.datasets.folders import list_folder
from ctexp.datasets.mosmed import NOTICE, find_origins

Run = Callable[..., Result]


class TestFetch:
    """From a mirror, into the project."""

    def test_a_fetched_collection(self, web: Web, fetch: Run, scans: Callable[..., Path], tmp_path: Path) -> None:
        """Scans and record appear in `data/mosmed`; the licence comes first, on stderr; it is a collection."""
        zips = subset(scans)
        done = fetch("--from", serve(web, zips))
        assert done.exit_code == 0, done.stderr
        out = tmp_path / "data/mosmed"
        assert done.stdout == f"{out}: CT-0 2 scans, CT-23 2 scans\n"
        assert done.stderr.startswith(NOTICE)
        assert held(out) == SUBSET
        assert (out / "CT-23/study_0002.nii.gz").read_bytes() == (
            tmp_path / "made/CT-23/study_0002.nii.gz"
        ).read_bytes()
        assert len(list_folder(out)[0]) == 4
        entry = record(out)["CT-0.zip"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:]{8}\+00:00", str(entry.pop("date")))
        assert entry == {
            "address": f"{web.base}/CT-0.zip",
            "name": "CT-0.zip",
            "size": len(zips["CT-0"]),
            "sha256": hashlib.sha256(zips["CT-0"]).hexdigest(),
            "insisted": False,
            "scans": {"CT-0": 2},
        }
        assert left_behind(tmp_path / "data") == set()

    def test_the_second_time_nothing_is_downloaded(self, web: Web, fetch: Run, scans: Callable[..., Path]) -> None:
        """What is there is said to be there, under the same notice and with the same answer."""
        base = serve(web, subset(scans))
        first = fetch("--from", base)
        requests = list(web.log)
        second = fetch("--from", base)
        assert web.log == requests
        assert second.exit_code == 0
        assert second.stdout == first.stdout
        assert second.stderr.startswith(NOTICE)
        assert "CT-0.zip: is there (CT-0 2 scans)" in second.stderr

    def test_published_addresses_are_the_default(self) -> None:
        """Without `--from`, the two files of the release."""
        release = "https://github.com/hasibzunair/3D-image-classification-tutorial/releases/download/v0.2"
        assert [origin.place for origin in find_origins([])] == [f"{release}/CT-0.zip", f"{release}/CT-23.zip"]

    def test_one_that_fails(self, web: Web, fetch: Run, scans: Callable[..., Path], tmp_path: Path) -> None:
        """While a class is missing there is no collection; what came is not fetched again, from a mirror neither."""
        zips = subset(scans)
        base = serve(web, {"CT-0": zips["CT-0"]})
        done = fetch("--from", base)
        assert done.exit_code == 1
        assert done.stdout == ""
        assert done.stderr.splitlines()[-1].startswith(
            f"error: {base}/CT-23.zip: must be a file, the server answered 4"
        )
        assert not (tmp_path / "data/mosmed").exists()
        done = fetch("--from", serve(web, zips, "/mirror"))
        assert done.exit_code == 0, done.stderr
        assert [path for path, _ in web.log] == ["/CT-0.zip", "/CT-23.zip", "/mirror/CT-23.zip"]
        assert held(tmp_path / "data/mosmed") == SUBSET

    def test_nothing_is_left_of_what_never_began(self, web: Web, fetch: Run, tmp_path: Path) -> None:
        """After a 404 there is nothing to clean up."""
        assert fetch("--from", web.base, "--out", tmp_path / "here/mosmed").exit_code == 1
        assert left_behind(tmp_path / "here") == set()
        assert not (tmp_path / "here/mosmed").exists()

    @pytest.mark.parametrize("fault", ["traversal", "checksum", "no zip"])
    def test_a_bad_download_is_removed(
        self, web: Web, fetch: Run, scans: Callable[..., Path], tmp_path: Path, fault: str
    ) -> None:
        """A server's bad archive is the server's fault: exit 1, one line, and not found again by the next fetch."""
        zips = subset(scans)
        bad = bytearray(zips["CT-0"])
        if fault == "traversal":
            bad = bad.replace(b"CT-0/study_0001.nii.gz", b"CT-0/../../../a.nii.gz")
        elif fault == "checksum":
            bad[60] ^= 255
        else:
            bad = bad[:-30]
        base = serve(web, zips | {"CT-0": bytes(bad)})
        done = fetch("--from", base)
        assert done.exit_code == 1
        assert done.stderr.splitlines()[-1].startswith("error: CT-0.zip: ")
        assert done.stderr.endswith("; the download was removed\n")
        assert left_behind(tmp_path / "data") == set()
        assert not list(tmp_path.rglob("a.nii.gz"))
        serve(web, zips)
        assert fetch("--from", base).exit_code == 0


class TestChecksums:
    """Pinned at the first fetch, or given."""

    def test_another_file_at_the_same_address(
        self, web: Web, fetch: Run, scans: Callable[..., Path], tmp_path: Path
    ) -> None:
        """A class that was removed is fetched again, but only the same; or what the user now insists on."""
        base = serve(web, subset(scans))
        out = tmp_path / "mosmed"
        assert fetch("--from", base, "--out", out).exit_code == 0
        (out / "CT-0").rename(tmp_path / "old")
        other = zipped(scans("other", {"CT-0": 1}) / "CT-0", inside="CT-0/")
        same = serve(web, {"CT-0": other})
        done = fetch("--from", same, "--out", out)
        assert done.exit_code == 1
        assert "has changed at its source" in done.stderr
        assert held(out) == {"CT-23": 2}
        given = f"CT-0.zip={hashlib.sha256(other).hexdigest()}"
        assert given in done.stderr
        done = fetch("--from", same, "--out", out, "--sha256", given)
        assert done.exit_code == 0, done.stderr
        assert held(out) == {"CT-0": 1, "CT-23": 2}
        assert record(out)["CT-0.zip"]["insisted"] is True
        assert record(out)["CT-23.zip"]["insisted"] is False

    def test_a_given_checksum(self, web: Web, fetch: Run, scans: Callable[..., Path], tmp_path: Path) -> None:
        """Another file than the one insisted on is refused, before and after it was fetched."""
        base = serve(web, subset(scans))
        wrong = f"CT-0.zip={'0' * 64}"
        done = fetch("--from", base, "--sha256", wrong)
        assert done.exit_code == 1
        assert f"CT-0.zip: SHA-256 must be {'0' * 64} as --sha256 says, got " in done.stderr
        assert left_behind(tmp_path / "data") == set()
        assert fetch("--from", base).exit_code == 0
        assert fetch("--from", base, "--sha256", wrong).exit_code == 2

    def test_what_cannot_be_compared_is_not_called_right(
        self, web: Web, fetch: Run, scans: Callable[..., Path], tmp_path: Path
    ) -> None:
        """Scans that lie there from elsewhere have no archive to compare: with --sha256 that is an error."""
        base = serve(web, subset(scans))
        out = tmp_path / "mosmed"
        assert fetch("--from", base, "--out", out).exit_code == 0
        moved = serve(web, subset(scans), "/elsewhere")
        done = fetch("--from", moved, "--out", out, "--sha256", f"CT-0.zip={'0' * 64}")
        assert done.exit_code == 2
        assert (
            "--sha256 CT-0.zip: must be compared with what is fetched, but CT-0 is there from elsewhere" in done.stderr
        )
        assert fetch("--from", moved, "--out", out).exit_code == 0

    @pytest.mark.parametrize(
        ("typed", "says"),
        [
            ("CT-0.zip", "must be NAME=HEX with 64 hexadecimal digits, got CT-0.zip"),
            ("CT-0.zip=12", "must be NAME=HEX with 64 hexadecimal digits"),
            (f"CT-1.zip={'a' * 64}", "must name a file that is fetched, these are CT-0.zip, CT-23.zip"),
        ],
    )
    def test_what_is_no_checksum(self, fetch: Run, typed: str, says: str) -> None:
        """A mistyped checksum is told before anything is fetched."""
        done = fetch("--sha256", typed)
        assert done.exit_code == 2
        assert says in done.stderr

"""`ctexp data fetch mosmed --from` files and folders at hand."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.mosmed_site import FULL, SUBSET, Web, held, left_behind, record, serve, subset, zipped
from typer.testing import Result

from ctexp.datasets.mosmed import NOTICE

Run = Callable[..., Result]


class TestLocal:
    """What lies on this disk already."""

    @pytest.mark.parametrize("form", ["zips", "folder of zips", "folder", "class folders"])
    def test_the_subset(self, fetch: Run, scans: Callable[..., Path], tmp_path: Path, form: str) -> None:
        """Two zips, a folder with them, an unpacked folder, two class folders: the same collection."""
        for kind, data in subset(scans).items():
            (tmp_path / f"{kind}.zip").write_bytes(data)
        made = tmp_path / "made"
        words = {
            "zips": ["--from", tmp_path / "CT-0.zip", "--from", tmp_path / "CT-23.zip"],
            "folder of zips": ["--from", tmp_path],
            "folder": ["--from", made],
            "class folders": ["--from", made / "CT-0", "--from", made / "CT-23"],
        }[form]
        out = tmp_path / "here/mosmed"
        done = fetch(*words, "--out", out)
        assert done.exit_code == 0, done.stderr
        assert held(out) == SUBSET
        assert done.stderr.startswith(NOTICE)
        again = fetch(*words, "--out", out)
        assert again.exit_code == 0
        assert "is there (" in again.stderr
        assert held(made) == SUBSET

    @pytest.mark.parametrize("form", ["folder", "zip", "address"])
    def test_the_full_layout(
        self,
        web: Web,
        fetch: Run,
        scans: Callable[..., Path],
        tmp_path: Path,
        form: str,
        write_scan: Callable[..., Path],
    ) -> None:
        """`studies/CT-0` to `CT-4` with `masks` beside them: all classes, no mask."""
        scans("full/studies", FULL)
        write_scan(tmp_path / "full/masks/CT-1/study_0001_mask.nii.gz")
        (tmp_path / "full/README_EN.md").write_text("x")
        data = zipped(tmp_path / "full", inside="MosMedData/")
        (tmp_path / "full.zip").write_bytes(data)
        web.files["/full.zip"] = data
        source = {"folder": tmp_path / "full", "zip": tmp_path / "full.zip", "address": f"{web.base}/full.zip"}[form]
        done = fetch("--from", source)
        assert done.exit_code == 0, done.stderr
        assert held(tmp_path / "data/mosmed") == FULL
        assert "is there (CT-0 2 scans, CT-1 3 scans" in fetch("--from", source).stderr

    def test_scans_are_linked(self, fetch: Run, scans: Callable[..., Path], tmp_path: Path) -> None:
        """On the same disk a scan takes no room twice, and stays when the folder it came from is removed."""
        made = scans("made", SUBSET, ".nii")
        (made / "CT-0/also.nii").symlink_to(made / "CT-0/study_0001.nii")
        assert fetch("--from", made).exit_code == 0
        new = tmp_path / "data/mosmed/CT-0/study_0001.nii"
        assert new.samefile(made / "CT-0/study_0001.nii")
        assert not (tmp_path / "data/mosmed/CT-0/also.nii").is_symlink()

    def test_scans_are_copied_where_they_cannot_be_linked(
        self, fetch: Run, scans: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """From another disk they are copied."""

        def refuse(*_: object) -> None:
            raise OSError(18, "Invalid cross-device link")

        monkeypatch.setattr(os, "link", refuse)
        made = scans("made", SUBSET)
        assert fetch("--from", made).exit_code == 0
        new = tmp_path / "data/mosmed/CT-0/study_0001.nii.gz"
        assert new.read_bytes() == (made / "CT-0/study_0001.nii.gz").read_bytes()
        assert not new.samefile(made / "CT-0/study_0001.nii.gz")

    def test_a_hand_made_class_is_left(self, web: Web, fetch: Run, scans: Callable[..., Path], tmp_path: Path) -> None:
        """A class that the user unpacked is kept and told; an empty folder does not count as one."""
        out = scans("data/mosmed", {"CT-0": 1})
        (out / "CT-23").mkdir()
        done = fetch("--from", serve(web, subset(scans)))
        assert done.exit_code == 0, done.stderr
        assert "CT-0.zip: is there, from elsewhere (CT-0 1 scans); it is left as it is" in done.stderr
        assert held(out) == {"CT-0": 1, "CT-23": 2}
        assert [path for path, _ in web.log] == ["/CT-23.zip"]
        assert left_behind(tmp_path / "data") == set()

    def test_what_does_not_go_together(self, web: Web, fetch: Run, scans: Callable[..., Path], tmp_path: Path) -> None:
        """The full set beside the subset would hold scans twice."""
        out = tmp_path / "mosmed"
        assert fetch("--from", serve(web, subset(scans)), "--out", out).exit_code == 0
        scans("severe/studies", {"CT-2": 1, "CT-4": 1})
        done = fetch("--from", tmp_path / "severe", "--out", out)
        assert done.exit_code == 2
        assert "CT-23 came from elsewhere (and CT-23 is made of CT-2 and CT-3); give another --out" in done.stderr
        requests = len(web.log)
        done = fetch("--from", f"{web.base}/all.zip", "--out", out)
        assert done.exit_code == 2
        assert "must be empty for all.zip, whose classes cannot be told beforehand, it has CT-0, CT-23" in done.stderr
        assert len(web.log) == requests
        assert held(out) == SUBSET

    def test_an_unfinished_fetch_gives_way(
        self, web: Web, fetch: Run, scans: Callable[..., Path], tmp_path: Path
    ) -> None:
        """Who gives up downloading and takes a folder instead is not held up by what had come."""
        assert fetch("--from", serve(web, {"CT-0": subset(scans)["CT-0"]})).exit_code == 1
        scans("full/studies", FULL)
        done = fetch("--from", tmp_path / "full")
        assert done.exit_code == 0, done.stderr
        assert held(tmp_path / "data/mosmed") == FULL
        assert list(record(tmp_path / "data/mosmed")) == ["full"]

    def test_removed_scans_are_noticed(self, fetch: Run, scans: Callable[..., Path], tmp_path: Path) -> None:
        """A class that has lost scans since is not said to be there."""
        made = scans("made", SUBSET)
        fetch("--from", made)
        (tmp_path / "data/mosmed/CT-0/study_0001.nii.gz").unlink()
        done = fetch("--from", made)
        assert done.exit_code == 2
        assert "CT-0: must hold the 2 scans that were fetched, it has 1; remove the folder" in done.stderr

    @pytest.mark.parametrize(
        ("typed", "code", "says"),
        [
            ("nothing", 2, "--from nothing: must be an address, a zip or a folder: No such file or directory"),
            ("loop", 2, "--from loop: must be an address, a zip or a folder: "),
            ("text.zip", 2, "text.zip: must be a zip that can be read: File is not a zip file"),
            ("empty", 2, "empty: must hold scans (.nii or .nii.gz) in class folders, it has none"),
            ("odd", 2, "odd/a.nii: a scan must lie in a class folder (CT-0, "),
            ("gone", 2, "gone/CT-0/a.nii: No such file or directory"),
            ("device", 2, "a scan must be a file, this is something else"),
            ("twice", 2, "CT-0/a.nii would get the same name CT-0/a.nii"),
            ("data/mosmed", 2, "must be another folder than the one to fetch into"),
            ("ftp://host/mosmed", 2, "an address must be http or https, got ftp"),
            ("https://", 2, "an address must name a host"),
            ("https://host:99999999/", 2, "must be an address that can be read"),
            ("https://me:secret@host/", 2, "must be without user name and password, got one for host"),
        ],
    )
    def test_what_cannot_be_fetched(
        self, fetch: Run, tmp_path: Path, write_scan: Callable[..., Path], typed: str, code: int, says: str
    ) -> None:
        """Each is one line, and nothing is left."""
        (tmp_path / "loop").symlink_to("loop")
        (tmp_path / "text.zip").write_text("hello")
        (tmp_path / "empty").mkdir()
        write_scan(tmp_path / "odd/a.nii")
        for kind, target in (("gone", "nowhere"), ("device", "/dev/null")):
            (tmp_path / kind / "CT-0").mkdir(parents=True)
            (tmp_path / kind / "CT-0/a.nii").symlink_to(target)
        write_scan(tmp_path / "twice/CT-0/a.nii")
        write_scan(tmp_path / "twice/other/CT-0/a.nii")
        (tmp_path / "data/mosmed").mkdir(parents=True)
        done = fetch("--from", typed)
        assert done.exit_code == code
        assert says in done.stderr.splitlines()[-1]
        assert "secret" not in done.stderr
        assert left_behind(tmp_path / "data") == set()

    def test_two_sources_of_one_class(self, fetch: Run, scans: Callable[..., Path], tmp_path: Path) -> None:
        """Of two folders with the same class neither is taken in silence."""
        one, two = scans("one", {"CT-0": 1}), scans("two", {"CT-0": 1})
        done = fetch("--from", one, "--from", two)
        assert done.exit_code == 2
        assert "two: must bring classes that are not there yet, CT-0 came from elsewhere" in done.stderr

    @pytest.mark.parametrize("text", ["", "[]", '{"sources": [{"address": 1}]}', '{"sources": 3}'])
    def test_a_damaged_record(self, fetch: Run, scans: Callable[..., Path], tmp_path: Path, text: str) -> None:
        """A record that cannot be read is not overwritten."""
        (tmp_path / "data/mosmed").mkdir(parents=True)
        (tmp_path / "data/mosmed/source.json").write_text(text)
        done = fetch("--from", scans("made", SUBSET))
        assert done.exit_code == 2
        assert "source.json: must be the record that a fetch wrote" in done.stderr
        assert (tmp_path / "data/mosmed/source.json").read_text() == text

    def test_a_place_that_cannot_be_one(self, fetch: Run, scans: Callable[..., Path], tmp_path: Path) -> None:
        """A file where the folder should be, or above it."""
        (tmp_path / "file").touch()
        made = scans("made", SUBSET)
        assert fetch("--from", made, "--out", tmp_path / "file").exit_code == 2
        done = fetch("--from", made, "--out", tmp_path / "file/mosmed")
        assert done.exit_code == 1
        assert "must be readable and writable" in done.stderr

    def test_a_place_whose_surroundings_are_closed(
        self, web: Web, fetch: Run, scans: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """In a mounted folder, or one whose parent cannot be written to, the work is done inside, hidden."""
        out = tmp_path / "disk"
        out.mkdir()
        monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path)
        zips = subset(scans)
        assert fetch("--from", serve(web, {"CT-0": zips["CT-0"]}), "--out", out).exit_code == 1
        assert left_behind(out) == {".fetch"}
        assert fetch("--from", serve(web, zips), "--out", out).exit_code == 0
        assert held(out) == SUBSET
        assert left_behind(out) == left_behind(tmp_path) == set()

    def test_a_removed_class_comes_back_alone(self, fetch: Run, scans: Callable[..., Path], tmp_path: Path) -> None:
        """Of an archive of many classes only what is missing is put there again."""
        (tmp_path / "full.zip").write_bytes(zipped(scans("full/studies", FULL)))
        out = tmp_path / "data/mosmed"
        assert fetch("--from", tmp_path / "full.zip").exit_code == 0
        (out / "CT-1").rename(tmp_path / "away")
        (out / "CT-0/study_0001.nii.gz").write_bytes(b"mine")
        assert fetch("--from", tmp_path / "full.zip").exit_code == 0
        assert held(out) == FULL
        assert (out / "CT-0/study_0001.nii.gz").read_bytes() == b"mine"

    def test_out_may_be_a_link(self, fetch: Run, scans: Callable[..., Path], tmp_path: Path) -> None:
        """A link to a larger disk stays a link, and the work is done there."""
        (tmp_path / "disk").mkdir()
        (tmp_path / "mosmed").symlink_to(tmp_path / "disk", target_is_directory=True)
        assert fetch("--from", scans("made", SUBSET), "--out", tmp_path / "mosmed").exit_code == 0
        assert held(tmp_path / "disk") == SUBSET
        assert (tmp_path / "mosmed").is_symlink()

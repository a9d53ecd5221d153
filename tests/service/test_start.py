"""What `ctexp serve` refuses before it begins, and where its token comes from."""

import os
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from ctexp.cli.main import app
from ctexp.errors import ConfigError, WorkError
from ctexp.project import Project
from ctexp.service.limits import Limits
from ctexp.service.serve import Address, read_token, serve
from ctexp.service.work import Served

TOKEN = "0123456789abcdef" * 2


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--allow-host", "ct.example.org"), "--allow-host ct.example.org: needs a token where others can reach"),
        (("--host", "0.0.0.0"), "--host 0.0.0.0: needs a token where others can reach the service; set CTEXP_TOKEN"),
        (("--host", "0.0.0.0", "--allow-host", "ct.example.org"), "--host 0.0.0.0: needs a token"),
        (("--token-file", "none"), "--token-file none: must be a readable text file: "),
        (("--answer-seconds", "0"), "--answer-seconds: must be above 0 and at most 86400, got 0.0"),
        (("--body-seconds", "-1"), "--body-seconds: must be above 0 and at most 86400, got -1.0"),
        (("--workers", "0"), "--workers: must be from 1 to 64, got 0"),
    ],
)
def test_wrong_option_is_one_line(words, says, tmp_path) -> None:
    """It ends with exit code 2 and one line that names the option, before anything is bound, loaded or written."""
    done = CliRunner().invoke(app, ["serve", "--port", "0", *words])
    assert done.exit_code == 2
    assert done.stderr.startswith(f"error: {says}")
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "content", ["", "0123456789abcde", "01234567 89abcdef", f"{TOKEN}\n{TOKEN}", "ü" * 20, "0123456789abcdef\x1b[31m"]
)
def test_token_that_is_short_or_could_not_be_sent(content, tmp_path) -> None:
    """It is refused in one line with the rule, the file and the remedy, and without the token."""
    file = tmp_path / "token"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read_token(file)
    rule = "must be at least 16 ASCII characters without spaces"
    assert str(caught.value) == (
        f"--token-file {file}: {rule}, got {len(content)}; make one with `openssl rand -hex 32`"
    )


def test_token_file_that_cannot_be_read(tmp_path) -> None:
    """No file, a folder and a file that is no text are one line each."""
    (tmp_path / "bytes").write_bytes(b"\xff" * 32)
    for name in ("none", ".", "bytes"):
        file = tmp_path / name
        with pytest.raises(ConfigError) as caught:
            read_token(file)
        assert str(caught.value).startswith(f"--token-file {file}: must be a readable text file: ")
        assert "\n" not in str(caught.value)


def test_token_leaves_the_environment(tmp_path, monkeypatch) -> None:
    """Without a file it is `$CTEXP_TOKEN`; used or not, no worker and no library finds it there afterwards."""
    file = tmp_path / "token"
    file.write_text(f" {TOKEN[::-1]}\n")
    for given, read in ((None, TOKEN), (file, TOKEN[::-1])):
        monkeypatch.setenv("CTEXP_TOKEN", f"{TOKEN}\n")
        assert read_token(given) == read
        assert "CTEXP_TOKEN" not in os.environ
    assert read_token(None) is None
    monkeypatch.setenv("CTEXP_TOKEN", "short")
    with pytest.raises(ConfigError, match=r"^\$CTEXP_TOKEN: must be at least 16 ASCII characters"):
        read_token(None)
    assert "CTEXP_TOKEN" not in os.environ


@pytest.mark.slow
def test_a_version_that_no_worker_can_load_is_one_line(tmp_path, monkeypatch) -> None:
    """The service does not begin, and says which version and why."""
    served = Served("ctexp", "7", True, tmp_path / "nothing")
    monkeypatch.setattr("ctexp.service.current.Current", lambda project, reference: SimpleNamespace(served=served))
    with pytest.raises(WorkError) as caught:
        serve(Project(tmp_path), None, Address(port=0), limits=Limits(workers=1))
    assert str(caught.value).startswith("ctexp version 7: every worker must be able to load it: WorkError: ")
    assert "\n" not in str(caught.value)

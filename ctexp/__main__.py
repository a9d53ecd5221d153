"""`python -m ctexp`."""

from ctexp.cli.main import app

app(prog_name="ctexp")

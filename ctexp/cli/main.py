"""The program `ctexp`: its commands, its version, and the one place where an error becomes a line and an exit code."""

import contextlib
import io
import os
import sys
from typing import Annotated, Any

import typer

from ctexp import __version__
from ctexp.cli import data, evaluate, init, models, predict, reproduce, runs, serve, sweep, train
from ctexp.cli.group import PlainGroup, group
from ctexp.cli.usage import is_usage_error, usage_line
from ctexp.errors import CtexpError

DEBUG = "--debug"
_DEBUG_VARIABLE = "CTEXP_DEBUG"
INTERRUPTED = 130
"""What shells give a program that Ctrl-C ended (128 + SIGINT)."""


class CtexpGroup(PlainGroup):
    """Turns errors into one line on stderr; `--debug`, anywhere on the line, shows where they come from."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Take `--debug` out wherever it stands, so that it also works behind a command."""
        end = args.index("--") if "--" in args else len(args)
        if DEBUG in args[:end]:
            os.environ[_DEBUG_VARIABLE] = "1"
            args = [word for word in args[:end] if word != DEBUG] + args[end:]
        try:
            return super().parse_args(ctx, args)
        except Exception as error:
            raise _refusal(error) from error

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        if isinstance(sys.stdout, io.TextIOWrapper):  # names of files may be of any bytes; stderr spells them out, too
            with contextlib.suppress(OSError):
                sys.stdout.reconfigure(errors="backslashreplace")
        try:
            return super().invoke(ctx)
        except CtexpError as error:
            if os.environ.get(_DEBUG_VARIABLE):
                raise
            print(f"error: {error}", file=sys.stderr)
            raise typer.Exit(error.exit_code) from error
        except KeyboardInterrupt as error:
            print("interrupted", file=sys.stderr)
            raise typer.Exit(INTERRUPTED) from error
        except BrokenPipeError as error:  # the reader, `head` say, has had enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(1) from error
        except Exception as error:
            if isinstance(error, (typer.Exit, typer.Abort)) or hasattr(error, "show"):
                raise _refusal(error) from error
            if os.environ.get(_DEBUG_VARIABLE):
                raise
            words = " ".join(str(error).split())[:500]
            what = "store: must give and take what it is asked" if _is_of_the_store(error) else "unforeseen"
            print(f"error: {what}: {type(error).__name__}: {words}; {DEBUG} shows where", file=sys.stderr)
            raise typer.Exit(1) from error


def _is_of_the_store(error: Exception) -> bool:
    """Tell what MLflow, or the database below it, raises; neither is loaded for this."""
    return any(kind.__module__.partition(".")[0] in ("mlflow", "sqlalchemy") for kind in type(error).__mro__)


def _refusal(error: Exception) -> Exception:
    """Print what the option parser refused, and give the error that ends the program with its code."""
    if not is_usage_error(error):
        return error
    print(f"error: {usage_line(error)}", file=sys.stderr)
    return typer.Exit(getattr(error, "exit_code", 2))


app = group(
    "Train, track and ask networks that tell normal chest CT scans from viral pneumonia. "
    "Research software; not a medical device.",
    cls=CtexpGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"ctexp {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and end.")
    ] = False,
    debug: Annotated[bool, typer.Option(DEBUG, help="Show a traceback with an error.")] = False,
) -> None:
    """Take the options that stand before a command."""


app.command("init")(init.init)
app.command("train")(train.train)
app.command("sweep")(sweep.sweep)
app.command("predict")(predict.predict)
app.command("evaluate")(evaluate.evaluate)
app.command("reproduce")(reproduce.reproduce)
app.command("serve")(serve.serve)
app.add_typer(data.app, name="data")
app.add_typer(runs.app, name="runs")
app.add_typer(models.app, name="models")

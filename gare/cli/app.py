"""The edge of the command line: runs the command, turns every end into an exit code and a clear message.

Imports nothing heavy: `gare --version` costs little more than Python itself. Exit codes: docs/exit-codes.md.
"""

import gc
import os
import sys
from collections.abc import Sequence

from gare import __version__
from gare.errors import ConfigError, GareError, InternalError

USAGE = 2
INTERRUPTED = 130
READER_GONE = 141


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line and leave the process with its exit code."""
    sys.exit(run(list(sys.argv[1:] if argv is None else argv)))


def run(args: list[str]) -> int:
    """Run one command and return its exit code. Prints errors; raises nothing but SystemExit of a command."""
    if args == ["--version"]:
        sys.stdout.write(f"gare {__version__}\n")
        return 0
    _keep_printable()
    # What is imported stays: looking through it again and again for garbage takes a tenth of a command's time.
    gc.set_threshold(100_000)
    # pydantic asks every installed distribution for plugins otherwise: 15 to 40 ms of each command.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    try:
        return _command(args)
    except GareError as error:
        if isinstance(error, InternalError):
            return _report(_crash(error), args)
        return _report(error, args)
    except KeyboardInterrupt:
        return INTERRUPTED
    except EOFError:
        return _report(_end_of_input(), args)
    except BrokenPipeError:
        return _reader_gone()
    except Exception as error:  # noqa: BLE001 - the edge: people never see a traceback unasked
        return _report(_crash(error), args)


def _command(args: list[str]) -> int:
    """Run the command through click, whose own ends are turned into ours."""
    import click

    from gare.cli.group import gare

    if "_GARE_COMPLETE" in os.environ:
        gare.main(args, prog_name="gare")
    try:
        with gare.make_context("gare", args) as context:
            end = gare.invoke(context)
        sys.stdout.flush()
    except click.exceptions.Exit as asked:
        return asked.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        sys.stderr.write(error.format_message() + "\n")
        return USAGE
    except click.ClickException as error:
        return _report(_usage(error), args)
    except click.Abort as error:
        was_at_end = isinstance(error.__context__, EOFError)
        return _report(_end_of_input(), args) if was_at_end else INTERRUPTED
    return end if isinstance(end, int) and not isinstance(end, bool) else 0


def _usage(error: Exception) -> ConfigError:
    context = getattr(error, "ctx", None)
    message = error.format_message() if hasattr(error, "format_message") else str(error)
    hint = f"`{context.command_path} --help` says how it is called." if context else ""
    return ConfigError(message, hint=hint)


def _end_of_input() -> ConfigError:
    return ConfigError(
        "The input ended before a question was answered.",
        hint="Run it in a terminal, or give the answer as an option.",
    )


def _report(error: GareError, args: Sequence[str]) -> int:
    """Print an error for people, or as one JSON object when the command was asked for JSON."""
    from gare import masking
    from gare.cli.output import error_json, error_text

    if os.environ.get("GARE_DEBUG") == "1":
        import traceback

        sys.stderr.write(masking.current().apply("".join(traceback.format_exception(error))))
    own = args[: args.index("--")] if "--" in args else args
    text = error_json(error) if "--json" in own else error_text(error)
    sys.stderr.write(masking.current().apply(text) + "\n")
    return error.exit_code


def _crash(error: Exception) -> InternalError:
    """Keep the traceback in a file and return what to tell."""
    if isinstance(error, InternalError):
        what, told = error.what, error.hint
    else:
        what, told = f"Gare itself failed: {type(error).__name__}: {error}", ""
    from gare.cli.crash import keep_traceback

    kept = keep_traceback(error)
    hint = f"{told} This is a defect of Gare: please report it with this file.".strip()
    crash = InternalError(
        what, where=kept or "the traceback could not be kept; GARE_DEBUG=1 shows it", hint=hint
    )
    crash.__cause__ = error
    return crash


def _reader_gone() -> int:
    """Whoever read our output has left (`gare log … | head`): nothing more can be said, Python must not try."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return READER_GONE


def _keep_printable() -> None:
    """Print what the terminal's encoding lacks as an escape instead of failing on it."""
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="backslashreplace")

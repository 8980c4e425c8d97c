"""The edge of the command line: runs the command, turns every end into an exit code and a clear message.

Imports nothing heavy: `gare --version` costs little more than Python itself. Exit codes: docs/exit-codes.md.
"""

import os
import sys
from collections.abc import Sequence

from gare import __version__
from gare.errors import GareError, InternalError

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
    try:
        return _command(args)
    except GareError as error:
        if isinstance(error, InternalError):
            return _report(_crash(error), args)
        return _report(error, args)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        return _reader_gone()
    except Exception as error:  # noqa: BLE001 - the edge: people never see a traceback unasked
        return _report(_crash(error), args)


def _command(args: list[str]) -> int:
    import click

    from gare.cli.group import gare

    try:
        end = gare.main(args, prog_name="gare", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as error:
        sys.stderr.write(error.format_message() + "\n")
        return USAGE
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        where = context.command_path if context else ""
        return _report(_usage(error.format_message(), where), args)
    except click.Abort as error:
        return _aborted(error, args)
    except SystemExit as end_of_pipe:
        # click answers a closed pipe with exit 1 and has silenced stdout by then.
        if isinstance(end_of_pipe.__context__, BrokenPipeError):
            return _reader_gone()
        raise
    return end if isinstance(end, int) and not isinstance(end, bool) else 0


def _usage(message: str, where: str) -> GareError:
    from gare.errors import ConfigError

    return ConfigError(message, hint=f"`{where} --help` says how it is called." if where else "")


def _aborted(error: BaseException, args: list[str]) -> int:
    causes = (error.__cause__, error.__context__)
    if any(isinstance(cause, EOFError) for cause in causes):
        from gare.errors import ConfigError

        return _report(
            ConfigError(
                "The input ended before a question was answered.",
                hint="Run it in a terminal, or give the answer as an option.",
            ),
            args,
        )
    return INTERRUPTED


def _report(error: GareError, args: Sequence[str]) -> int:
    """Print an error for people, or as one JSON object when the command was asked for JSON."""
    from gare.cli.output import error_json, error_text

    if os.environ.get("GARE_DEBUG") == "1":
        import traceback

        sys.stderr.write("".join(traceback.format_exception(error)))
    own = args[: args.index("--")] if "--" in args else args
    sys.stderr.write((error_json(error) if "--json" in own else error_text(error)) + "\n")
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

"""Reads an XML report that a build made, as a stream: no tree, no entities, no network, bounded memory."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol
from xml.etree.ElementTree import ParseError

from gare.errors import StepFailed

MAX_BYTES = 512 * 1024 * 1024
MAX_DEPTH = 200
_CHUNK = 1024 * 1024


class WrongReport(Exception):
    """A reader's finding that the report is not of its kind: what, and what to do."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what, hint)
        self.what, self.hint = what, hint


class Handler(Protocol):
    """What a reader does with elements; names come without a namespace. May raise WrongReport."""

    def start(self, tag: str, attributes: Mapping[str, str], depth: int) -> None:
        """Take an opening tag; the root has depth 1."""

    def end(self, tag: str) -> None:
        """Take a closing tag."""


class _Target:
    """Counts depth and drops namespaces between the parser and a handler."""

    def __init__(self, handler: Handler) -> None:
        self._handler, self._depth = handler, 0

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise WrongReport(
                f"is nested deeper than {MAX_DEPTH} elements",
                "Look at the tool that wrote it.",
            )
        self._handler.start(tag.rpartition("}")[2], attributes, self._depth)

    def end(self, tag: str) -> None:
        self._depth -= 1
        self._handler.end(tag.rpartition("}")[2])

    def close(self) -> None:
        return None


def read(report: Path, kind: str, handler: Handler) -> None:
    """Stream `report` into `handler`; `kind` names the format for messages, such as `JUnit`.

    Raises StepFailed naming the file when it is absent, empty, too large, no XML, cut off or of another kind.
    """
    try:
        _check_size(report)
        _feed(report, handler)
    except OSError as error:
        raise _failed(report, kind, f"cannot be read: {error.strerror or error}", "") from error
    except WrongReport as error:
        raise _failed(report, kind, error.what, error.hint) from error
    except ParseError as error:
        raise _failed(report, kind, *_ill_formed(error)) from error
    except LookupError as error:
        raise _failed(
            report, kind, "is in an encoding that is not known", "Write UTF-8."
        ) from error
    except ValueError as error:  # defusedxml's refusals
        raise _failed(
            report,
            kind,
            f"holds what a report may not hold ({type(error).__name__})",
            "Entities and outside references are refused. Look at the tool that wrote it.",
        ) from error


def _check_size(report: Path) -> None:
    size = report.stat().st_size
    if not size:
        raise WrongReport("is empty", "Did the tool that writes it stop early? See its output.")
    if size > MAX_BYTES:
        raise WrongReport(
            f"is larger than {MAX_BYTES // 1024**2} MiB ({size / 1024**2:.0f} MiB)",
            "Leave the output of tests out of the report.",
        )


def _feed(report: Path, handler: Handler) -> None:
    from defusedxml.ElementTree import DefusedXMLParser

    parser = DefusedXMLParser(target=_Target(handler))
    with report.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            parser.feed(chunk)
    parser.close()


def _ill_formed(error: ParseError) -> tuple[str, str]:
    line, column = error.position
    reason = str(error).partition(":")[0]
    if reason in ("no element found", "unclosed token", "unclosed CDATA section"):
        return (
            f"is cut off at line {line}",
            "Did the tool that writes it stop early? See its output.",
        )
    return f"is no XML at line {line}, column {column + 1}: {reason}", (
        "Give the XML report, not the tool's other output."
    )


def _failed(report: Path, kind: str, what: str, hint: str) -> StepFailed:
    return StepFailed(f"The {kind} report `{report.name}` {what}.", where=str(report), hint=hint)

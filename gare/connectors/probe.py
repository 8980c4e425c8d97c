"""Ask a running service: is it healthy, and which version is it? Shared by the targets.

The settings say how to ask; `wait_for` asks again, less and less often, until the answer is right or time is up.
"""

import json
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, Discriminator, Field, Tag

from gare.connectors.process import cancel_watch, run
from gare.errors import ConfigError, StepFailed
from gare.polling import looks
from gare.settings import Command, Duration, Settings

_BODY_LIMIT = 1024 * 1024
_ASK_S = 10.0
_NAP_S = 2.0
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
Say = Callable[[str], None]


def _url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or re.search(r"\s", value):
        raise ValueError("write an address such as `http://127.0.0.1:8080/health`")
    if parts.username or parts.password:
        raise ValueError("an address must not hold a user name or password")
    return value


def _pattern(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"this is no regular expression: {error}") from error
    return value


Url = Annotated[str, AfterValidator(_url)]
Pattern = Annotated[str, AfterValidator(_pattern)]


class Patience(Settings):
    """How long and how often to ask."""

    timeout: Duration = timedelta(seconds=60)
    """Time until the answer must be right."""
    interval: Duration = timedelta(milliseconds=500)
    """First wait between two questions; it grows up to ten times."""


class HttpHealth(Patience):
    """Healthy when an address answers with a status."""

    url: Url
    status: Annotated[int, Field(ge=100, le=599)] = 200


class CommandHealth(Patience):
    """Healthy when a command ends with exit code 0."""

    command: Command


class HttpVersion(Patience):
    """The version is in the answer of an address."""

    url: Url
    key: str = ""
    """Path into a JSON answer, such as `version` or `app.version`; without it the whole answer is taken."""
    pattern: Pattern = ""
    """Regular expression; its first group (or the whole match) is the version."""


class CommandVersion(Patience):
    """The version is what a command prints."""

    command: Command
    pattern: Pattern = ""
    """Regular expression; its first group (or the whole match) is the version."""


def _way(value: Any) -> str | None:
    for way in ("url", "command"):
        if way in value if isinstance(value, Mapping) else hasattr(value, way):
            return way
    return None


def _either(example: str) -> Discriminator:
    return Discriminator(
        _way,
        custom_error_type="way_of_asking",
        custom_error_message=f"write how to ask: `url: {example}` or `command: …`",
    )


Health = Annotated[
    Annotated[HttpHealth, Tag("url")] | Annotated[CommandHealth, Tag("command")],
    _either("http://127.0.0.1:8080/health"),
]
VersionQuestion = Annotated[
    Annotated[HttpVersion, Tag("url")] | Annotated[CommandVersion, Tag("command")],
    _either("http://127.0.0.1:8080/version"),
]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where the commands of a question run."""

    cwd: Path
    env: Mapping[str, str]
    log: Path
    say: Say


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer to one question: right or not, the value found, and the evidence for people."""

    is_right: bool
    value: str
    evidence: str


def ask_health(health: HttpHealth | CommandHealth, around: Surroundings) -> Answer:
    """Ask once whether the service is healthy."""
    if isinstance(health, HttpHealth):
        status, _, trouble = _get(health.url, wants_body=False)
        answered = trouble or f"status {status}"
        return Answer(
            status == health.status, "", f"GET {health.url}: {answered}, wanted {health.status}"
        )
    try:
        finished = _run(health.command, around)
    except StepFailed as error:
        return Answer(False, "", str(error.what))
    return Answer(
        True, "", f"`{' '.join(health.command)}` ended with exit code {finished.exit_code}"
    )


def ask_version(
    question: HttpVersion | CommandVersion, around: Surroundings, expect: str = ""
) -> Answer:
    """Ask once which version runs. An answer that cannot be read is not right and has no value."""
    if isinstance(question, HttpVersion):
        status, body, trouble = _get(question.url, wants_body=True)
        asked = f"GET {question.url}"
        if trouble or status != 200:
            return Answer(False, "", f"{asked}: {trouble or f'status {status}'}")
        text = _pick(body, question.key)
    else:
        asked = f"`{' '.join(question.command)}`"
        try:
            text = "\n".join(_run(question.command, around).tail)
        except StepFailed as error:
            return Answer(False, "", str(error.what))
    found = _match(text, question.pattern) if text is not None else None
    if not found:
        return Answer(
            False, "", f"{asked}: no version in {(text if text is not None else body)[:200]!r}"
        )
    return Answer(not expect or found == expect, found, f"{asked}: {found}")


def wait_for(ask: Callable[[], Answer], patience: Patience, say: Say) -> Answer:
    """Ask until the answer is right or time is up; return the last answer, and say each that differs.

    Raises StepFailed when the run is cancelled meanwhile.
    """
    is_cancelled = cancel_watch()
    first_s = max(0.01, patience.interval.total_seconds())
    last = ""
    for left_s in looks(
        patience.timeout.total_seconds(),
        first_s=min(first_s, _NAP_S),
        longest_s=min(10 * first_s, _NAP_S),
    ):
        answer = ask()
        if answer.evidence != last:
            say(answer.evidence)
            last = answer.evidence
        if answer.is_right or left_s <= 0:
            break
        if is_cancelled():
            raise StepFailed("Waiting for the service was cancelled.", where=answer.evidence)
    return answer


def _run(command: tuple[str, ...], around: Surroundings) -> Any:
    return run(
        command,
        cwd=around.cwd,
        env=around.env,
        timeout_s=_ASK_S,
        log=around.log,
        say=lambda _line: None,
    )


def _get(url: str, *, wants_body: bool) -> tuple[int, str, str]:
    """Return status, body and what went wrong. Redirects are answers, not followed: a login page is no health."""
    import httpx

    # A proxy for the world outside must not be asked about this machine.
    is_here = urlsplit(url).hostname in _LOOPBACK
    try:
        with (
            httpx.Client(timeout=_ASK_S, trust_env=not is_here) as client,
            client.stream("GET", url, headers={"Cache-Control": "no-cache"}) as reply,
        ):
            body, trouble = _read(reply.iter_bytes()) if wants_body else ("", "")
            return reply.status_code, body, trouble
    except httpx.TimeoutException:
        return 0, "", f"no answer within {_ASK_S:g} s"
    except httpx.HTTPError as error:
        return 0, "", str(error) or type(error).__name__
    except httpx.InvalidURL as error:
        raise ConfigError(f"The address cannot be used: {error}.", where=url) from error


def _read(chunks: Iterable[bytes]) -> tuple[str, str]:
    """Return the body, or what is wrong with it: a service may stream for ever."""
    body, deadline = b"", time.monotonic() + _ASK_S
    for chunk in chunks:
        body += chunk
        if len(body) > _BODY_LIMIT:
            return "", f"an answer of more than {_BODY_LIMIT} bytes"
        if time.monotonic() > deadline:
            return "", f"no whole answer within {_ASK_S:g} s"
    return body.decode(errors="replace"), ""


def _pick(body: str, key: str) -> str | None:
    if not key:
        return body
    try:
        value = json.loads(body)
        for part in key.split("."):
            value = value[int(part)] if isinstance(value, list) else value[part]
    except (ValueError, KeyError, IndexError, TypeError):
        return None
    return value if isinstance(value, str) else json.dumps(value)


def _match(text: str, pattern: str) -> str | None:
    if not pattern:
        return text.strip()
    found = re.search(pattern, text)
    if not found:
        return None
    return (found.group(1) if found.re.groups else found.group(0)).strip()

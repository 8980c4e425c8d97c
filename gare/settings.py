"""The base of every configuration model and the value types they share.

Strict on purpose: unknown keys are errors, models do not change. A plugin's settings live in the plugin's
own file and derive from `Settings`.
"""

import re
import shlex
from datetime import timedelta
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
)

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")
_SHELL = re.compile(r"&&?|\|\|?|;|\d?>>?(&\d)?|<|\$\w+|\$\{\w+\}")
"""Words that mean something to a shell alone."""
_LONGEST = timedelta(days=36525)
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}


class Settings(BaseModel):
    """A section of a configuration file."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _duration(value: Any) -> Any:
    if isinstance(value, timedelta):
        return value
    if (
        isinstance(value, str)
        and (parts := _DURATION.findall(value))
        and not _DURATION.sub("", value).strip()
    ):
        seconds = sum(float(n) * _SECONDS[u] for n, u in parts)
        if seconds > _LONGEST.total_seconds():
            raise ValueError("write a shorter duration; 100 years are the longest")
        return timedelta(seconds=seconds)
    raise ValueError("write a duration with its unit, such as 30s, 5m, 2h, 3d or 1h30m")


def _spell_duration(value: timedelta) -> str:
    return f"{value.total_seconds():g}s"


def short_duration(value: timedelta) -> str:
    """Spell a length of time as people write it in a file: `90s`, `1h30m`, `2d`; exact to the second."""
    left, text = int(value.total_seconds()), ""
    for unit in ("d", "h", "m", "s"):
        count, left = divmod(left, int(_SECONDS[unit]))
        text += f"{count}{unit}" if count else ""
    return text or "0s"


def _command(value: Any) -> Any:
    if isinstance(value, str):
        try:
            words = shlex.split(value)
        except ValueError as error:
            raise ValueError(
                f"the command cannot be split into words ({error}); write a list of words"
            ) from error
        if not words:
            raise ValueError("write a command, such as `python -m pytest`, or a list of words")
        for word in words:
            if _SHELL.fullmatch(word):
                raise ValueError(
                    f"no shell runs it, so `{word}` would be a word for the program; write several commands, "
                    "or a list such as [sh, -c, '…']"
                )
        return words
    if isinstance(value, list) and not value:
        raise ValueError("write a command, such as `python -m pytest`, or a list of words")
    return value


Duration = Annotated[
    timedelta,
    BeforeValidator(_duration),
    PlainSerializer(_spell_duration),
    WithJsonSchema({"type": "string", "examples": ["30s", "5m", "2h", "3d"]}),
]
"""A length of time: digits and a unit (ms s m h d), such as `90s` or `1h30m`."""

Command = Annotated[
    tuple[str, ...],
    BeforeValidator(_command),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]
"""A command as words. A string is split like a shell would, but no shell ever runs: no pipes, no variables."""

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]
"""A short name for ids: lower case letters, digits, dot, dash, underscore."""

"""Secrets are references, never values: `$NAME` (environment variable) or `file:PATH`.

A resolved value is registered for masking before anybody can print it.
"""

import os
import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema

from gare import masking
from gare.errors import ConfigError

_ENV = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)")
_MAX_BYTES = 64 * 1024


def is_reference(text: str) -> bool:
    """Tell whether the text is a secret reference and not a plain value."""
    return bool(_ENV.fullmatch(text)) or (text.startswith("file:") and len(text) > len("file:"))


def _reference(value: str) -> str:
    if value and not is_reference(value):
        raise ValueError(
            "write where the secret is, such as `$SMTP_PASSWORD` (environment) or `file:/run/secrets/smtp`; "
            "secrets never stand in a configuration file"
        )
    return value


SecretRef = Annotated[
    str,
    AfterValidator(_reference),
    WithJsonSchema({"type": "string", "pattern": r"^(\$[A-Za-z_][A-Za-z0-9_]*|file:.+)?$"}),
]
"""A secret reference, or empty for none."""


def resolve(ref: str, *, base: Path | None = None) -> str:
    """Return the secret behind a reference and register it for masking; relative files start at `base`.

    A trailing line break of a file is not part of the secret. Raises ConfigError when it is missing or empty.
    """
    value = _read_env(ref) if ref.startswith("$") else _read_file(ref, base)
    masking.register(value)
    return value


def _read_env(ref: str) -> str:
    name = ref[1:]
    if value := os.environ.get(name, ""):
        return value
    state = "is empty" if name in os.environ else "is not set"
    raise ConfigError(
        f"The environment variable {name} {state}, and a secret is taken from it.",
        where=ref,
        hint=f"Set {name} where Gare's worker is started.",
    )


def _read_file(ref: str, base: Path | None) -> str:
    if not is_reference(ref):
        # The text may be a secret written by mistake: it is not repeated.
        raise ConfigError(
            "A secret is written as a value.", hint="Write a reference: `$NAME` or `file:PATH`."
        )
    path = Path(ref.removeprefix("file:")).expanduser()
    path = base / path if base else path
    try:
        with path.open(encoding="utf-8") as file:
            value = file.read(_MAX_BYTES).rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError(
            f"The secret file cannot be read: {reason}.",
            where=ref,
            hint="Create it, readable by the worker's user only.",
        ) from error
    if not value:
        raise ConfigError(
            "The secret file is empty.", where=ref, hint="Put the secret on its first line."
        )
    return value

"""Canonical JSON and SHA-256: one spelling per value, so that a digest can be computed anywhere."""

import hashlib
import json
from typing import Any


def canonical(value: Any) -> str:
    """Spell a JSON value in one way: sorted keys, no spaces, no NaN.

    Raises TypeError or ValueError for what JSON cannot hold.
    """
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def sha256(data: bytes | str) -> str:
    """Return `sha256:<hex>` of bytes, or of the UTF-8 of a text."""
    raw = data.encode() if isinstance(data, str) else data
    return "sha256:" + hashlib.sha256(raw).hexdigest()


def digest(value: Any) -> str:
    """Return `sha256:<hex>` of the canonical spelling of a JSON value."""
    return sha256(canonical(value))

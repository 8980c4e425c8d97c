"""Makes a short name (`gare.settings.Slug`) of any words."""

import re
import unicodedata


def slug(text: str) -> str:
    """Return lower-case letters, digits, dots, dashes and underscores of a text; empty when none is left."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9._-]+", "-", plain).strip("-._")[:63].rstrip("-._")

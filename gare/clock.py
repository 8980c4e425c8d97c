"""The station's clock: the machine's own, or one that a rehearsal or a simulation moves."""

import os
from datetime import UTC, datetime
from pathlib import Path

VARIABLE = "GARE_CLOCK"
"""Names a file with the instant it is (ISO 8601 with an offset). Not for a station that releases."""


def now() -> datetime:
    """Return the present instant, aware UTC."""
    file = os.environ.get(VARIABLE)
    if file is None:
        return datetime.now(UTC)
    return datetime.fromisoformat(Path(file).read_text("ascii").strip()).astimezone(UTC)

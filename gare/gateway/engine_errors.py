"""What the engine says, in words for callers: they know runs and requests, and nothing of its addresses."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from gare import masking
from gare.errors import (
    Conflict,
    ConnectorError,
    GareError,
    NotFound,
    Refused,
    Unavailable,
    UnexpectedReply,
)

_WHERE = "the engine"


@contextmanager
def asking_engine(unknown: GareError) -> Iterator[None]:
    """Tell its errors; `unknown` is what it means that the engine does not know something."""
    try:
        yield
    except Conflict:
        raise
    except NotFound:
        raise unknown from None
    except Refused as error:
        hint = "Correct the value and try again. Nothing was started."
        raise Refused(error.what, where=_WHERE, hint=hint) from None
    except Unavailable as error:
        _keep(error)
        raise Unavailable(
            "The engine does not answer now.",
            where=_WHERE,
            hint="Make the same call again, with the same idempotency key.",
        ) from None
    except ConnectorError as error:
        _keep(error)
        raise UnexpectedReply(
            "The engine answered something strange.",
            where=_WHERE,
            hint="The station's keeper finds more in gateway.log and server.log.",
        ) from None


def _keep(error: GareError) -> None:
    """Leave for the station's keeper what callers are not told."""
    print(masking.current().apply(f"engine: {error}"), file=sys.stderr, flush=True)  # noqa: T201

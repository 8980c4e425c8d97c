"""The sandbox for tests: in this process, on a real port, checked against the vendors' descriptions where they are."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from contract_tally import count

from gare.sandbox.clock import Clock
from gare.sandbox.host import Sandbox
from gare.sandbox.sockets import serving

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
MISSING = "the vendors' API descriptions are not here: name their folder in GARE_CONTRACTS"


def descriptions() -> Path | None:
    """Return the folder of the vendors' API descriptions: GARE_CONTRACTS, else ../shared/contracts."""
    beside = Path(__file__).parents[3] / "shared" / "contracts"
    folder = Path(os.environ.get("GARE_CONTRACTS", beside))
    return folder if (folder / "gitlab.json").is_file() else None


@dataclass(frozen=True)
class Served:
    """A sandbox that is up."""

    sandbox: Sandbox
    url: str

    def fail(self, kind: str, **how: Any) -> None:
        """Arm a failure."""
        self.sandbox.faults.arm({"kind": kind, **how}, self.sandbox.clock.now())

    def sent(self, method: str = "", path: str = "") -> list[str]:
        """Return what was asked for, as `METHOD /path`."""
        return [
            f"{entry.method} {entry.path}"
            for entry in self.sandbox.journal.entries(method=method)
            if path in entry.path
        ]

    def invalid(self) -> list[str]:
        """Return what the descriptions do not allow of all that was exchanged."""
        return [told for contract in self.sandbox.contracts.values() for told in contract.invalid]


@contextmanager
def sandboxed(
    vendors: Mapping[str, Any], *, clock: Clock | None = None, is_counted: bool = True
) -> Iterator[Served]:
    """Have a sandbox of these vendors; its clock stands still unless another is given.

    Not counted: a test that asks wrongly on purpose.
    """
    sandbox = Sandbox(
        {"vendors": vendors}, clock=clock or Clock.standing(START), descriptions=descriptions()
    )
    with serving(sandbox.app) as url:
        yield Served(sandbox, url)
    if is_counted:
        count(sandbox.contracts)

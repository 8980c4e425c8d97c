"""Lists of the engine's runs, read so that one which the server cannot tell of hides no other.

The server fails for a whole list when it cannot spell one run of it (an integer beyond 64 bits among the parameters,
say): it is asked for ever smaller parts then. A server that fails for many is broken, and is not asked on.
"""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from gare.errors import UnexpectedReply

PAGE = 200
"""As many as the server answers at once."""
_UNREADABLE = 5
"""Runs that a server may be unable to tell of before it counts as broken."""
Ask = Callable[[Mapping[str, Any]], "list[Run]"]
"""Asks the server for the runs of one filter. Raises UnexpectedReply when it fails."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run as the engine has it. `state_type` is one of Prefect's, such as RUNNING or PAUSED."""

    id: str
    name: str
    state_type: str
    state_name: str
    state_message: str
    since: datetime | None = None
    """When the engine gave it this state, by its own clock."""
    turn: int = 0
    """How often a process of it has begun to run (Prefect's run_count)."""

    @property
    def is_suspended(self) -> bool:
        """Whether it waits without a process."""
        return self.state_type == "PAUSED"

    @property
    def is_over(self) -> bool:
        """Whether the engine will not go on with it by itself."""
        return self.state_type in ("COMPLETED", "FAILED", "CANCELLED", "CRASHED")


class Listed(NamedTuple):
    """A list of runs, without those that the engine has and cannot tell of."""

    runs: list[Run]
    unreadable: int


def named(ask: Ask, run_ids: list[str]) -> dict[str, Run]:
    """Return the runs with these ids; those that the engine does not know are absent.

    One that it knows and cannot tell of has no state.
    """
    found, patience = dict[str, Run](), _Patience()
    for start in range(0, len(run_ids), PAGE):
        some = _named(ask, run_ids[start : start + PAGE], patience)
        found |= {run.id: run for run in some}
    return found


def every(ask: Ask, wanted: Mapping[str, Any]) -> Listed:
    """Return all runs of a filter."""
    found, patience = list[Run](), _Patience()
    for offset in itertools.count(0, PAGE):
        before = patience.unreadable
        page = _part(ask, wanted, offset, PAGE, patience)
        found += page
        if len(page) + patience.unreadable - before < PAGE:
            break
    return Listed(found, patience.unreadable)


class _Patience:
    """Counts the runs of a list that the server cannot tell of."""

    def __init__(self) -> None:
        self.unreadable = 0

    def is_single(self, error: UnexpectedReply, count: int) -> bool:
        """Tell whether the part that failed is a single run. Raises the error when there are too many."""
        if count > 1:
            return False
        self.unreadable += 1
        if self.unreadable > _UNREADABLE:
            raise error
        return True


def _named(ask: Ask, run_ids: list[str], patience: _Patience) -> list[Run]:
    try:
        return ask({"flow_runs": {"id": {"any_": run_ids}}, "limit": PAGE})
    except UnexpectedReply as error:
        if patience.is_single(error, len(run_ids)):
            return [Run(run_ids[0], "", "", "", error.what)]
    half = len(run_ids) // 2
    return [*_named(ask, run_ids[:half], patience), *_named(ask, run_ids[half:], patience)]


def _part(
    ask: Ask, wanted: Mapping[str, Any], offset: int, limit: int, patience: _Patience
) -> list[Run]:
    try:
        return ask({**wanted, "offset": offset, "limit": limit})
    except UnexpectedReply as error:
        if patience.is_single(error, limit):
            return []
    half = limit // 2
    return [
        *_part(ask, wanted, offset, half, patience),
        *_part(ask, wanted, offset + half, limit - half, patience),
    ]


def run_of(item: Mapping[str, Any]) -> Run:
    """Make a run of what the server says."""
    state = item.get("state") or {}
    return Run(
        id=item["id"],
        name=item["name"],
        state_type=state.get("type", ""),
        state_name=state.get("name", ""),
        state_message=state.get("message") or "",
        turn=item.get("run_count") or 0,
        since=datetime.fromisoformat(state["timestamp"]) if state.get("timestamp") else None,
    )

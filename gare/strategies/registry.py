"""Which strategies exist, by name. One line to add one."""

from collections.abc import Sequence
from importlib import import_module
from typing import Any, Protocol, cast

from gare.errors import ConfigError
from gare.ports.target import Abilities, Say, Shipment

STRATEGIES: dict[str, str] = {
    "replace": "gare.strategies.replace",
}


class Step(Protocol):
    """One move of a strategy, as data."""

    @property
    def words(self) -> str:
        """Say the step for people."""

    @property
    def may_fail(self) -> bool:
        """Tell whether the goal does not depend on this step."""


class Strategy(Protocol):
    """A module of gare/strategies: pure functions that give steps, and one that makes a step."""

    def plan(self, current: str, wanted: str, abilities: Abilities) -> Sequence[Step]:
        """Return the steps from one version (empty: none) to another; the same one: a change that was cut off."""

    def way_back(self, current: str, before: str, abilities: Abilities) -> Sequence[Step]:
        """Return the steps that put an earlier version (empty: none) back."""

    def undo(self, done: Sequence[Any], before: str, abilities: Abilities) -> Sequence[Step]:
        """Return the steps that undo a rollout cut short; `done` ends with the step that failed."""

    def apply(self, step: Any, target: Any, shipment: Shipment | None, say: Say) -> str:
        """Make one step and return its evidence, if it has any."""


def strategy(name: str) -> Strategy:
    """Import a strategy by its name."""
    if name not in STRATEGIES:
        raise ConfigError(
            f"There is no strategy `{name}`.", hint=f"Write one of: {', '.join(STRATEGIES)}."
        )
    return cast(Strategy, import_module(STRATEGIES[name]))

"""Strategy `replace`: the new version is put beside the old one and takes its place.

`plan`, `way_back` and `undo` are pure and say which moves lead where; `apply` makes one. gare/strategies/rollout.py
carries them out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from gare.errors import InternalError
from gare.ports.target import Abilities, ReplaceTarget, Say, Shipment


class Move(StrEnum):
    """One thing a target can do."""

    BRING_IN = "bring in"
    LINK_SHARED = "link shared"
    STOP = "stop"
    SWITCH = "switch"
    START = "start"
    RESTART = "restart"
    CHECK_HEALTH = "check health"


@dataclass(frozen=True, slots=True)
class ReplaceStep:
    """One move for one version. A step that `may_fail` is said and passed over: the goal does not depend on it."""

    move: Move
    version: str
    may_fail: bool = False

    @property
    def words(self) -> str:
        """Say the step for a plan."""
        version = self.version or "nothing"
        return {
            Move.BRING_IN: f"bring in {version}",
            Move.LINK_SHARED: f"link the shared paths into {version}",
            Move.STOP: f"stop {version}",
            Move.SWITCH: f"switch to {version}",
            Move.START: f"start {version}",
            Move.RESTART: f"restart into {version}",
            Move.CHECK_HEALTH: f"check the health of {version}",
        }[self.move]


def plan(current: str, wanted: str, abilities: Abilities) -> tuple[ReplaceStep, ...]:
    """Return the steps from the current version (empty: none) to the wanted one.

    `current == wanted` is a change that was cut off after its switch: the wanted version may or may not run already, so
    it is stopped first, and that may fail.
    """
    steps = [ReplaceStep(Move.BRING_IN, wanted)]
    if abilities.shared:
        steps.append(ReplaceStep(Move.LINK_SHARED, wanted))
    return (*steps, *_exchange(current, wanted, abilities, may_stop_fail=current == wanted))


def way_back(current: str, before: str, abilities: Abilities) -> tuple[ReplaceStep, ...]:
    """Return the steps that put an earlier version (empty: none) back; the current one may be broken already."""
    return _exchange(current, before, abilities, may_stop_fail=True)


def undo(done: Sequence[ReplaceStep], before: str, abilities: Abilities) -> tuple[ReplaceStep, ...]:
    """Return the steps that undo a rollout cut short; none when it never touched what runs.

    `done` has the failed step, too: it may have done a part of its work.
    """
    moves = {step.move for step in done}
    if Move.SWITCH in moves:
        return way_back(done[-1].version, before, abilities)
    if Move.STOP in moves and before and abilities.has_start:
        # When it was the stop that failed, the old version may still run and a second start may fail.
        is_unsure = done[-1].move is Move.STOP
        return (ReplaceStep(Move.START, before, may_fail=is_unsure), *_health(before, abilities))
    return ()


def apply(step: ReplaceStep, target: ReplaceTarget, shipment: Shipment | None, say: Say) -> str:
    """Make one move and return its evidence; only bringing in needs the `shipment`. Raises what the target does."""
    if step.move is Move.BRING_IN:
        if shipment is None:
            raise InternalError("A version is to be brought in, and there is nothing to bring.")
        target.bring_in(shipment, say)
    elif step.move is Move.CHECK_HEALTH:
        return target.check_health(say)
    else:
        moves = {
            Move.LINK_SHARED: target.link_shared,
            Move.STOP: target.stop,
            Move.SWITCH: target.switch,
            Move.START: target.start,
            Move.RESTART: target.restart,
        }
        moves[step.move](step.version, say)
    return ""


def _exchange(
    current: str, wanted: str, abilities: Abilities, *, may_stop_fail: bool
) -> tuple[ReplaceStep, ...]:
    can_restart = abilities.has_restart and bool(current) and bool(wanted)
    steps = []
    if current and abilities.has_stop and not can_restart:
        steps.append(ReplaceStep(Move.STOP, current, may_fail=may_stop_fail))
    steps.append(ReplaceStep(Move.SWITCH, wanted))
    if wanted and can_restart:
        steps.append(ReplaceStep(Move.RESTART, wanted))
    elif wanted and abilities.has_start:
        steps.append(ReplaceStep(Move.START, wanted))
    elif wanted and abilities.has_restart:
        steps.append(ReplaceStep(Move.RESTART, wanted))
    return (*steps, *_health(wanted, abilities))


def _health(version: str, abilities: Abilities) -> tuple[ReplaceStep, ...]:
    return (ReplaceStep(Move.CHECK_HEALTH, version),) if version and abilities.has_health else ()

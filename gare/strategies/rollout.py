"""Carry out a strategy on a target: every step in order; when one fails, the way back at once.

Any crash may happen between (or in) two steps: called again, it looks what is live and leads to the same end.
"""

from collections.abc import Iterable, Mapping, Sequence

from gare.errors import GareError, RolloutFailed, StepFailed
from gare.ports.target import Say, Shipment, Target
from gare.strategies.registry import Step, Strategy, strategy


def describe(target: Target, wanted: str) -> list[str]:
    """Say in words what a rollout of this version would do now; changes nothing."""
    way, current = strategy(target.strategy), target.live()
    return [
        step.words
        for step in way.plan("" if current == wanted else current, wanted, target.abilities)
    ]


def rollout(
    target: Target, shipment: Shipment, say: Say, good: Iterable[str] = (), *, stays: str = ""
) -> Mapping[str, str]:
    """Bring the shipment in and make it the running version; return the receipt.

    Complete before: the old receipt is returned and nothing happens. Versions in `good` are never pruned. Raises
    RolloutFailed after a way back (it says what is live), any other error when what runs was never touched. With
    `stays`, the reason why nothing may be put back, there is no way back: StepFailed.
    """
    with target.hold(say):
        if (receipt := target.look(shipment.version, shipment.files)) is not None:
            say(f"{shipment.version} is already live at {target.place}")
            _prune(target, good, say)
            return receipt
        current = target.live()
        # Cut off after its switch: what was live before is what the target remembers.
        before = target.previous() if current == shipment.version else current
        way, made = strategy(target.strategy), list[Step]()
        try:
            evidence = _make(
                way,
                way.plan(current, shipment.version, target.abilities),
                made,
                target,
                shipment,
                say,
            )
        except GareError as error:
            if stays:
                raise _left(error, stays, target) from error
            _return(way, made, before, error, target, shipment, say)
            raise
        receipt = {
            "place": target.place,
            "version": shipment.version,
            "previous": before,
            **evidence,
        }
        target.settle(shipment.version, receipt)
        _prune(target, good, say)
        return receipt


def revert(target: Target, version: str, say: Say) -> Mapping[str, str]:
    """Put a version that is still there back (empty: nothing shall run); return the receipt.

    Raises RolloutFailed, which says what is live, when the version is gone or a step of the way back fails.
    """
    with target.hold(say):
        live = target.live()
        if version and (receipt := target.look(version)) is not None:
            say(f"{version} is live at {target.place}")
            return receipt
        if version and version not in target.versions():
            raise RolloutFailed(
                f"Cannot go back to {version}: it is no longer there. {_live(target)}",
                where=target.place,
                hint=f"There are {', '.join(target.versions()) or 'no versions'}.",
            )
        way = strategy(target.strategy)
        try:
            evidence = _make(
                way, way.way_back(live, version, target.abilities), [], target, None, say
            )
        except GareError as error:
            raise RolloutFailed(
                f"Going back to {version or 'nothing'} failed: {error.what} {_live(target)}",
                where=error.where or target.place,
                hint=error.hint,
            ) from error
        # Cut off after its switch before: what it came from is what the target remembers.
        reverted = target.previous() if live == version else live
        receipt = {"place": target.place, "version": version, "reverted": reverted, **evidence}
        target.settle(version, receipt)
        return receipt


def _make(
    way: Strategy,
    steps: Sequence[Step],
    made: list[Step],
    target: Target,
    shipment: Shipment | None,
    say: Say,
) -> dict[str, str]:
    """Make the steps, keep each in `made` before it begins, and return the evidence by step."""
    evidence = {}
    for step in steps:
        made.append(step)
        try:
            found = way.apply(step, target, shipment, say)
        except GareError as error:
            if not step.may_fail:
                raise
            found = f"failed, and passed over: {error.what}"
            say(f"{step.words}: {found}")
        if found:
            evidence[step.words] = found
    return evidence


def _return(
    way: Strategy,
    made: Sequence[Step],
    before: str,
    error: GareError,
    target: Target,
    shipment: Shipment,
    say: Say,
) -> None:
    """Undo what was made and raise RolloutFailed; return when what runs was never touched."""
    steps = way.undo(made, before, target.abilities)
    if not steps:
        return
    reached = f"Deploying {shipment.version} failed at `{made[-1].words}`: {error.what}"
    say(f"{reached} Going back to {before or 'nothing'}.")
    try:
        evidence = _make(way, steps, [], target, None, say)
    except GareError as second:
        raise RolloutFailed(
            f"{reached} The way back failed, too: {second.what} {_live(target)}",
            where=second.where or target.place,
            hint="Look at the target now: what runs may not be what is switched to.",
        ) from error
    target.settle(
        before, {"place": target.place, "version": before, "reverted": shipment.version, **evidence}
    )
    raise RolloutFailed(
        f"{reached} {_live(target)}",
        where=error.where or target.place,
        hint=error.hint,
        is_back=True,
    ) from error


def _left(error: GareError, stays: str, target: Target) -> StepFailed:
    """Say that what failed is left as it is."""
    return StepFailed(
        f"{error.what} Nothing is put back: {stays} {_live(target)}",
        where=error.where or target.place,
        hint=f"It needs a person now. {error.hint}".strip(),
    )


def _prune(target: Target, good: Iterable[str], say: Say) -> None:
    try:
        target.prune(good, say)
    except GareError as error:
        # The version runs: old folders that stay are no reason to call that a failure.
        say(f"Old versions stay: {error}")


def _live(target: Target) -> str:
    live = target.live()
    return f"{live} is live." if live else "Nothing is live."

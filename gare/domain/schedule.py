"""Order of steps: which may start now, and whether an order exists at all. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

from gare.domain.plan import Plan, PlannedStep
from gare.errors import ConfigError


def ordered(needs: Mapping[str, Collection[str]]) -> list[str]:
    """Return step ids so that each comes after what it needs, ties in the order given.

    Raises ConfigError with the path of a cycle.
    """
    sorter = TopologicalSorter(needs)
    try:
        sorter.prepare()
    except CycleError as error:
        path = " -> ".join(reversed(error.args[1]))
        raise ConfigError(
            f"The steps wait for each other in a circle: {path}.",
            where="steps",
            hint="Take one `needs` out.",
        ) from error
    rank = {step: place for place, step in enumerate(needs)}
    order: list[str] = []
    while sorter.is_active():
        wave = sorted(sorter.get_ready(), key=lambda step: rank.get(step, len(rank)))
        order += wave
        sorter.done(*wave)
    return order


def ready(
    steps: Sequence[PlannedStep], done: Collection[str], started: Collection[str]
) -> list[PlannedStep]:
    """Return the steps whose needs are done and which have not started, in plan order."""
    return [
        step
        for step in steps
        if step.id not in started and all(need in done for need in step.needs)
    ]


def behind(steps: Iterable[PlannedStep], step_id: str) -> set[str]:
    """Return every step that `step_id` rests on, near or far."""
    needs = {step.id: step.needs for step in steps}
    seen: set[str] = set()
    todo = list(needs[step_id])
    while todo:
        step = todo.pop()
        if step not in seen:
            seen.add(step)
            todo.extend(needs[step])
    return seen


def is_check(step_id: str, needs: Mapping[str, Collection[str]], kinds: Mapping[str, str]) -> bool:
    """Tell whether only gates and votes wait for a step: what it does is looked at, before anything is deployed.

    `needs` and `kinds` are those of all steps, by id.
    """
    todo, seen, judges = [step_id], {step_id}, 0
    while todo:
        done = todo.pop()
        for waiting in (one for one, wanted in needs.items() if done in wanted and one not in seen):
            if kinds[waiting] == "deploy":
                return False
            seen.add(waiting)
            if kinds[waiting] in ("validate", "approve"):
                judges += 1
            else:
                todo.append(waiting)
    return judges > 0


def environment_of(plan: Plan, step: PlannedStep) -> str:
    """Return the environment that a step belongs to: its own, else that of the next deployment which waits for it.

    What no deployment waits for belongs to the last environment.
    """
    if step.environment:
        return step.environment
    for deploy in plan.steps:
        if deploy.type == "deploy" and step.id in behind(plan.steps, deploy.id):
            return deploy.environment
    return plan.environments[-1] if plan.environments else ""

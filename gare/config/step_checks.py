"""Checks of a project's `steps`: each key where it belongs, names that exist, an order without a circle."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

from gare.config.document import Document
from gare.config.models import (
    ProjectConfig,
    StationConfig,
    Step,
    StepType,
)
from gare.config.problems import KeyPath, Problem, listed, nearest, one_of
from gare.config.tickets import ChangePhase

_Found = Callable[[str, str, str], Problem]
_PLACED = (
    StepType.APPROVE,
    StepType.DEPLOY,
    StepType.VERIFY,
    StepType.SOAK,
    StepType.RECORD,
)
_UNTOUCHABLE = (StepType.PLAN, StepType.APPROVE, StepType.CLOSE)
_BY_KEY = {
    StepType.SOAK: (
        "an environment is soaked by its own key.",
        "`soak: 10m` under the environment",
    ),
    StepType.RECORD: (
        "a deployment is recorded by a key of its environment.",
        "`gitlab_environment: NAME` under the environment",
    ),
    StepType.PAGE: (
        "the release in GitLab is made by its own key.",
        "`gitlab_release: true` under `publish`",
    ),
    StepType.TICKETS: ("tickets are told by a key of their own.", "`on_release` under `tickets`"),
    StepType.CHANGE: ("a change ticket is made by its own key.", "`change` under `tickets`"),
}
"""Steps that a key of their own makes, and never `steps`."""
_WITH_COMMAND = (StepType.RUN, StepType.BUILD, StepType.TEST)


def step_problems(
    document: Document, project: ProjectConfig, station: StationConfig
) -> Iterator[Problem]:
    """Find what does not fit together in the steps of a project."""
    standard = standard_steps(project, station)
    ids = list(dict.fromkeys([*standard, *(step.id for step in project.steps)]))
    seen: set[str] = set()
    for place, step in enumerate(project.steps):
        path = ("steps", place)
        if step.id in seen:
            yield document.problem(
                (*path, "id"), f"there is another step `{step.id}`.", "Give it an id of its own."
            )
        seen.add(step.id)
        yield from _step_alone(document, path, step, standard.get(step.id), project)
        for key, names in (("needs", step.needs or ()), ("before", step.before)):
            for at, name in enumerate(names):
                if name not in ids:
                    yield document.problem(
                        (*path, key, at),
                        f"there is no step `{name}`.",
                        nearest(name, ids) + f"Steps are {listed(ids)}.",
                    )
    yield from _circle(document, project, standard)


def standard_steps(project: ProjectConfig, station: StationConfig) -> dict[str, StepType]:
    """Return the steps a release of this project has by itself, in order, with their types."""
    steps = {
        kind.value: kind
        for kind in (StepType.PLAN, StepType.BUILD, StepType.TEST, StepType.VALIDATE)
    }
    phases = project.tickets.change.phases if project.tickets.change else None
    if phases is not None:
        steps["change-open"] = StepType.CHANGE
    known = [name for name in station.environments if name in project.environments]
    names = (*known, *(name for name in project.environments if name not in known))
    for name in names:
        there = station.environments.get(name)
        if project.environments[name].approval or (there and there.approval):
            steps[f"approve-{name}"] = StepType.APPROVE
        if phases and ChangePhase.DEPLOYING in phases and name == names[-1]:
            steps["change-deploying"] = StepType.CHANGE
        steps[f"deploy-{name}"] = StepType.DEPLOY
        steps[f"verify-{name}"] = StepType.VERIFY
        if project.environments[name].soak:
            steps[f"soak-{name}"] = StepType.SOAK
        if project.environments[name].gitlab_environment:
            steps[f"record-{name}"] = StepType.RECORD
    steps["publish"] = StepType.PUBLISH
    if project.publish.gitlab_release:
        steps["gitlab-release"] = StepType.PAGE
    if project.tickets.on_release:
        steps["tickets"] = StepType.TICKETS
    if phases and ChangePhase.RELEASED in phases:
        steps["change-released"] = StepType.CHANGE
    return steps | {kind.value: kind for kind in (StepType.ANNOUNCE, StepType.CLOSE)}


def _step_alone(
    document: Document, path: KeyPath, step: Step, standard: StepType | None, project: ProjectConfig
) -> Iterator[Problem]:
    def found(key: str, what: str, write: str) -> Problem:
        return document.problem((*path, key), what, write)

    if standard is None and step.type in (StepType.PLAN, StepType.CLOSE):
        yield found(
            "type",
            f"a release has one `{step.type}` step only.",
            "Write `type: run` or `type: manual`.",
        )
    if standard is None and step.skip:
        yield found(
            "skip",
            f"`{step.id}` is no standard step.",
            "Only standard steps are skipped: take this one out.",
        )
    if standard is not None and step.type != standard:
        if standard in _UNTOUCHABLE:
            yield found(
                "type",
                f"the standard step `{step.id}` cannot be replaced.",
                f"Write `type: {standard}`.",
            )
        elif step.type not in (StepType.RUN, StepType.MANUAL):
            yield found(
                "type",
                f"the standard step `{step.id}` is of type `{standard}`.",
                one_of((standard, StepType.RUN, StepType.MANUAL)),
            )
    if step.skip and standard in (StepType.PLAN, StepType.CLOSE):
        yield found(
            "skip", f"a release is nothing without its step `{step.id}`.", "Take `skip` out."
        )
    yield from _step_keys(found, step, standard, project)


def _step_keys(
    found: _Found, step: Step, standard: StepType | None, project: ProjectConfig
) -> Iterator[Problem]:
    own = step.id.partition("-")[2] if standard in _PLACED else ""
    if step.type == StepType.RUN and step.command is None and not step.skip:
        yield found(
            "command", "a `run` step has a command.", "Write one, such as `command: make migrate`."
        )
    if step.command is not None and step.type not in _WITH_COMMAND:
        yield found(
            "command",
            f"a `{step.type}` step runs no command.",
            "Take it out, or write `type: run`.",
        )
    if step.undo is not None and step.type != StepType.RUN:
        yield found(
            "undo",
            f"a `{step.type}` step is not taken back by a command.",
            "Take it out, or write `type: run`.",
        )
    if step.outward is not None and step.type != StepType.RUN:
        yield found(
            "outward",
            f"whether a `{step.type}` step changes something outside is known.",
            "Take it out.",
        )
    elif step.outward is False and step.environment:
        yield found(
            "outward",
            f"the step changes `{step.environment}`.",
            "Take it out, or take `environment` out.",
        )
    if step.type in _BY_KEY and standard is None:
        what, write = _BY_KEY[step.type]
        yield found("type", what, f"Take this step out, and write {write}.")
    for key in ("ref", "variables", "play", "artifacts", "every"):
        if step.type != StepType.PIPELINE and key in step.model_fields_set:
            yield found(key, f"a `{step.type}` step starts no pipeline.", "Take it out.")
    if step.type == StepType.MANUAL and not (step.instructions or step.title):
        yield found(
            "instructions",
            "a `manual` step says what to do.",
            "Write the instructions for the person.",
        )
    if step.type in _PLACED and not step.environment and not own:
        yield found(
            "environment",
            f"a `{step.type}` step has an environment.",
            one_of([*project.environments]),
        )
    if step.environment and own and step.environment != own:
        yield found(
            "environment", f"the step `{step.id}` is about `{own}`.", f"Write `environment: {own}`."
        )
    elif step.environment and step.environment not in project.environments:
        yield found(
            "environment",
            f"this project has no environment `{step.environment}`.",
            nearest(step.environment, project.environments)
            + (one_of([*project.environments]) or "Add it to `environments`."),
        )


def _circle(
    document: Document, project: ProjectConfig, standard: Mapping[str, StepType]
) -> Iterator[Problem]:
    needs: dict[str, list[str]] = {}
    last = ""
    for name in standard:
        needs[name], last = ([last] if last else []), name
    for step in project.steps:
        if step.needs is not None:
            needs[step.id] = list(step.needs)
        else:
            needs.setdefault(step.id, ["test"])
    for step in project.steps:
        for later in step.before:
            if later in needs:
                needs[later] = [*needs[later], step.id]
    known = {name: [need for need in wanted if need in needs] for name, wanted in needs.items()}
    if path := _waiting_circle(known):
        place = next((i for i, step in enumerate(project.steps) if step.id in path), 0)
        yield document.problem(
            ("steps", place),
            f"the steps wait for each other in a circle: {' -> '.join(path)}.",
            "Take one `needs` or `before` out.",
        )


def _waiting_circle(needs: Mapping[str, Sequence[str]]) -> list[str]:
    """Return steps that wait for each other, the first again at the end; empty when there is an order."""
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as error:
        return list(reversed(error.args[1]))
    return []

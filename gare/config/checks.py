"""Checks across the keys of a station's or a project's file: names that must exist, votes that can be reached."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from pathlib import PurePosixPath, PureWindowsPath

from gare.config.connections import connection_problems
from gare.config.document import Document
from gare.config.freeze_problems import Known, freezes_problems, own_problems
from gare.config.hosting import hosting_problems
from gare.config.models import (
    ApprovalRule,
    Person,
    ProjectConfig,
    Rights,
    StationConfig,
    Step,
    StepType,
)
from gare.config.problems import KeyPath, Problem, listed, nearest, one_of
from gare.config.skips import skips_problems
from gare.config.tickets import ChangePhase

_Found = Callable[[str, str, str], Problem]
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
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


def station_problems(document: Document, station: StationConfig) -> Iterator[Problem]:
    """Find what does not fit together in station.yaml."""
    yield from _people(document, station.people)
    yield from connection_problems(document, station)
    lists = {"freezes": station.freezes, "calendars": station.calendars}
    yield from freezes_problems(document, lists, Known(station.environments))
    yield from _rights(document, station.rights, station.people)
    for name, environment in station.environments.items():
        if environment.approval is not None:
            path = ("environments", name, "approval")
            yield from approval_problems(document, path, environment.approval, station.people)


def project_problems(
    document: Document, project: ProjectConfig, station: StationConfig
) -> Iterator[Problem]:
    """Find what does not fit together in a project's file, or between it and its station."""
    for name, environment in project.environments.items():
        path = ("environments", name)
        if station.environments and name not in station.environments:
            yield document.problem(
                path,
                "station.yaml has no such environment.",
                nearest(name, station.environments)
                + f"Add it there, or take one of {listed(station.environments)}.",
            )
        if environment.approval is not None:
            yield from approval_problems(
                document, (*path, "approval"), environment.approval, station.people
            )
        there = station.environments.get(name)
        if environment.rollback == "approval" and not (
            environment.approval or (there and there.approval)
        ):
            yield document.problem(
                (*path, "rollback"),
                "no rule says who approves here.",
                "Write an `approval` beside it, or `rollback: at once`.",
            )
    yield from _rights(document, project.rights, station.people)
    if project.rights.train is not None:
        yield document.problem(
            ("rights", "train"),
            "trains are the station's.",
            "Write it in station.yaml; who may `release` the project is asked for its trains too.",
        )
    yield from _patterns(document, project)
    known = Known(project.environments)
    yield from own_problems(document, project.freezes, project.name, known)
    yield from _steps(document, project, station)
    yield from hosting_problems(document, project, station)
    yield from skips_problems(document, project, standard_steps(project, station))
    if project.hotfix.approval is not None:
        path = ("hotfix", "approval")
        yield from approval_problems(document, path, project.hotfix.approval, station.people)


def _people(document: Document, people: Sequence[Person]) -> Iterator[Problem]:
    names: dict[str, int] = {}
    emails: dict[str, int] = {}
    for place, person in enumerate(people):
        if person.name in names:
            yield document.problem(
                ("people", place, "name"),
                f"`{person.name}` is already people[{names[person.name]}].",
                "Give each person a name of their own.",
            )
        names.setdefault(person.name, place)
        for email in {person.email.lower(), *(other.lower() for other in person.other_emails)}:
            if email in emails:
                yield document.problem(
                    ("people", place, "email"),
                    f"`{email}` is already an address of people[{emails[email]}].",
                    "An address belongs to one person: commits are matched by it.",
                )
            emails.setdefault(email, place)


def _rights(document: Document, rights: Rights, people: Sequence[Person]) -> Iterator[Problem]:
    groups = _groups(people)
    for right in type(rights).model_fields:
        for place, group in enumerate(getattr(rights, right) or ()):
            if group not in groups:
                yield _unknown_group(document, ("rights", right, place), group, groups)


def _groups(people: Sequence[Person]) -> list[str]:
    return list(dict.fromkeys(group for person in people for group in person.groups))


def _unknown_group(document: Document, path: KeyPath, group: str, groups: Sequence[str]) -> Problem:
    return document.problem(
        path,
        "nobody in station.yaml is in this group.",
        nearest(group, groups) + f"Groups of people are {listed(groups)}.",
    )


def approval_problems(
    document: Document, path: KeyPath, rule: ApprovalRule, people: Sequence[Person]
) -> Iterator[Problem]:
    """Find what is wrong with an approval rule: groups without people, votes that cannot be reached."""
    groups = _groups(people)
    unknown = [group for group in rule.groups if group not in groups]
    for group in unknown:
        yield _unknown_group(document, (*path, "groups", group), group, groups)
    if not unknown and (missing := _unfilled(rule.groups, people)):
        members = {group: sum(group in person.groups for person in people) for group in rule.groups}
        there = ", ".join(f"{group} has {count}" for group, count in members.items())
        yield document.problem(
            (*path, "groups"),
            f"these votes can never be reached: no person is left for `{missing}` ({there}; "
            "a person votes for one group only).",
            "Ask for fewer votes, or add people to the groups.",
        )


def _unfilled(groups: Mapping[str, int], people: Sequence[Person]) -> str:
    """Return a group whose minimum cannot be filled with distinct persons, or "" (bipartite matching)."""
    seat_of: dict[str, str] = {}

    def seat(group: str, tried: set[str]) -> bool:
        for person in people:
            if group not in person.groups or person.name in tried:
                continue
            tried.add(person.name)
            if person.name not in seat_of or seat(seat_of[person.name], tried):
                seat_of[person.name] = group
                return True
        return False

    slots = [group for group, votes in groups.items() for _ in range(votes)]
    return next((group for group in slots if not seat(group, set())), "")


def _patterns(document: Document, project: ProjectConfig) -> Iterator[Problem]:
    path: KeyPath = ("tickets", "pattern")
    try:
        matches_nothing = bool(re.compile(project.tickets.pattern).fullmatch(""))
    except re.error as error:
        place = f" at character {error.pos + 1}" if error.pos is not None else ""
        yield document.problem(
            path,
            f"this is no regular expression: {error.msg}{place}.",
            "Write one such as `SHOP-\\d+`.",
        )
    else:
        if matches_nothing:
            yield document.problem(
                path, "this matches the empty text too.", "Write one such as `SHOP-\\d+`."
            )
    for at, name in enumerate(project.env):
        if not _ENV_NAME.fullmatch(name):
            yield document.problem(
                ("env", at),
                "this is no name of an environment variable.",
                "Write the name alone, such as `CI_JOB_ID`.",
            )
    globs: tuple[tuple[KeyPath, Iterable[str]], ...] = (
        (("build", "artifacts"), project.build.artifacts),
        (("test", "junit"), project.test.junit),
        (("test", "coverage"), project.test.coverage),
    )
    for where, patterns in globs:
        for at, pattern in enumerate(patterns):
            yield from _inside(document, (*where, at), pattern)
    if project.publish.changelog:
        yield from _inside(document, ("publish", "changelog"), project.publish.changelog)


def _inside(document: Document, path: KeyPath, text: str) -> Iterator[Problem]:
    """Find a path that leaves the checkout, on any operating system."""
    posix, windows = PurePosixPath(text), PureWindowsPath(text)
    if (
        not text.strip()
        or posix.is_absolute()
        or windows.anchor
        or ".." in windows.parts
        or text[0] == "~"
    ):
        yield document.problem(
            path,
            "this leaves the checkout.",
            "Write a path relative to the checkout, such as `dist/*.whl`.",
        )


def _steps(document: Document, project: ProjectConfig, station: StationConfig) -> Iterator[Problem]:
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

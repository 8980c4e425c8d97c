"""Checks across the keys of a station's or a project's file: names that must exist, votes that can be reached."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
)
from gare.config.problems import KeyPath, Problem, listed, nearest
from gare.config.skips import skips_problems
from gare.config.step_checks import standard_steps, step_problems

_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


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
    yield from step_problems(document, project, station)
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

"""The fixes of a hotfix: which commits are meant, and what they become on the version that is fixed."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from gare.errors import ConfigError, Refused
from gare.ports.merge_requests import MergeRequest, MergeRequests
from gare.ports.picker import Line, Pick, Picked, Picker, Wanted
from gare.requests import HotfixRequest


class Chosen(NamedTuple):
    """The fixes in the order in which they are put on, and what a person should know of how they were found."""

    wanted: tuple[Wanted, ...]
    told: tuple[str, ...]


def choose(picker: Picker, request: HotfixRequest, merge_requests: MergeRequests | None) -> Chosen:
    """Return the commits that were named, then those of merge requests."""
    named = Chosen(tuple(_named(picker, request)), ())
    parts = [
        named,
        *(
            _of_request(picker, _found(request.project, number, merge_requests), merge_requests)
            for number in request.merge_requests
        ),
    ]
    wanted = tuple(dict.fromkeys(one for part in parts for one in part.wanted))
    if not wanted:
        raise Refused(
            "A hotfix needs at least one fix.",
            where=request.project,
            hint="Name a commit (`--commit SHA`) or a merge request (`--mr 12`).",
        )
    return Chosen(wanted, tuple(told for part in parts for told in part.told))


def put_on(picker: Picker, onto: Line, wanted: Sequence[Wanted], project: str) -> Picked:
    """Put the fixes on a line. Raises Refused for one that does not fit, and when nothing is left to fix."""
    picked = picker.pick(onto, wanted, keep=True)
    if any(pick.made for pick in picked.picks):
        return picked
    there = [pick for pick in picked.picks if not pick.is_empty]
    if not there:
        what = f"It changes nothing: {_names(picked.picks)}."
        raise Refused(what, where=project, hint="Name the commits that do.")
    raise Refused(
        f"{onto.name} has it already: {_names(there)}.",
        where=project,
        hint="Nothing is left to fix there; name the commits that are missing.",
    )


def left_out(picked: Picked, onto: Line) -> list[str]:
    """Say which of the fixes are left out, and why."""
    return [
        f"{pick.commit[:12]} ({pick.subject}) is left out: "
        + ("it changes nothing" if pick.is_empty else f"{onto.name} has it already")
        for pick in picked.picks
        if not pick.made
    ]


def _names(picks: Iterable[Pick]) -> str:
    return ", ".join(f"{pick.commit[:12]} ({pick.subject})" for pick in picks)


def _named(picker: Picker, request: HotfixRequest) -> list[Wanted]:
    """Return the commits that were named, each merge with the parent that was named for it."""
    parents = {picker.find_commit(name): number for name, number in request.parents.items()}
    commits = [picker.find_commit(name) for name in request.commits]
    if strangers := [commit[:12] for commit in parents if commit not in commits]:
        raise Refused(
            f"A parent was named for {', '.join(strangers)}, which is none of the fixes.",
            where=request.project,
            hint="Leave it out, or name the commit as well.",
        )
    return [Wanted(commit, parents.get(commit, 0)) for commit in commits]


def _found(project: str, number: int, merge_requests: MergeRequests | None) -> MergeRequest:
    if merge_requests is None:
        raise ConfigError(
            f"{project} names no GitLab project, so merge request !{number} cannot be looked up.",
            where="gare.yaml: gitlab",
            hint="Write `gitlab: {connection: NAME, project: group/name}`, or name the commits.",
        )
    found = merge_requests.get(number)
    if found.state == "closed":
        raise Refused(
            f"Merge request !{number} ({found.title}) was closed without being merged.",
            where=found.url,
            hint="Name another one, or the commits.",
        )
    return found


def _of_request(
    picker: Picker, found: MergeRequest, merge_requests: MergeRequests | None
) -> Chosen:
    """Return what a merge request brings: the commit that merged it, or its own ones as long as it is open."""
    if found.merged_commit:
        commit = picker.find_commit(found.merged_commit)
        # The first parent of what GitLab merges is the branch that it was merged into.
        return Chosen((Wanted(commit, int(picker.is_merge(commit))),), ())
    names = merge_requests.commits(found.number) if merge_requests else ()
    commits = [picker.find_commit(name) for name in names]
    # A merge into the branch brings what others did, which is no fix.
    merges = [commit for commit in commits if picker.is_merge(commit)]
    told = [f"merge request !{found.number} ({found.title}) is open: its commits of now are taken"]
    if merges:
        named = ", ".join(commit[:12] for commit in merges)
        told.append(f"merge request !{found.number}: its merges are left out: {named}")
    return Chosen(tuple(Wanted(one) for one in commits if one not in merges), tuple(told))

"""The lines that need a hotfix's fixes, which of them lack one, and whether its own branch is free."""

from collections.abc import Mapping, Sequence

from gare.config.models import ProjectConfig
from gare.domain.fixes import Fix, FixBranch, FixState
from gare.errors import Refused
from gare.planning.fixed_lines import FixedLines
from gare.ports.picker import Pick
from gare.ports.source import Source


def lines_of(source: Source, project: ProjectConfig, named: Mapping[str, str]) -> dict[str, str]:
    """Return the lines with their newest commits: the project's branch, its maintenance lines, those named."""
    head = source.head()
    patterns = [head.branch, *project.hotfix.lines]
    return {head.branch: head.commit} | source.picks.lines(patterns) | dict(named)


def lacking(
    source: Source, project: str, version: str, picks: Sequence[Pick], lines: Mapping[str, str]
) -> list[str]:
    """Return the lines that lack one of the fixes."""
    look = FixedLines(source).look
    fixes = [
        Fix("", project, version, pick.commit, pick.made, pick.subject, line, FixState.MISSING)
        for line in lines
        for pick in picks
        if pick.made
    ]
    states = [(fix.line, look(fix, lines[fix.line]).state) for fix in fixes]
    return list(dict.fromkeys(line for line, state in states if state is not FixState.MERGED))


def check_branch(
    source: Source, project: ProjectConfig, branch: str, commit: str, made: Sequence[FixBranch]
) -> list[str]:
    """Look whether a hotfix's branch is free, and say whose it is. Raises Refused for one that no hotfix has made."""
    found = source.picks.look_branch(branch, push=project.publish.push)
    if found in ("", commit):
        return []
    own = next((one for one in made if (one.name, one.commit) == (branch, found)), None)
    if own is None:
        raise Refused(
            f"Branch {branch} is there already, at {found[:12]}, and no hotfix has made it.",
            where=project.name,
            hint=f"Delete it if nobody needs it (`git push origin --delete {branch}`), then try again.",
        )
    if own.is_spent:
        return [f"branch {branch} of {own.release}, which ended undeployed, is taken over"]
    return [f"{own.release} is under way with {branch}: this one is planned anew after it"]

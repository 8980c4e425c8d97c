"""Checks of what a hotfix leaves out: steps that there are, and that a release is something without."""

from collections.abc import Iterator, Mapping

from gare.config.document import Document
from gare.config.models import ProjectConfig, StepType
from gare.config.problems import Problem, listed, nearest

_NEVER = (StepType.PLAN, StepType.PUBLISH, StepType.CLOSE)
_PLACED = (StepType.APPROVE, StepType.DEPLOY, StepType.VERIFY, StepType.SOAK)


def skips_problems(
    document: Document, project: ProjectConfig, standard: Mapping[str, StepType]
) -> Iterator[Problem]:
    """Find what a hotfix of the project cannot leave out. `standard` are the steps of a release, in order."""
    deploys = [name for name, kind in standard.items() if kind is StepType.DEPLOY]
    last = deploys[-1].removeprefix("deploy-") if deploys else ""
    may = [name for name, kind in standard.items() if not _is_kept(name, kind, last)]
    for place, skip in enumerate(project.hotfix.skip):
        path = ("hotfix", "skip", place, "step")
        if skip.step not in standard:
            yield document.problem(
                path,
                f"there is no standard step `{skip.step}`.",
                nearest(skip.step, may) + f"A hotfix may skip {listed(may)}.",
            )
        elif skip.step not in may:
            yield document.problem(
                path,
                f"a hotfix is nothing without its step `{skip.step}`.",
                f"It may skip {listed(may)}.",
            )


def _is_kept(name: str, kind: StepType, last: str) -> bool:
    """Tell whether a step is part of every hotfix: the last environment is asked for, changed and looked at."""
    return kind in _NEVER or (kind in _PLACED and name.partition("-")[2] == last)

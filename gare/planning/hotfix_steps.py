"""The steps of a hotfix: those of a release without what is skipped, a branch before, the way back after."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from gare.config.models import ProjectConfig, StationConfig, Step
from gare.config.step_checks import standard_steps
from gare.domain.plan import PlannedEffect, PlannedStep, Reversibility
from gare.planning.approval_rules import rule_for
from gare.planning.dag import environments

BRANCH_STEP, MERGE_BACK_STEP = "branch", "merge-back"
_OF_ENVIRONMENT = ("approve", "deploy", "verify", "soak")
_TIMEOUT_S = 600.0


def shortened(project: ProjectConfig, station: StationConfig) -> ProjectConfig:
    """Return the project as a hotfix sees it: without what is skipped, with the hotfix's own approval."""
    standard = standard_steps(project, station)
    gone = list(
        dict.fromkeys(step for skip in project.hotfix.skip for step in _with_its_own(skip.step))
    )
    kept = [step for step in project.steps if step.id not in gone]
    skips = [Step(id=name, type=standard[name], skip=True) for name in gone if name in standard]
    return project.model_copy(
        update={"steps": (*kept, *skips), "environments": _environments(project, station)}
    )


def _with_its_own(step: str) -> list[str]:
    """Return a step; a deployment with what is nothing without it."""
    kind, _, name = step.partition("-")
    return [step] if kind != "deploy" else [f"{kind}-{name}" for kind in _OF_ENVIRONMENT]


def _environments(project: ProjectConfig, station: StationConfig) -> Mapping[str, object]:
    rule, names = project.hotfix.approval, environments(project, station)
    if rule is None:
        return project.environments
    asking = {name for name in names if rule_for(project, station, name) is not None} | set(
        names[-1:]
    )
    return {
        name: there.model_copy(update={"approval": rule}) if name in asking else there
        for name, there in project.environments.items()
    }


def with_branch(
    steps: Sequence[PlannedStep],
    project: ProjectConfig,
    branch: str,
    lines: Iterable[str],
    proposed: Sequence[str],
) -> tuple[PlannedStep, ...]:
    """Put the branch before everything that is built, and the way back into the lines after what is published."""
    push = project.publish.push
    remote = getattr(project.source, "remote", "") if push else ""
    settings = {"branch": branch, "push": push}
    where = f"branch {branch}{f' on {remote}' if remote else ' in the repository'}"
    effect = PlannedEffect(
        f"create branch {branch}", where, Reversibility.REVERSIBLE, "deleted when nobody needs it"
    )
    first = PlannedStep(
        BRANCH_STEP, BRANCH_STEP, f"Branch {branch}", ("plan",), settings=settings, retries=2,
        timeout_s=_TIMEOUT_S, effects=(effect,), reversibility=Reversibility.REVERSIBLE,
    )  # fmt: skip
    plan, *middle, close = (
        replace(step, needs=tuple(BRANCH_STEP if need == "plan" else need for need in step.needs))
        for step in steps
    )
    gitlab = project.gitlab.model_dump(mode="json") if project.gitlab else None
    last = PlannedStep(
        MERGE_BACK_STEP, MERGE_BACK_STEP, f"Bring the fix into {', '.join(lines)}", close.needs,
        settings={"branch": branch, "proposed": list(proposed), "gitlab": gitlab},
        retries=2, timeout_s=_TIMEOUT_S,
        effects=tuple(
            PlannedEffect(
                f"open a merge request of {branch}", f"GitLab, into {line}", Reversibility.REVERSIBLE,
                "closed when nobody needs it",
            )
            for line in proposed
        ),
        reversibility=Reversibility.REVERSIBLE if proposed else Reversibility.NOTHING_OUTSIDE,
    )  # fmt: skip
    return (plan, first, *middle, last, replace(close, needs=(last.id,)))

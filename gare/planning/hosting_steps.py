"""What GitLab does in a release as steps of a plan: a pipeline, the record of a deployment, the page. Pure."""

from collections.abc import Iterable
from typing import Any

from gare.config.models import ProjectConfig, Step, StepType
from gare.domain.plan import PlannedEffect, Reversibility
from gare.planning.ticket_steps import VendorStep

PAGE = "gitlab-release"


def page_step(project: ProjectConfig, tag: str) -> VendorStep | None:
    """Return the step that makes the release in GitLab; None when it makes none."""
    if project.gitlab is None or not project.publish.gitlab_release:
        return None
    settings = {
        "gitlab": _where(project),
        "tag_name": tag,
        "links": dict(project.publish.links),
        "packages": project.publish.gitlab_packages,
    }
    effects = tuple(_page_effects(project, tag))
    return VendorStep(PAGE, StepType.PAGE, "Release in GitLab", settings, effects)


def record_settings(project: ProjectConfig, environment: str) -> dict[str, Any] | None:
    """Return the settings of the step that records a deployment; None when it is not recorded."""
    name = project.environments[environment].gitlab_environment
    if project.gitlab is None or not name:
        return None
    return {"gitlab": _where(project), "gitlab_environment": name}


def record_effect(project: ProjectConfig, settings: dict[str, Any]) -> PlannedEffect:
    """Return what a person reads of that record in the plan."""
    return PlannedEffect(
        f"record the deployment to {settings['gitlab_environment']}",
        _place(project),
        Reversibility.COMPENSATED,
        "shown as running meanwhile; one that fails is shown as failed, one that is cancelled as canceled",
    )


def pipeline_settings(said: Step, project: ProjectConfig) -> dict[str, Any]:
    """Return what a pipeline step runs with."""
    return {
        "gitlab": _where(project),
        "ref": said.ref,
        "variables": dict(said.variables),
        "play": list(said.play),
        "artifacts": {job: list(patterns) for job, patterns in said.artifacts.items()},
        "every_s": said.every.total_seconds(),
    }


def pipeline_effects(said: Step, project: ProjectConfig) -> Iterable[PlannedEffect]:
    """Yield what a person reads of a pipeline in the plan."""
    if said.type == StepType.PIPELINE:
        yield PlannedEffect(
            f"start a pipeline on {said.ref or 'the branch'}",
            _place(project),
            Reversibility.COMPENSATED,
            "what its jobs change is theirs to take back",
        )
        for job in said.play:
            yield PlannedEffect(
                f"start its job {job}, and approve its deployment where one is asked for",
                _place(project),
                Reversibility.COMPENSATED,
            )


def _page_effects(project: ProjectConfig, tag: str) -> Iterable[PlannedEffect]:
    place = _place(project)
    if project.publish.gitlab_packages:
        yield PlannedEffect(
            "upload the artifacts with their checksums", f"{place}, package registry",
            Reversibility.REVERSIBLE,
        )  # fmt: skip
    yield PlannedEffect(
        f"make the release {tag} with notes and links", place, Reversibility.REVERSIBLE
    )


def _where(project: ProjectConfig) -> dict[str, str]:
    """Return what a step needs to find the GitLab project again."""
    return project.gitlab.model_dump(include={"connection", "project"}) if project.gitlab else {}


def _place(project: ProjectConfig) -> str:
    return f"GitLab {project.gitlab.project}" if project.gitlab else "GitLab"

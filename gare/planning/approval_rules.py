"""Who must agree before an environment changes: the project's rule, else the station's. Pure."""

from gare.config.models import ApprovalRule, ProjectConfig, StationConfig
from gare.domain.plan import PlannedApproval, PlannedStep
from gare.errors import ConfigError


def rule_for(
    project: ProjectConfig, station: StationConfig, environment: str
) -> ApprovalRule | None:
    """Return who must agree before an environment changes; the project's rule replaces the station's."""
    own = (
        project.environments[environment].approval if environment in project.environments else None
    )
    if own is not None:
        return own
    there = station.environments.get(environment)
    return there.approval if there else None


def approval_of(
    step: PlannedStep, project: ProjectConfig, station: StationConfig
) -> PlannedApproval:
    """Return who must say yes at an approve step. Raises ConfigError when no rule says it."""
    rule = rule_for(project, station, step.environment) if step.environment else None
    if rule is None:
        raise ConfigError(
            f"Step {step.id!r} asks for approval, but no rule says whose.",
            where=f"steps, {step.id}, environment {step.environment!r}",
            hint="Give the environment an `approval` in station.yaml or gare.yaml.",
        )
    return PlannedApproval(
        step=step.id,
        environment=step.environment,
        groups=dict(rule.groups),
        author_may_vote=rule.author_may_vote,
        requester_may_vote=rule.requester_may_vote,
        expires_after_s=rule.expires_after.total_seconds(),
    )

"""What a project says about steps, standard ones and its own, put into the order. Pure."""

from collections.abc import Iterable
from typing import Any

from gare.config.models import ProjectConfig, Step, StepType
from gare.domain.plan import PlannedEffect, Reversibility
from gare.errors import ConfigError
from gare.planning.draft import Draft
from gare.planning.hosting_steps import pipeline_effects, pipeline_settings


def say(drafts: dict[str, Draft], said: Step, project: ProjectConfig) -> None:
    """Put what the project says about one step into the order."""
    draft = drafts.get(said.id)
    if draft is None:
        if said.skip:
            raise wrong(
                said,
                f"There is no standard step {said.id!r} to skip",
                f"Standard: {', '.join(drafts)}.",
            )
        if said.type in (StepType.PLAN, StepType.CLOSE):
            raise wrong(said, f"A release has one step of type {said.type}", "Choose another type.")
        default = ["test"] if "test" in drafts else ["plan"]
        draft = Draft(
            said.id, said.type, said.id.replace("-", " ").capitalize(), default, said.environment
        )
        drafts[said.id] = draft
    elif draft.type != said.type and said.type not in (StepType.RUN, StepType.MANUAL):
        raise wrong(
            said,
            f"Step {said.id!r} is of type {draft.type}, not {said.type}",
            "Replace it by run or manual.",
        )
    draft.type, draft.said = said.type, said
    draft.title = said.title or draft.title
    draft.environment = said.environment or draft.environment
    if said.needs is not None:
        draft.needs = list(said.needs)
    draft.settings = _said_settings(draft, said, project)
    draft.effects = (*draft.effects, *_said_effects(draft, said, project))
    for later in said.before:
        if later not in drafts:
            raise wrong(
                said, f"`before` names {later!r}, which is no step", f"Steps: {', '.join(drafts)}."
            )
        drafts[later].needs.append(said.id)


def _said_settings(draft: Draft, said: Step, project: ProjectConfig) -> dict[str, Any]:
    if said.type == StepType.RUN:
        if said.command is None:
            raise wrong(
                said, f"Step {said.id!r} has no command", "Write `command: make something`."
            )
        undo = {"undo": [list(said.undo)]} if said.undo else {}
        return {"commands": [list(said.command)], "environment": said.environment, **undo}
    if said.type == StepType.PIPELINE:
        return pipeline_settings(said, project)
    if said.type == StepType.MANUAL:
        return {"instructions": said.instructions}
    settings = dict(draft.settings)
    if said.command is not None and "commands" in settings:
        settings["commands"] = [list(said.command)]
    if said.type in (StepType.DEPLOY, StepType.VERIFY, StepType.SOAK) and draft.environment:
        if draft.environment not in project.environments:
            raise wrong(
                said,
                f"Environment {draft.environment!r} is not the project's",
                "Add it to `environments`.",
            )
        settings["target"] = project.environments[draft.environment].target.model_dump(mode="json")
    return settings


def _said_effects(draft: Draft, said: Step, project: ProjectConfig) -> Iterable[PlannedEffect]:
    """Say what a project declares about going back behind its step."""
    yield from pipeline_effects(said, project)
    place = draft.environment or project.name
    if said.point_of_no_return:
        yield PlannedEffect(
            draft.title, place, Reversibility.POINT_OF_NO_RETURN, said.point_of_no_return
        )
    elif said.undo:
        yield PlannedEffect(
            draft.title, place, Reversibility.COMPENSATED, f"taken back by `{' '.join(said.undo)}`"
        )


def wrong(said: Step, what: str, hint: str) -> ConfigError:
    """Return the error about something a project says of a step."""
    return ConfigError(f"{what}.", where=f"steps, {said.id}", hint=hint)

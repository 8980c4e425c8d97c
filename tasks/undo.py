"""undo: a project's own command takes back what a step of a release did. Steps in reverse, each in its own checkout."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from gare.domain.plan import PlannedStep
from gare.domain.standing import to_undo
from gare.errors import RolloutFailed, StepFailed
from gare.ledger.effects import Absent, Effect, Receipt
from tasks.commands import run_each
from tasks.step import Value, Work, step_task


@step_task
def undo(work: Work) -> Value:
    """Take back a step of a release that is rolled back."""
    settings = work.step.settings
    # The command sees version and commit as the one did that it takes back.
    undone = work.ledger.releases.get(settings["release"])
    theirs = replace(work, plan=work.gare.plan(undone.plan))
    run_each(theirs, _checkout(theirs), settings["commands"])
    return {"summary": f"taken back: {settings['step']} of {settings['release']}"}


def take_back_own(work: Work) -> None:
    """Take back what this release's own steps did for an environment that was put back: in reverse, each once.

    Raises RolloutFailed for the first that fails.
    """
    environment = work.step.environment
    states = work.ledger.releases.step_states(work.release.id)
    steps = [
        step
        for is_after in (True, False)
        for step in to_undo(work.plan, states, environment, is_after=is_after)
    ]
    for number, step in enumerate(steps, start=1):
        commands = {"commands": step.settings["undo"]}
        effect = Effect(f"take back {step.id}", commands, Absent, _undone(work, step, number))
        try:
            work.ledger.effects.perform(work.release.id, work.step.id, effect)
        except StepFailed as error:
            raise RolloutFailed(
                f"{environment} was put back, and step {step.id} could not be taken back: {error.what}",
                where=error.where,
                hint=f"Do it by hand, then `gare cancel {work.release.id}`.",
            ) from error


def _undone(work: Work, step: PlannedStep, number: int) -> Callable[[], Receipt]:
    def act() -> Receipt:
        work.say(f"Taking back {step.id}.")
        seconds = run_each(work, _checkout(work), step.settings["undo"], first=number)
        return {"step": step.id, "seconds": round(seconds, 1)}

    return act


def _checkout(work: Work) -> Path:
    """Return a new working tree of the commit whose step is taken back."""
    commit = work.plan.commit
    folder = work.checkout.with_name(f"checkout-{work.step.id}-{commit[:12]}")
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    work.gare.source(work.plan).checkout(commit, folder)
    return folder

"""undo: a project's own command takes back what a step of a release did. Steps in reverse, each in its own checkout."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from gare.domain.plan import PlannedStep
from tasks.commands import run_each
from tasks.step import Value, Work, step_task


@step_task
def undo(work: Work) -> Value:
    """Take back a step of a release that is rolled back."""
    settings = work.step.settings
    run_each(work, _checkout(work, settings["commit"]), settings["commands"])
    return {"summary": f"taken back: {settings['step']} of {settings['release']}"}


def take_back(work: Work, steps: Sequence[PlannedStep]) -> None:
    """Take back steps of the same release, in the order given. Raises StepFailed for the first that fails."""
    for step in steps:
        work.say(f"Taking back {step.id}.")
        run_each(work, _checkout(work, work.plan.commit), step.settings["undo"])


def _checkout(work: Work, commit: str) -> Path:
    """Return a working tree of the commit whose step is taken back."""
    folder = work.checkout.with_name(f"checkout-{work.step.id}-{commit[:12]}")
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    work.gare.source(work.plan).checkout(commit, folder)
    return folder

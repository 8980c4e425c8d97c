"""Running a project's commands in the release's own checkout, step by step, with the plan's time limit."""

import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from gare.connectors.process import Finished, allowed_env, run
from gare.domain.schedule import behind
from gare.errors import StepFailed
from tasks.step import Work


def checked_out(work: Work) -> Path:
    """Return the release's working tree of the planned commit, made anew when it is not there.

    It is whole or absent: it is made under another name and renamed.
    """
    folder = _folder(work)
    if folder.exists():
        return folder
    partial = folder.with_name(f"{folder.name}.{work.step.id}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.parent.mkdir(parents=True, exist_ok=True)
    work.say(f"Checking out {work.plan.commit[:12]} of {work.plan.project}.")
    work.gare.source(work.plan).checkout(work.plan.commit, partial)
    try:
        partial.rename(folder)
    except OSError:
        # A step beside this one was quicker; its tree is of the same commit.
        shutil.rmtree(partial, ignore_errors=True)
        if not folder.exists():
            raise
    return folder


def _folder(work: Work) -> Path:
    """Return the release's tree, or the step's own when it runs beside the build, which begins with a clean one."""
    builds = {step.id for step in work.plan.steps if step.type == "build"}
    is_beside = (
        builds and work.step.id not in builds and not builds & behind(work.plan.steps, work.step.id)
    )
    return work.checkout.with_name(f"checkout-{work.step.id}") if is_beside else work.checkout


def run_commands(work: Work, folder: Path) -> float:
    """Run the step's commands in order and return the seconds taken. Raises StepFailed for the first that fails."""
    return run_each(work, folder, work.step.settings["commands"])


def run_each(
    work: Work, folder: Path, commands: Sequence[Sequence[str]], *, first: int = 1
) -> float:
    """Run these commands as the step's, the logs numbered from `first`; otherwise as `run_commands`."""
    started = time.monotonic()
    for number, command in enumerate(commands, start=first):
        left_s = work.step.timeout_s - (time.monotonic() - started)
        if left_s <= 0:
            raise StepFailed(
                f"Step {work.step.id} did not end within {work.step.timeout_s:g} s.",
                where=f"{work.release.id}, before command {number}",
                hint="Give the step a longer `timeout`, or make it quicker.",
            )
        work.say(f"$ {' '.join(command)}")
        done: Finished = run(
            command,
            cwd=folder,
            env=allowed_env(work.plan.env, work.env()),
            timeout_s=left_s,
            log=work.log_file(str(number)),
            say=work.say,
            label=f"{work.step.id}: {command[0]}",
        )
        work.ledger.note(
            work.release.id,
            "command done",
            "gare",
            {
                "step": work.step.id,
                "command": list(command),
                "seconds": round(done.seconds, 3),
                "log": done.log.name,
                "log_sha256": done.log_sha256,
            },
        )
    return time.monotonic() - started

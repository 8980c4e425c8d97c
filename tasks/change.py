"""change: the change ticket of a release is opened, and follows its phases."""

from gare.change_ticket import in_phase
from gare.corrected import begun_moves, corrected, still_due
from gare.domain.counts import counted
from gare.ledger.effects import Absent, AsWanted, Effect, Look
from gare.planning.ticket_steps import OPEN
from tasks.away import unless_away
from tasks.step import AskAgain, Value, Work, step_task


@step_task
def change(work: Work) -> Value | AskAgain:
    """Open the change ticket, or move it to the status of the phase that begins."""
    return unless_away(work, lambda: follow(work))


def follow(work: Work) -> Value:
    """Do what the step does; a ticket that was opened before is found by its label."""
    if phase := work.step.settings.get("phase", ""):
        key = _moved(work, phase)
    else:
        key = work.perform(_opened(work))["ticket"]
    return {"key": key, "summary": f"{key}: {phase or 'opened'}"}


def _opened(work: Work) -> Effect:
    """Return the ticket itself, known again by its label."""
    settings, plan = work.step.settings["change"], work.plan
    writer = work.gare.tracking.changes(work.step.settings["tracker"])
    label = f"gare-{plan.project}-{work.release.id}"
    text = (
        f"{work.release.id} brings {plan.title} from {plan.previous_version or 'nothing'} to {plan.version}: "
        f"{counted(len(plan.commits), 'commit')}, environments {', '.join(plan.environments) or 'none'}.\n\n"
        f"Requested by {work.release.requested_by or 'nobody by name'}: {work.release.reason or 'no reason given'}. "
        f"Plan `{work.release.plan}`.\n\n{plan.notes}"
    )

    def look() -> Look:
        key = writer.find_change(label)
        return AsWanted({"ticket": key}) if key else Absent()

    return Effect(
        f"change ticket {label}",
        {"project": settings["project"], "type": settings["type"], "label": label},
        look,
        lambda: writer.open_change(
            label,
            f"Release {plan.title} {plan.version}",
            text,
            settings["project"],
            settings["type"],
        ),
    )


def _moved(work: Work, phase: str) -> str:
    """Move the ticket to the status of a phase; return its key."""
    key: str = work.values[OPEN]["key"]
    settings = corrected(work.gare, work.release, work.plan, work.step, "change")
    effect = in_phase(work.gare, work.step, key, phase, settings)
    begun = begun_moves(work.ledger, work.release.id, work.step.id)
    if still_due(work.ledger, work.release.id, work.step.id, effect, key, begun):
        work.perform(effect)
    return key

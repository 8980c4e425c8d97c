"""branch: the hotfix gets a branch of its own, on which others see it and from which it is merged back."""

from gare.domain.fixes import fixes_of
from gare.ledger.effects import Absent, AsWanted, Different, Effect, Look, Receipt
from tasks.step import Value, Work, step_task


@step_task
def branch(work: Work) -> Value:
    """Publish the branch at the planned commit. From here on it is known what would lose the fixes."""
    work.ledger.fixes.note(fixes_of(work.release.id, work.plan), actor="gare")
    effect = branch_effect(work, work.step.settings["branch"], push=work.step.settings["push"])
    receipt = work.ledger.effects.perform(work.release.id, work.step.id, effect)
    return {"receipt": dict(receipt), "summary": str(receipt["branch"])}


def branch_effect(work: Work, name: str, *, push: bool) -> Effect:
    """Return the branch. It is as wanted when it is at the planned commit."""
    picks, commit = work.gare.source(work.plan).picks, work.plan.commit

    def look() -> Look:
        found = picks.look_branch(name)
        if not found:
            return Absent()
        if found == commit:
            return AsWanted({"branch": name, "commit": commit})
        return Different(f"branch {name} at {found[:12]}")

    def act() -> Receipt:
        picks.write_branch(name, commit, push=push)
        return {"branch": name, "commit": commit}

    return Effect(f"branch {name}", {"commit": commit, "push": push}, look, act)

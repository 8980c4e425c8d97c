"""branch: the hotfix gets a branch of its own, on which others see it and from which it is merged back."""

from gare.domain.fixes import FixBranch, fixes_of
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
    """Return the branch. It is as wanted when it is at the planned commit.

    That of a hotfix which ended undeployed is taken over: this one has its version now.
    """
    picks, commit = work.gare.source(work.plan).picks, work.plan.commit

    def look() -> Look:
        found = picks.look_branch(name, push=push)
        if found == commit:
            return AsWanted({"branch": name, "commit": commit})
        if not found or _spent(work, name, found):
            return Absent()
        return Different(
            f"branch {name} at {found[:12]}",
            f"Delete it if nobody needs it (`git push origin --delete {name}`)",
        )

    def act() -> Receipt:
        found = picks.look_branch(name, push=push)
        spent = _spent(work, name, found)
        picks.write_branch(name, commit, push=push, over=spent.commit if spent else "")
        receipt = {"branch": name, "commit": commit}
        return receipt | {"over": spent.commit, "of": spent.release} if spent else receipt

    return Effect(f"branch {name}", {"commit": commit, "push": push}, look, act)


def _spent(work: Work, name: str, commit: str) -> FixBranch | None:
    """Return the branch of a hotfix that ended without being deployed; None for any other."""
    return next(
        (
            one
            for one in work.ledger.fixes.branches(work.plan.project)
            if (one.name, one.commit) == (name, commit) and one.is_spent
        ),
        None,
    )

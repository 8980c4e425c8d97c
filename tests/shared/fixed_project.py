"""The released project after a hotfix of it, and what is known of its lines."""

from collections.abc import Sequence

from released_project import ReleasedProject

from gare.domain.fixes import Fix, FixState
from gare.domain.releases import ReleaseState
from gare.fixing import look_again, track
from gare.requests import ReleaseRequest


class FixedProject(ReleasedProject):
    """The project after its fix was released as hotfix R-1, version 1.4.1."""

    def release(self, *commits: str, **request: object) -> Sequence[str]:
        """Release commits as a hotfix; return what they became."""
        gare = self.gare()
        digest, plan = self.plan(*commits or [self.fix], **request)
        self.git("tag", plan.tag, plan.commit)
        run = f"run of {plan.version}"
        release = gare.ledger.releases.open(digest, plan, run, "alice", "")
        track(gare, release, plan)
        gare.ledger.releases.mark(release.id, ReleaseState.RELEASED, actor="gare")
        return [pick["made"] for pick in plan.details["picks"]]

    def look(self, line: str = "main") -> Fix:
        """Look where a line stands now."""
        [found] = [fix for fix in look_again(self.gare(), "shop") if fix.line == line]
        return found

    def stands(self) -> dict[str, FixState]:
        return {fix.line: fix.state for fix in look_again(self.gare(), "shop")}

    def branch(self, name: str, start: str) -> None:
        self.git("checkout", "-qb", name, start)

    def on(self, branch: str, *words: str) -> None:
        """Run a git command on a branch, and come back to main."""
        self.git("checkout", "-q", branch)
        self.git(*words)
        self.git("checkout", "-q", "main")

    def release_plan(self, **request: object):
        return self.gare().drafting.make(ReleaseRequest(project="shop", **request))[1]

"""The end of a release: what it has brought is owed no more."""

import pytest
from fixed_project import FixedProject

from gare.domain.fixes import FixState
from gare.requests import ReleaseRequest
from tasks.close import finish
from tasks.step import Work


class Closing:
    """A release of main, which has got a hotfix's fix by `git merge` since somebody looked last."""

    def __init__(self, shop: FixedProject) -> None:
        shop.git("reset", "-q", "--hard", shop.feature)
        [made] = shop.release(shop.fix)
        shop.git("merge", "-q", made)
        self.gare, self.said = shop.gare(), list[str]()
        digest, plan = self.gare.drafting.make(ReleaseRequest(project="shop"))
        release = self.gare.ledger.releases.open(digest, plan, "run 2", "", "")
        self.work = Work(self.gare, release, plan, plan.step("close"), 1, self.said.append)

    def stands(self) -> list[FixState]:
        return [fix.state for fix in self.gare.ledger.fixes.of("shop")]


@pytest.fixture
def shop(tmp_path) -> FixedProject:
    return FixedProject(tmp_path)


def test_a_fix_that_a_release_has_brought_is_owed_no_more(shop):
    closing = Closing(shop)
    assert closing.stands() == [FixState.MISSING]
    finish(closing.work)
    assert closing.stands() == [FixState.MERGED]


def test_a_release_that_is_out_ends_though_the_lines_cannot_be_looked_at(shop):
    closing = Closing(shop)
    shop.work.rename(shop.root / "gone")
    assert finish(closing.work)["summary"]
    assert closing.stands() == [FixState.MISSING]
    assert closing.said[0].startswith("Where lines stand towards fixes could not be looked at: ")

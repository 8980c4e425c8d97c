"""What a deployment refuses to go back behind, and what a hotfix owes from then on."""

import pytest

from gare.config.loader import load_station
from gare.domain.plan import Kind
from gare.domain.releases import ReleaseState
from gare.errors import Refused
from gare.ledger.ledger import Ledger
from gare.wiring import Gare
from tasks.deploy import owe_checks, refuse_overtaken
from tasks.step import Work


class Shop:
    """A project whose production was brought to 1.1.7 by R-1."""

    def __init__(self, root, story) -> None:
        (root / "station.yaml").write_text("name: station\n")
        self.story = story
        self.ledger = Ledger(f"sqlite:///{root / 'ledger.db'}", clock=story.Clock())
        self.gare = Gare(load_station(root))
        self.gare.__dict__["ledger"] = self.ledger
        self.is_good("1.1.7")

    def is_good(self, version: str) -> None:
        plan = self.story.make_plan(version=version)
        release = self.open(plan)
        self.ledger.set_verified(release.id, "shop", "production", version)
        self.ledger.releases.mark(release.id, ReleaseState.RELEASED, actor="gare")

    def open(self, plan):
        digest = self.ledger.plans.store(plan)
        return self.ledger.releases.open(digest, plan, f"run {plan.version}", "carol", "")

    def deploys(self, version: str, **details: object) -> Work:
        details = {"skipped": [{"step": "test", "later": "Test it"}], **details}
        plan = self.story.make_plan(version=version, kind=Kind.HOTFIX, details=details)
        release = self.open(plan)
        return Work(self.gare, release, plan, plan.step("deploy-production"), 1, lambda _: None)


@pytest.fixture
def shop(tmp_path, story):
    return Shop(tmp_path, story)


def test_a_hotfix_of_an_older_version_than_what_runs_is_not_deployed(shop):
    with pytest.raises(Refused) as caught:
        refuse_overtaken(shop.deploys("1.0.1"))
    assert caught.value.what == (
        "production has 1.1.7 of R-1 by now; 1.0.1 would go back behind it."
    )


def test_one_that_was_allowed_to_go_back_goes_back_from_that_version_and_no_other(shop):
    work = shop.deploys("1.0.1", older_than="1.1.7")
    refuse_overtaken(work)
    shop.is_good("1.1.8")
    with pytest.raises(Refused):
        refuse_overtaken(work)


def test_a_newer_one_is_deployed(shop):
    refuse_overtaken(shop.deploys("1.1.8", older_than=""))


def test_what_was_skipped_is_owed_as_soon_as_the_last_environment_runs_the_hotfix(shop):
    work = shop.deploys("1.1.8")
    for _ in range(2):
        owe_checks(work)
    shop.ledger.releases.mark(work.release.id, ReleaseState.CANCELLED, actor="gare")
    assert [check.step for check in shop.ledger.later.of("shop", is_open=True)] == ["test"]

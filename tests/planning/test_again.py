"""A version that was rolled back: it is named where it comes again, and it can be released again as it was."""

# ruff: noqa: E501 - a table of whole messages

from dataclasses import asdict

import pytest
from released_project import ReleasedProject

from gare.connectors.artifacts import keep
from gare.domain.fixes import fixes_of
from gare.domain.plan import Kind, Plan
from gare.domain.releases import ReleaseState, StepState
from gare.errors import LosesFix, NothingToRelease, Refused
from gare.ledger.effects import Absent, Effect
from gare.requests import HotfixRequest, ReleaseRequest
from tasks.plan import plan_anew

MORE = """
gates: []
steps:
  - {id: test, type: test, skip: true}
publish: {changelog: CHANGES.md}
"""


class RolledBack:
    """1.4.0 is live again in production, because R-3 has rolled 1.5.0 back, which R-2 had released."""

    def __init__(self, root, story) -> None:
        self.project, self._story = ReleasedProject(root, MORE), story
        self.project.git("tag", "v1.5.0")
        self.tagged = self.project.git("rev-parse", "HEAD")
        self.gare = self.project.gare()
        for version in ("1.4.0", "1.5.0"):
            self.release(version)
        self.verified("1.4.0", Kind.ROLLBACK, "not at fault")

    def release(self, version: str) -> str:
        """Release a version to production, with an artifact of its own."""
        return self.verified(version, Kind.RELEASE)

    def verified(self, version: str, kind: Kind, reason: str = "") -> str:
        ledger = self.gare.ledger
        commit = self.project.git("rev-parse", f"v{version}^{{}}")
        plan = self._story.make_plan(version=version, tag=f"v{version}", commit=commit, kind=kind)
        run = f"run-{len(ledger.releases.find())}"
        opened = ledger.releases.open(ledger.plans.store(plan), plan, run, "alice", reason).id
        if kind is Kind.RELEASE:
            file = self.project.root / "app.txt"
            file.write_text(version)
            artifact = asdict(keep(file, "app.txt", self.gare.store))
            ledger.releases.begin_step(opened, "build", actor="gare")
            built = {"artifacts": [artifact], "sbom": ""}
            ledger.releases.end_step(opened, "build", StepState.DONE, value=built, actor="gare")
            effect = Effect("deploy production", {"version": version}, Absent, dict)
            ledger.effects.perform(opened, "deploy-production", effect)
        ledger.set_verified(opened, "shop", "production", version)
        ledger.releases.mark(opened, ReleaseState.RELEASED, actor="gare", end="done")
        return opened

    def plan(self, **asked: str) -> Plan:
        return self.gare.drafting.make(ReleaseRequest(project="shop", **asked))[1]


@pytest.fixture
def shop(tmp_path, story) -> RolledBack:
    return RolledBack(tmp_path, story)


SAID = "1.5.0, which R-3 rolled back in production: not at fault"


def test_a_plan_says_that_a_version_comes_again_that_was_rolled_back(shop):
    shop.project.commit("fix: rounding", "basket.py", "rounded\n")
    made = shop.plan()
    assert (made.version, made.warnings) == ("1.5.1", (f"contains {SAID}",))


def test_so_does_the_plan_of_a_hotfix_on_top_of_it(shop):
    fix = shop.project.commit("fix: rounding", "basket.py", "rounded\n")
    made = shop.gare.drafting.make(HotfixRequest(project="shop", commits=(fix,)))[1]
    assert made.version == "1.5.1"
    assert f"contains {SAID}" in made.warnings


def test_once_a_later_version_was_good_there_nothing_is_said_any_more(shop):
    shop.project.commit("fix: rounding", "basket.py", "rounded\n")
    shop.project.git("tag", "v1.5.1")
    shop.release("1.5.1")
    shop.project.commit("fix: spelling", "basket.py", "spelled\n")
    assert shop.plan().warnings == ()


def test_with_nothing_new_the_way_to_release_it_again_is_named(shop):
    with pytest.raises(NothingToRelease) as caught:
        shop.plan()
    assert "there is no commit since 1.5.0" in caught.value.what
    assert "`gare release shop --again 1.5.0`" in caught.value.hint


def test_released_again_it_is_what_it_was_and_the_plan_tells_what_that_brings(shop):
    shop.project.commit("fix: rounding", "basket.py", "rounded\n")  # no part of it
    made = shop.plan(again="1.5.0")
    assert (made.version, made.tag, made.commit) == ("1.5.0", "v1.5.0", shop.tagged)
    assert made.headline == "1.5.0 (again; the last one is 1.4.0)"
    assert made.outcome == "1.5.0 is released again"
    assert {commit.subject for commit in made.commits} == {"gift cards", "total"}
    assert made.warnings == (
        SAID,
        "deployed is what R-2 has built; nothing is tagged or published anew",
    )
    assert made.step("build").settings["artifacts_of"] == "R-2"
    assert [step.id for step in made.steps] == [
        "plan", "build", "validate", "deploy-staging", "verify-staging", "deploy-production",
        "verify-production", "announce", "close",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"again": "1.4.0"}, "1.4.0 was not rolled back, or a later version was good since. (shop) Can be released again: `1.5.0`."),
        ({"again": "9.9.9"}, "9.9.9 was not rolled back, or a later version was good since. (shop) Can be released again: `1.5.0`."),
        ({"again": "1.5.0", "ref": "main"}, "1.5.0 is to be released again: it has its version and its commit already."),
    ],
)  # fmt: skip
def test_what_is_not_released_again(shop, asked, said):
    with pytest.raises(Refused) as caught:
        shop.plan(**asked)
    assert said in str(caught.value)


def test_without_its_artifacts_it_is_not_released_again(shop):
    for file in (shop.gare.store / "sha256").rglob("*"):
        if file.is_file():
            file.unlink()
    with pytest.raises(Refused, match=r"The artifacts of R-2 are no longer in the store\."):
        shop.plan(again="1.5.0")


def test_what_was_released_again_is_good_again(shop):
    shop.release("1.5.0")
    with pytest.raises(Refused, match=r"1\.5\.0 was not rolled back"):
        shop.plan(again="1.5.0")


def test_a_fix_that_came_since_is_not_lost(shop):
    ledger = shop.gare.ledger
    shop.project.git("checkout", "-q", "-b", "fix", "v1.4.0")
    fix = shop.project.commit("fix: urgent", "urgent.py", "1\n")
    shop.project.git("checkout", "-q", "main")
    digest, hotfix = shop.gare.drafting.make(
        HotfixRequest(project="shop", commits=(fix,), line="v1.4.0")
    )
    opened = ledger.releases.open(digest, hotfix, "run-hotfix", "alice", "urgent")
    ledger.fixes.note(fixes_of(opened.id, hotfix), actor="gare")
    ledger.releases.mark(opened.id, ReleaseState.RELEASED, actor="gare", end="done")
    with pytest.raises(LosesFix, match=r"1\.5\.0 would lose"):
        shop.plan(again="1.5.0")


def test_in_the_queue_it_keeps_its_plan_although_its_tag_is_there(shop):
    request = ReleaseRequest(project="shop", again="1.5.0", replan=True)
    digest, plan = shop.gare.drafting.make(request)
    opened = shop.gare.ledger.releases.open(digest, plan, "run-again", "alice", "")
    assert plan_anew(shop.gare, opened, request).plan == digest

"""Tickets and the release's page say that a version was rolled back: once, on the simulators of GitLab and Jira."""

from types import SimpleNamespace

from gitlab_project import GITLAB, connected
from sandbox import sandboxed

from gare.connectors.jira_release import JiraRelease
from gare.connectors.jira_settings import JiraConnection, JiraTrackerSettings
from gare.domain.plan import Kind, PlannedStep
from gare.domain.releases import StepState
from gare.ledger.ledger import Ledger
from gare.ports.release_page import ReleaseEntry
from tasks.recall import effects_of
from tasks.step import Work

JIRA = {
    "deployment": "cloud",
    "projects": {
        "SHOP": {
            "name": "Shop",
            "issues": [
                {"key": "SHOP-1", "title": "Pay by card"},
                {"key": "SHOP-2", "title": "Release 1.4.0"},
            ],
        }
    },
    "users": [{"name": "gare", "email": "gare@example.org", "token": "good"}],
}


def test_all_who_heard_of_the_release_are_told_once(story, tmp_path):
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}", clock=story.Clock())
    released, _ = story.open_release(ledger)
    ledger.releases.begin_step(released.id, "change-open", actor="gare")
    ledger.releases.end_step(
        released.id, "change-open", StepState.DONE, value={"key": "SHOP-2"}, actor="gare"
    )
    with sandboxed({"jira": JIRA, "gitlab": GITLAB}) as served:
        (tmp_path / "token").write_text("good")
        connection = JiraConnection(
            type="jira", url=f"{served.url}/jira", token="file:token", user="gare@example.org",
            deployment="cloud",
        )  # fmt: skip
        tracker = JiraTrackerSettings(type="jira", connection="jira", project="SHOP")
        writer = JiraRelease(tracker, connection, tmp_path)
        gitlab = connected(served.url)
        gitlab.release_page.write(ReleaseEntry("v0.1.0", "Shop 1.4.0", "- pay by card"))
        step = PlannedStep(
            "recall-r-1", "recall", "Say so",
            settings={
                "release": released.id, "version": "1.4.0", "environment": "production",
                "tracker": {"type": "jira"}, "keys": ["SHOP-1", "SHOP-404"],
                "gitlab": {"project": "x"}, "tag_name": "v0.1.0",
            },
        )  # fmt: skip
        plan = story.make_plan(version="1.3.0", kind=Kind.ROLLBACK, steps=(step,))
        rollback, plan = story.open_release(ledger, plan, "22222222-2222-3333-4444-555555555555")
        gare = SimpleNamespace(
            ledger=ledger,
            tracking=SimpleNamespace(writer=lambda _: writer),
            hosting=SimpleNamespace(at=lambda _: gitlab),
            plan=ledger.plans.get,
        )
        work = Work(gare, rollback, plan, step, 1, print)

        def tell() -> list[str]:
            told = []
            for effect in effects_of(work):
                ledger.effects.perform(rollback.id, step.id, effect)
                told.append(effect.target)
            return told

        assert tell() == tell() == ["SHOP-1 comment", "SHOP-2 comment", "release page v0.1.0"]
        sentence = (
            "Shop 1.4.0 was rolled back in production, which is back at 1.3.0: card payments. (R-2)"
        )
        assert writer.has_comment("SHOP-2", sentence)
        page = gitlab.release_page.look("v0.1.0")
        assert page is not None
        assert page.notes == f"> **Rolled back.** {sentence}\n\n- pay by card"
        assert len(served.sent("POST", "/comment")) == 2
        assert served.invalid() == []

"""Who hears of a version that was put back by itself: the places that would have heard of the release."""

from released_project import ReleasedProject

from gare.domain.releases import Release, ReleaseState
from gare.requests import ReleaseRequest
from gare.wiring import Gare
from tasks.told import tell_put_back

MORE = """
announce:
  - {type: webhook, url: "http://127.0.0.1:9/hook"}
  - {type: file, path: ../said.md}
"""


def put_back(tmp_path) -> tuple[Gare, Release]:
    """A release that has put its version back in production."""
    project = ReleasedProject(tmp_path, MORE)
    gare = project.gare()
    digest, plan = gare.drafting.make(ReleaseRequest(project="shop", allow_dirty=True))
    opened = gare.ledger.releases.open(digest, plan, "run-1", "alice", "")
    gare.ledger.taken_back.note(opened.id, "production", by=opened.id, to="1.4.0", actor="gare")
    end = "production: it answers nothing. 1.4.0 is live again."
    return gare, gare.ledger.releases.mark(
        opened.id, ReleaseState.ROLLED_BACK, actor="gare", end=end
    )


def test_a_rollback_by_itself_is_announced_once_and_who_is_away_keeps_no_other_from_hearing(
    tmp_path,
):
    gare, release = put_back(tmp_path)
    problems = tell_put_back(gare, release)
    assert len(problems) == 1
    assert "does not say that it was rolled back" in problems[0]
    tell_put_back(gare, release)
    said = (tmp_path / "said.md").read_text()
    assert said.count("# shop 1.5.0 was rolled back in production\n") == 1
    assert (
        "shop 1.5.0 was rolled back in production, which is back at 1.4.0: "
        f"it answers nothing. 1.4.0 is live again. ({release.id})\n"
    ) in said


def test_a_release_that_ended_otherwise_tells_nobody(tmp_path):
    gare, release = put_back(tmp_path)
    other = gare.ledger.releases.open(
        release.plan, gare.plan(release.plan), "run-2", "alice", "again"
    )
    cancelled = gare.ledger.releases.mark(
        other.id, ReleaseState.CANCELLED, actor="alice", end="not now"
    )
    assert tell_put_back(gare, cancelled) == []
    assert not (tmp_path / "said.md").exists()

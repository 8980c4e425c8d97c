"""Asking, voting, deciding: what the ledger takes and what it refuses, with the whole sentence."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from gare.domain.approvals import Answer, Decision, Voter
from gare.domain.manifest import Manifest
from gare.domain.releases import ReleaseState
from gare.errors import AuthenticationFailed, NotFound, Refused
from gare.ledger.approvals import Tokens
from gare.ledger.ledger import Ledger

ONE = Manifest("sha256:" + "1" * 64, {"shop.tar.gz": "a" * 64}, {})
TWO = Manifest("sha256:" + "1" * 64, {"shop.tar.gz": "b" * 64}, {})


@pytest.fixture
def release(ledger, story):
    return story.open_release(ledger)[0]


@pytest.fixture
def asked(ledger, release, story):
    return ledger.approvals.ask(release.id, story.RULE, ONE)


def kinds(ledger):
    return [event.kind for event in ledger.database.events("R-1")][1:]


def refused(ledger, release, story, voter, answer=Answer.APPROVE, **changes):
    """Vote, expect a refusal, check that nothing changed, return the sentence."""
    before = ledger.database.head("R-1"), ledger.approvals.votes(release.id, story.RULE.step)
    with pytest.raises(Refused) as caught:
        story.vote(ledger, release, voter, answer, **changes)
    assert (
        ledger.database.head("R-1"),
        ledger.approvals.votes(release.id, story.RULE.step),
    ) == before
    return str(caught.value)


def test_a_quorum_approves(ledger, release, asked, story):
    standing = story.vote(ledger, release, story.ALICE, comment="looks good")
    assert str(standing) == "votes missing: 1 from operations (approved by alice)"
    standing = story.vote(ledger, release, story.BOB)
    assert (standing.decision, str(standing)) == (Decision.APPROVED, "approved")
    ledger.approvals.close(release.id, story.RULE.step, standing.decision)
    ledger.approvals.close(release.id, story.RULE.step, Decision.REJECTED)
    assert ledger.approvals.get(release.id, story.RULE.step).decision is Decision.APPROVED
    assert kinds(ledger) == ["approval asked", "vote approve", "vote approve", "approval decided"]


def test_one_no_rejects(ledger, release, asked, story):
    story.vote(ledger, release, story.ALICE)
    standing = story.vote(ledger, release, story.BOB, Answer.REJECT, comment="not today")
    assert (standing.decision, str(standing)) == (Decision.REJECTED, "rejected by bob")


def test_asking_again_about_the_same_changes_nothing(ledger, release, asked, story):
    assert ledger.approvals.ask(release.id, story.RULE, ONE) == asked
    assert kinds(ledger) == ["approval asked"]


def test_two_processes_ask_once(url, story):
    ledgers = [Ledger(url) for _ in range(3)]
    release, _ = story.open_release(ledgers[0])
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda one: one.approvals.ask(release.id, story.RULE, ONE), ledgers))
    assert found[0] == found[1] == found[2]
    assert kinds(ledgers[0]) == ["approval asked"]
    for one in ledgers:
        one.database.close()


def test_before_it_is_asked_nothing_can_be_voted(ledger, release, story):
    assert (
        str(ledger.approvals.standing(release.id, story.RULE))
        == "votes missing: 1 from developers, 1 from operations"
    )
    assert refused(ledger, release, story, story.ALICE) == (
        "R-1 does not ask for this approval yet. (approve-production) `gare why R-1` says what it does now."
    )


def test_voting_twice(ledger, release, asked, story):
    story.vote(ledger, release, story.ALICE)
    for answer in Answer:
        assert refused(ledger, release, story, story.ALICE, answer) == (
            "alice has voted already. (approve-production) Each person votes once; the first vote stands."
        )


def test_one_person_voting_from_two_places_at_once_votes_once(url, story):
    ledgers = [Ledger(url) for _ in range(4)]
    release, _ = story.open_release(ledgers[0])
    ledgers[0].approvals.ask(release.id, story.RULE, ONE)

    def vote(one):
        try:
            story.vote(one, release, story.ALICE)
        except Refused as refusal:
            return refusal.what
        return "counted"

    with ThreadPoolExecutor(4) as pool:
        ends = sorted(pool.map(vote, ledgers))
    assert ends == ["alice has voted already."] * 3 + ["counted"]
    for one in ledgers:
        one.database.close()


def test_voting_about_something_else(ledger, release, asked, story):
    assert refused(ledger, release, story, story.ALICE, manifest=TWO.digest) == (
        f"The vote names manifest {TWO.digest[:19]}…, but {ONE.digest[:19]}… is asked about. (approve-production) "
        "Look at what changed with `gare status`, then vote on the manifest shown there."
    )


def test_voting_in_the_wrong_group(ledger, release, asked, story):
    assert refused(ledger, release, story, story.OUTSIDER) == (
        "otto is in none of the groups that decide here (developers, operations). (approve-production) "
        "Ask a member of these groups to vote, or add the person to one in station.yaml."
    )


def test_authors_may_not_vote(ledger, release, asked, story):
    assert refused(ledger, release, story, story.AUTHOR) == (
        "ann wrote commits of this release and may not vote on it. (approve-production) "
        "Ask somebody without a commit in it (`author_may_vote` in the rule changes this)."
    )


def test_the_requester_may_not_vote(ledger, release, asked, story):
    assert refused(ledger, release, story, story.REQUESTER) == (
        "rita started this release and may not vote on it. (approve-production) "
        "Ask somebody else (`requester_may_vote` in the rule changes this)."
    )


def test_a_rule_can_let_both_vote(ledger, release, story):
    rule = replace(story.RULE, author_may_vote=True, requester_may_vote=True)
    ledger.approvals.ask(release.id, rule, ONE)
    for voter in (story.AUTHOR, story.REQUESTER):
        standing = ledger.approvals.vote(
            release.id,
            rule,
            voter,
            Answer.APPROVE,
            manifest=ONE.digest,
            comment="",
            authors=["ann@example.org"],
        )
    assert standing.decision is Decision.APPROVED


def test_voting_after_the_end(ledger, release, asked, story):
    ledger.releases.mark(release.id, ReleaseState.CANCELLED, actor="gare")
    assert refused(ledger, release, story, story.ALICE) == (
        "R-1 has ended: cancelled. (approve-production) A release that ended takes no votes."
    )


@pytest.mark.parametrize(
    ("answer", "said"), [(Answer.APPROVE, "approved"), (Answer.REJECT, "rejected by bob")]
)
def test_voting_after_the_decision(sqlite_ledger, story, answer, said):
    ledger = sqlite_ledger
    release, _ = story.open_release(ledger)
    ledger.approvals.ask(release.id, story.RULE, ONE)
    story.vote(ledger, release, story.ALICE)
    story.vote(ledger, release, story.BOB, answer)
    carol = Voter("carol", frozenset({"operations"}), frozenset())
    assert refused(ledger, release, story, carol) == (
        f"The approval is decided: {said}. (R-1, approve-production) "
        "A decision stands; start a new release to ask again."
    )


def test_an_expired_request_takes_no_votes(ledger, release, asked, clock, story):
    story.vote(ledger, release, story.ALICE)
    clock.pass_by(timedelta(days=7))
    assert str(ledger.approvals.standing(release.id, story.RULE)) == "expired"
    assert refused(ledger, release, story, story.BOB) == (
        "The approval is decided: expired. (R-1, approve-production) "
        "A decision stands; start a new release to ask again."
    )


def test_a_quorum_reached_in_time_stands_after_the_expiry(ledger, release, asked, clock, story):
    story.vote(ledger, release, story.ALICE)
    story.vote(ledger, release, story.BOB)
    clock.pass_by(timedelta(days=30))
    assert ledger.approvals.standing(release.id, story.RULE).decision is Decision.APPROVED


def test_a_changed_manifest_voids_the_votes_and_says_what_changed(
    ledger, release, asked, clock, story
):
    story.vote(ledger, release, story.ALICE)
    clock.pass_by(timedelta(days=1))
    again = ledger.approvals.ask(release.id, story.RULE, TWO)
    assert again.manifest == TWO.digest
    assert again.expires_at == asked.expires_at
    assert (
        str(ledger.approvals.standing(release.id, story.RULE))
        == "votes missing: 1 from developers, 1 from operations"
    )
    event = ledger.database.events("R-1")[-1]
    assert event.kind == "votes void"
    assert f'"before":{{"artifacts":{{"shop.tar.gz":"{"a" * 64}"}}' in event.body
    assert f'"is":{{"artifacts":{{"shop.tar.gz":"{"b" * 64}"}}' in event.body
    standing = story.vote(ledger, release, story.ALICE)
    assert standing.approvers == ("alice",)
    assert [vote.manifest for vote in ledger.approvals.votes(release.id, story.RULE.step)] == [
        ONE.digest,
        TWO.digest,
    ]


def test_a_decided_approval_is_not_asked_again(ledger, release, asked, story):
    story.vote(ledger, release, story.ALICE)
    story.vote(ledger, release, story.BOB)
    ledger.approvals.close(release.id, story.RULE.step, Decision.APPROVED)
    assert ledger.approvals.ask(release.id, story.RULE, TWO).manifest == ONE.digest


def test_a_comment_that_is_no_text_is_kept_readable(ledger, release, asked, story):
    story.vote(ledger, release, story.ALICE, comment="a\x00b\udcff")
    assert ledger.approvals.votes(release.id, story.RULE.step)[0].comment == "a\ufffdb\ufffd"


def test_voting_on_a_release_that_does_not_exist(ledger, story):
    with pytest.raises(NotFound) as caught:
        ledger.approvals.vote(
            "R-9",
            story.RULE,
            story.ALICE,
            Answer.APPROVE,
            manifest=ONE.digest,
            comment="",
            authors=(),
        )
    assert caught.value.what == "There is no release R-9."


def test_a_token_says_who_and_only_its_digest_is_kept(ledger):
    token = ledger.tokens.create("alice", actor="keeper")
    assert token.startswith("gare_")
    assert len(token) > 40
    assert ledger.tokens.who(token) == "alice"
    assert ledger.tokens.who(f" {token}\n") == "alice"
    with ledger.database.read() as connection:
        stored = [
            str(row)
            for name in ("tokens", "events")
            for row in connection.exec_driver_sql(f"SELECT * FROM {name}")
        ]
    assert stored
    assert not any(token in row or token.removeprefix("gare_") in row for row in stored)


def test_tokens_of_a_person_are_counted_and_revoked_together(ledger):
    tokens = [ledger.tokens.create("alice", actor="keeper") for _ in range(2)]
    other = ledger.tokens.create("bob", actor="keeper")
    assert ledger.tokens.people() == {"alice": 2, "bob": 1}
    assert ledger.tokens.revoke("alice", actor="keeper") == 2
    assert ledger.tokens.revoke("alice", actor="keeper") == 0
    assert ledger.tokens.people() == {"bob": 1}
    assert ledger.tokens.who(other) == "bob"
    for token in tokens:
        with pytest.raises(AuthenticationFailed) as caught:
            ledger.tokens.who(token)
        assert str(caught.value) == (
            "The personal token is not valid: it was revoked. (GARE_TOKEN) "
            "Ask the station's keeper for one: `gare token create NAME`."
        )
    assert [event.kind for event in ledger.database.events("station")] == ["token made"] * 3 + [
        "tokens revoked"
    ]


@pytest.mark.parametrize(
    "token", ["", "gare_", "gare_wrong", "sha256:" + "0" * 64, "x" * 10_000, "\udcff"]
)
def test_a_wrong_token_is_refused(sqlite_ledger, token):
    sqlite_ledger.tokens.create("alice", actor="keeper")
    with pytest.raises(AuthenticationFailed) as caught:
        sqlite_ledger.tokens.who(token)
    assert caught.value.what == "The personal token is not valid."


def test_the_digest_of_a_token_is_no_token(sqlite_ledger):
    from gare.domain.digest import sha256

    tokens = Tokens(sqlite_ledger.database, new=lambda: "known")
    assert tokens.create("alice", actor="keeper") == "gare_known"
    with pytest.raises(AuthenticationFailed):
        tokens.who(sha256("gare_known"))

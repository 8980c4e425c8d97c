# ruff: noqa: E501 - tables of whole sentences
"""Why a release does not move: every blocker with its owner."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gare.domain.approvals import Answer, Vote, Voter, stand
from gare.domain.clearance import Clearance, Closing
from gare.domain.locks import Holder, Place
from gare.domain.plan import Kind, Plan, PlannedApproval, PlannedStep
from gare.domain.releases import Release, ReleaseState, StepRecord, StepState
from gare.domain.standing import Hold
from gare.domain.waits import Cause, Waited
from gare.reports.freezes import Ahead
from gare.reports.status import Asked
from gare.reports.why import explain
from gare.reports.why_view import Blocker, EngineState, Explanation, Queued, View

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
EXPIRES = NOW + timedelta(days=6)
RULE = PlannedApproval("approve", "production", {"dev": 1, "ops": 1}, False, False, 7 * 86400.0)
PEOPLE = [
    Voter("alice", frozenset({"dev"}), frozenset({"alice@x"})),
    Voter("ann", frozenset({"dev"}), frozenset({"ann@x"})),
    Voter("bob", frozenset({"ops"}), frozenset({"bob@x"})),
    Voter("rita", frozenset({"ops"}), frozenset({"rita@x"})),
    Voter("otto", frozenset({"marketing"}), frozenset({"otto@x"})),
]
PLAN = Plan(
    project="shop", title="", version="1.4.0", previous_version="", previous_tag="", previous_commit="", tag="",
    branch="", commit="", bump="", source={}, commits=(), tickets=(), notes="",
    steps=(
        PlannedStep("build", "build", ""),
        PlannedStep("backup", "manual", "Back up", ("build",), settings={"instructions": "Back the database up."}),
        PlannedStep("approve", "approve", "", ("build",), "production"),
        PlannedStep("deploy", "deploy", "", ("approve", "backup"), "production"),
    ),
    approvals=(RULE,), environments=("production",), authors=("ann@x",),
)  # fmt: skip
SLEEPS, RUNS = EngineState("PAUSED", "Suspended"), EngineState("RUNNING", "Running")


def step(
    name: str, state: StepState = StepState.DONE, error: str = "", attempt: int = 1
) -> StepRecord:
    return StepRecord(
        name, state, attempt, None, error, NOW, NOW if state is not StepState.RUNNING else None
    )


def vote(person: str, group: str, answer: Answer = Answer.APPROVE, comment: str = "") -> Vote:
    return Vote(person, frozenset({group}), answer, "m", comment, NOW)


def view(
    state: ReleaseState = ReleaseState.WAITING,
    *,
    steps: tuple[StepRecord, ...] = (step("build"),),
    votes: tuple[Vote, ...] = (),
    engine: EngineState = SLEEPS,
    now: datetime = NOW,
    rule: PlannedApproval = RULE,
    is_asked: bool = True,
    **changes: object,
) -> View:
    release = Release(
        "R-1", "shop", "1.4.0", "p", "run", state, "rita", "", NOW, NOW,
        NOW if state.is_closed else None, str(changes.pop("end", "")), (), EXPIRES if is_asked else None,
    )  # fmt: skip
    standing = stand(rule, votes, manifest="m", expires_at=EXPIRES, now=now)
    asked = Asked(rule, "m" if is_asked else "", EXPIRES if is_asked else None, standing, votes)
    made = View(
        release, PLAN, {record.step: record for record in steps}, [asked], PEOPLE, engine, now
    )
    return replace(made, **changes)


TICKED = (step("build"), step("backup"))


def test_votes_are_owed_by_those_who_may_still_vote():
    answer = explain(view(steps=TICKED))
    assert answer.sentence == "R-1 does not move: 2 things are in its way."
    assert [(b.what, b.owner, b.until, b.details) for b in answer.blockers] == [
        (
            "production: 1 vote of dev missing", "alice", EXPIRES,
            ("ann may not vote: wrote commits of this release and may not vote on it",),
        ),
        (
            "production: 1 vote of ops missing", "bob", EXPIRES,
            ("rita may not vote: started this release and may not vote on it",),
        ),
    ]  # fmt: skip
    assert answer.blockers[0].do == (
        "`gare approve R-1 --env production` (or `gare reject …`), with a personal token."
    )
    assert answer.wake_at == EXPIRES
    assert answer.then == "Then: deploy."


@pytest.mark.parametrize(
    ("train", "way"),
    [
        ("", "`gare resume R-1`"),
        (
            "R-7",
            "`gare train resume R-7 --again shop` (from its branch as it is now), or `gare resume R-1`",
        ),
    ],
)
def test_a_release_that_failed_before_any_step_names_who_asked_for_it_and_the_way_on(train, way):
    made = view(ReleaseState.FAILED, end="1.4.0 would lose a fix.")
    member = replace(made, release=replace(made.release, train=train), may_come_again=bool(train))
    [blocker] = explain(member).blockers
    assert (blocker.what, blocker.owner) == ("1.4.0 would lose a fix.", "rita")
    assert blocker.do == f"Remove the cause, then {way}; or end it with `gare cancel R-1`."


def test_who_votes_is_told_what_was_rolled_back_there_since():
    hold = Hold("shop", "production", "R-9", "checkout is slow", NOW)
    answer = explain(view(steps=TICKED, holds={"production": hold}))
    assert [b.what for b in answer.blockers] == [
        "shop/production is on hold since R-9 (checkout is slow): "
        "a release that no person has asked for since does not deploy there.",
        "production: 1 vote of dev missing",
        "production: 1 vote of ops missing",
    ]
    assert "`gare hold release shop production`" in answer.blockers[0].do


@pytest.mark.parametrize(
    ("more", "owner", "do"),
    [
        ({}, "nobody", "Nothing: it looks again by itself."),
        (
            {"who": "somebody in GitLab", "do": "Start it there: ship (http://x/jobs/3)."},
            "somebody in GitLab",
            "Start it there: ship (http://x/jobs/3). Nothing here: it looks again by itself.",
        ),
    ],
)
def test_a_step_that_looks_again_names_who_must_act_elsewhere(more, owner, do):
    value = {"summary": "ship waits", "again_at": EXPIRES.isoformat(), **more}
    waiting = StepRecord("build", StepState.WAITING, 1, value, "", NOW, NOW)
    [blocker] = explain(view(steps=(waiting, step("backup")), is_asked=False)).blockers
    assert (blocker.what, blocker.owner, blocker.do) == ("ship waits", owner, do)


def test_whoever_has_voted_owes_nothing():
    answer = explain(view(steps=TICKED, votes=(vote("alice", "dev"),)))
    assert [(b.what, b.owner) for b in answer.blockers] == [
        ("production: 1 vote of ops missing", "bob")
    ]
    assert answer.sentence == "R-1 does not move: one thing is in its way."


def test_a_group_without_anybody_left_is_told():
    answer = explain(
        view(steps=TICKED, votes=(vote("alice", "dev"),), people=PEOPLE[:2] + PEOPLE[3:])
    )
    assert [(b.what, b.owner, b.do) for b in answer.blockers] == [
        (
            "production: 1 vote of ops missing",
            "nobody: ops has no one left who may vote",
            "Add somebody to ops in station.yaml, or end it with `gare cancel R-1`.",
        )
    ]


def test_a_quorum_that_cannot_be_reached_is_told():
    both = Voter("zoe", frozenset({"dev", "ops"}), frozenset())
    answer = explain(view(steps=TICKED, people=[both]))
    assert answer.blockers[-1].what == (
        "production: even if all of them vote, 1 vote of ops would be missing"
    )


def test_a_manual_step_says_what_to_do_and_how_to_tick_it_off():
    answer = explain(view(votes=(vote("alice", "dev"),)))
    manual = answer.blockers[0]
    assert (manual.what, manual.owner, manual.do) == (
        "Step backup is for a person: Back the database up.",
        "whoever does it",
        "Do it, then `gare done R-1 backup --comment …`.",
    )
    assert len(answer.blockers) == 2


def test_a_decision_that_nobody_acts_on_is_told():
    votes = (vote("alice", "dev"), vote("bob", "ops"))
    answer = explain(view(steps=TICKED, votes=votes))
    assert [(b.what, b.do) for b in answer.blockers] == [
        (
            "The approval of production is decided (approved), but the run has not gone on yet.",
            "Wait a moment; then `gare resume R-1`.",
        )
    ]


def test_a_failed_step_is_told_with_its_error_and_its_logs():
    failed = step("build", StepState.FAILED, "make ended with 2", attempt=3)
    answer = explain(
        view(ReleaseState.FAILED, steps=(failed,), is_asked=False, engine=EngineState("FAILED", "Failed"),
             logs={"build": ["logs/R-1/build-3-1.log"]})
    )  # fmt: skip
    assert answer.sentence == "R-1 has failed and waits for somebody."
    [blocker] = answer.blockers
    assert (blocker.what, blocker.owner, blocker.details) == (
        "Step build failed (attempt 3): make ended with 2", "rita", ("log: logs/R-1/build-3-1.log",)
    )  # fmt: skip
    assert (
        blocker.do == "Remove the cause, then `gare resume R-1`; or end it with `gare cancel R-1`."
    )


def test_one_that_needs_attention_says_why_and_what_to_do():
    failed = step("build", StepState.FAILED, "make ended with 2")
    end = "its process died 5 times: the last time at step build"
    answer = explain(view(ReleaseState.ATTENTION, steps=(failed,), is_asked=False, end=end))
    assert answer.sentence == "R-1 needs attention and waits for somebody."
    [blocker] = answer.blockers
    assert (blocker.what, blocker.owner, blocker.since) == (end, "the station's keeper", NOW)
    assert (
        blocker.do == "Remove the cause, then `gare resume R-1`; or end it with `gare cancel R-1`."
    )


def queued(
    *blockers: Blocker, ahead: tuple[str, ...] = (), wake_at: datetime | None = None
) -> Queued:
    place = Place(
        "R-1", "shop", len(ahead) + 1, 2, (Holder("R-2", ("production", "")),), ahead, NOW
    )
    why = "R-2 moves: build under way." if not blockers else "R-2 does not move."
    return Queued(place, {"R-2": Explanation(why, blockers, "", wake_at)})


def test_a_queued_one_names_the_holder_its_place_and_what_the_holder_waits_for():
    vote = Blocker("production: 1 vote of ops missing", "bob", "vote")
    answer = explain(
        view(is_asked=False, steps=(), queued=queued(vote, ahead=("R-3",), wake_at=EXPIRES))
    )
    assert answer.sentence == "R-1 does not move: one thing is in its way."
    [blocker] = answer.blockers
    assert blocker == Blocker(
        "It is queued behind R-2 (shop/production and the version line), place 2 of 2",
        "bob",
        "Nothing: it goes on by itself. Or look at `gare why R-2`; or leave with `gare cancel R-1`.",
        since=NOW,
        until=EXPIRES,
        details=(
            "R-2 holds shop/production and the version line",
            "R-2 waits for: production: 1 vote of ops missing (bob)",
            "before it in the queue: R-3",
        ),
    )
    assert answer.wake_at == EXPIRES


def test_a_queued_one_behind_a_release_that_moves_owes_nobody_anything():
    [blocker] = explain(view(is_asked=False, steps=(), queued=queued())).blockers
    assert (blocker.owner, blocker.details[-1]) == (
        "nobody: R-2 moves",
        "R-2 moves: build under way.",
    )


def test_one_whose_turn_has_come_and_that_sleeps_on_says_what_to_do():
    place = Place("R-1", "shop", 1, 1, (), (), NOW)
    [blocker] = explain(view(is_asked=False, steps=(), queued=Queued(place, {}))).blockers
    assert (blocker.what, blocker.owner, blocker.do) == (
        "It is queued, its turn has come, place 1 of 1",
        "the station's keeper",
        "Wait a moment; then `gare resume R-1`.",
    )


def test_a_failure_without_a_failed_step_says_the_end():
    answer = explain(
        view(ReleaseState.FAILED, steps=(), is_asked=False, end="steps not done: deploy")
    )
    assert answer.blockers[0].what == "steps not done: deploy"


def test_a_release_that_moves_says_what_is_under_way():
    answer = explain(
        view(
            ReleaseState.RUNNING,
            steps=(step("build", StepState.RUNNING),),
            engine=RUNS,
            is_asked=False,
        )
    )
    assert (answer.sentence, answer.blockers) == ("R-1 moves: build under way.", ())
    assert answer.then == "Then: build, backup, approve, deploy."


@pytest.mark.parametrize(
    ("engine", "what", "do"),
    [
        (EngineState(problem="No station is up here."), "The station does not answer: No station is up here.", "Start it with `gare up`; votes and ticks are kept meanwhile."),
        (EngineState("CRASHED", "Crashed", "killed"), "The run's process died: killed", "Nothing: the station brings it on by itself; `gare resume R-1` does it now."),
        (EngineState("CANCELLED", "Cancelled"), "The run was cancelled in the engine", "End it for good with `gare cancel R-1`, or bring it back with `gare resume R-1`."),
        (EngineState("SCHEDULED", "Late"), "No worker has taken the run yet.", "Look at the worker: `gare doctor`."),
        (EngineState("FAILED", "TimedOut"), "The run ended as TimedOut", "Nothing: the station brings it on by itself; `gare resume R-1` does it now."),
        (EngineState("PAUSED", "Suspended"), "The run sleeps although nothing is waited for.", "Wake it with `gare resume R-1`."),
    ],
)  # fmt: skip
def test_what_is_wrong_with_the_run_itself(engine, what, do):
    answer = explain(
        view(
            ReleaseState.RUNNING,
            steps=(step("build", StepState.RUNNING),),
            engine=engine,
            is_asked=False,
        )
    )
    assert [(b.what, b.do) for b in answer.blockers] == [(what, do)]


@pytest.mark.parametrize(
    ("state", "end", "votes", "now", "said"),
    [
        (ReleaseState.RELEASED, "1.4.0 is released", (), NOW, "R-1 has ended: released (1.4.0 is released)."),
        (
            ReleaseState.REJECTED, "production: rejected by bob", (vote("bob", "ops", Answer.REJECT, "too late"),), NOW,
            "R-1 has ended: rejected (production: rejected by bob); bob said: too late.",
        ),
        (
            ReleaseState.EXPIRED, "production: expired", (vote("alice", "dev"),), EXPIRES,
            "R-1 has ended: expired (production: expired); 1 vote of ops did not come in time.",
        ),
        (ReleaseState.CANCELLED, "cancelled", (), NOW, "R-1 has ended: cancelled."),
        (ReleaseState.CANCELLED, "cancelled by rita: no", (), NOW, "R-1 has ended: cancelled by rita: no."),
        (ReleaseState.ROLLED_BACK, "1.3.0 is back", (), NOW, "R-1 has ended: rolled back (1.3.0 is back)."),
    ],
)  # fmt: skip
def test_an_ended_release_says_how_and_why(state, end, votes, now, said):
    answer = explain(view(state, end=end, votes=votes, now=now))
    assert (answer.sentence, answer.blockers, answer.then) == (said, (), "")


def test_it_can_be_spelled_as_json():
    told = explain(view()).as_json()
    assert told["wake_at"] == "2026-03-08T09:00:00+00:00"
    assert [blocker["step"] for blocker in told["blockers"]] == ["backup", "approve", "approve"]


def test_a_train_tells_which_member_it_waits_for_and_who_can_move_it():
    waits = (
        Waited("shop has failed and the train is held: …", Cause.FAILED, "arrive-shop", "R-2", ("`a`", "`b`")),
        Waited("R-3 of held-api is running", Cause.MEMBERS, "arrive-held-api", "R-3"),
        Waited("R-4 of web is waiting", Cause.MEMBERS, "arrive-web", "R-4"),
        Waited("1 vote of ops missing", Cause.APPROVALS, "go"),
    )  # fmt: skip
    made = view(is_asked=False)
    train = replace(PLAN, kind=Kind.TRAIN, steps=(PlannedStep("plan", "plan", ""),), approvals=())
    release = replace(made.release, kind=Kind.TRAIN, waits=waits)
    moves = Explanation("R-3 moves.", (), "")
    vote = Blocker("production: 1 vote of qa missing", "bob", "`gare approve R-4 …`", "approve")
    others = {"R-3": moves, "R-4": Explanation("R-4 does not move.", (vote,), "")}
    seen = replace(made, release=release, plan=train, asked=[], records={}, others=others)
    held, moving, asks = explain(seen).blockers
    assert (held.step, held.owner) == ("arrive-shop", "rita")
    assert held.what == "shop has failed and the train is held: …"
    assert held.do == "`a`, or `b`; `gare train status R-1` says where the members stand."
    assert (moving.what, moving.owner) == ("R-3 moves.", "nobody")
    assert "gare train status R-1" in moving.do
    assert asks.what == "R-4 waits for: production: 1 vote of qa missing"
    assert (asks.owner, asks.do, asks.step) == ("bob", "`gare approve R-4 …`", "arrive-web")


def test_a_train_that_stands_on_its_way_back_tells_it_once_and_as_it_is_now():
    refused = Waited("web has not gone back and the train stands; …", Cause.FAILED, "return-web")
    made = view(is_asked=False)
    train = replace(
        PLAN, kind=Kind.TRAIN, steps=(PlannedStep("return-web", "return", ""),), approvals=()
    )
    looked = replace(
        step("return-web", StepState.WAITING), value={"summary": "the rollback of web begins"}
    )
    release = replace(made.release, kind=Kind.TRAIN, waits=(refused,))
    seen = replace(made, release=release, plan=train, asked=[], records={"return-web": looked})
    assert [one.what for one in explain(seen).blockers] == [refused.what]
    awake = replace(seen, release=replace(release, waits=()))
    assert [one.what for one in explain(awake).blockers] == ["the rollback of web begins"]


FRIDAY = Closing(
    "fridays", "the freeze fridays: nobody is there", "alice", NOW + timedelta(hours=9)
)
STOP = Closing("db", "bob stopped the line, db: it is down", "bob", None)


def test_what_closes_an_environment_is_told_with_owners_and_the_earliest_start():
    way = Ahead("deploy", Clearance("production", (FRIDAY,), NOW + timedelta(hours=9)))
    answer = explain(view(steps=TICKED, votes=(vote("alice", "dev"),), ways=[way]))
    assert [(b.what, b.owner, b.step, b.until) for b in answer.blockers] == [
        ("production: 1 vote of ops missing", "bob", "approve", EXPIRES),
        (
            "production is closed: the freeze fridays: nobody is there",
            "alice",
            "deploy",
            FRIDAY.until,
        ),
    ]
    assert answer.blockers[1].do == (
        "Nothing: deploy goes on by itself when it opens. "
        "Or, by right: `gare freeze override R-1 --env production --reason …`."
    )
    assert answer.earliest == "the earliest start of deploy: 2026-03-02 18:00 UTC"


def test_a_stop_that_nobody_knows_the_end_of_is_told_as_such():
    way = Ahead("deploy", Clearance("production", (FRIDAY, STOP)))
    answer = explain(view(steps=TICKED, ways=[way]))
    assert [blocker.owner for blocker in answer.blockers[-2:]] == ["alice", "bob"]
    assert answer.earliest == "the earliest start of deploy: nobody knows when"


def test_a_freeze_ahead_is_not_in_the_way_while_steps_run():
    way = Ahead("deploy", Clearance("production", (STOP,)))
    running = (step("build", StepState.RUNNING),)
    answer = explain(
        view(ReleaseState.RUNNING, steps=running, engine=RUNS, is_asked=False, ways=[way])
    )
    assert answer.sentence == "R-1 moves: build under way."
    assert answer.blockers == ()

"""Who holds a project's locks and who is next: the rules, and what they promise whatever happens."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gare.domain.locks import (
    LINE,
    Claim,
    Priority,
    lock_names,
    locks_of,
    may_have,
    next_up,
    place_of,
    places,
)
from gare.domain.plan import Plan, PlannedStep

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
LOCKS = [LINE, "staging", "production", "client"]


def claim(number: int, *locks: str, priority: int = 0, is_held: bool = False) -> Claim:
    return Claim(number, frozenset(locks or [LINE]), priority, NOW, is_held=is_held)


def plan_of(*steps: PlannedStep) -> Plan:
    return Plan(
        project="shop", title="", version="1.4.0", previous_version="", previous_tag="", previous_commit="", tag="",
        branch="", commit="", bump="", source={}, commits=(), tickets=(), notes="", steps=steps, approvals=(),
        environments=(),
    )  # fmt: skip


def test_a_plan_needs_the_environments_of_its_steps_and_the_line_of_versions():
    plan = plan_of(
        PlannedStep("build", "build", ""),
        PlannedStep("deploy-staging", "deploy", "", environment="staging"),
        PlannedStep("migrate", "run", "", environment="production"),
    )
    assert locks_of(plan) == {LINE, "staging", "production"}
    assert locks_of(plan_of(PlannedStep("build", "build", ""))) == {LINE}


@pytest.mark.parametrize(
    ("locks", "said"),
    [
        ([LINE], "the version line"),
        (["production"], "shop/production"),
        ([LINE, "production"], "shop/production and the version line"),
        ([LINE, "staging", "production"], "shop/production, shop/staging and the version line"),
    ],
)
def test_locks_have_names(locks, said):
    assert lock_names("shop", locks) == said


def test_the_lock_of_a_train_is_told_as_what_it_is():
    assert lock_names("train:weekly", [LINE]) == "one departure of weekly at a time"


def test_a_place_names_who_holds_what_and_how_many_wait():
    claims = [claim(2, LINE, "production", is_held=True), claim(3, LINE, "production"), claim(4)]
    assert (
        str(place_of(claims[1], claims, "shop"))
        == "queued behind R-2 (shop/production and the version line), place 1 of 2"
    )
    assert (
        str(place_of(claims[2], claims, "shop"))
        == "queued behind R-2 (the version line), place 2 of 2"
    )


def test_a_place_behind_nobody_that_holds_names_who_goes_first():
    claims = [claim(3), claim(4)]
    assert str(place_of(claims[1], claims, "shop")) == "queued behind R-3, place 2 of 2"
    assert str(place_of(claims[0], claims, "shop")) == "queued, its turn has come, place 1 of 2"


def test_what_is_not_wanted_is_in_nobodys_way():
    claims = [claim(2, "staging", is_held=True), claim(3, "staging")]
    assert may_have(claim(4, "production"), claims)
    assert not may_have(claim(4, "production", "staging"), claims)


def test_a_hotfix_goes_first_and_pushes_nobody_out():
    claims = [claim(2, is_held=True), claim(3), claim(4, priority=Priority.HOTFIX)]
    assert [place_of(one, claims, "shop").number for one in claims[1:]] == [2, 1]
    assert next_up(claims) == []
    assert next_up(claims[1:]) == [claims[2]]


claims_ = st.lists(
    st.builds(
        claim,
        st.integers(1, 12),
        st.sampled_from(LOCKS),
        st.sampled_from(LOCKS),
        priority=st.sampled_from(Priority),
    ),
    unique_by=lambda one: one.number,
)


@given(claims_)
def test_somebody_is_next_whenever_anybody_waits_for_free_locks(claims):
    """No deadlock: the first of the whole queue is kept by nobody that waits."""
    first = min(claims, key=lambda one: one.rank, default=None)
    assert first is None or first in next_up(claims)


@given(claims_)
def test_those_who_are_next_are_exactly_those_who_may_have_all(claims):
    wanted = [one for one in claims if may_have(one, claims)]
    assert sorted(next_up(claims), key=lambda one: one.number) == sorted(
        wanted, key=lambda one: one.number
    )
    assert [one.rank for one in next_up(claims)] == sorted(one.rank for one in next_up(claims))


@given(claims_)
def test_all_places_together_are_the_places_one_by_one(claims):
    told = places(claims, "shop")
    assert told == {one.number: place_of(one, claims, "shop") for one in claims}
    assert {place.number for place in told.values()} <= set(range(1, len(claims) + 1))


def test_a_long_queue_names_the_first_few_of_those_ahead():
    claims = [claim(number) for number in range(1, 30)]
    place = place_of(claims[-1], claims, "shop")
    assert (place.number, place.total) == (29, 29)
    assert place.ahead == ("R-1", "R-2", "R-3", "R-4", "R-5")


class Station(RuleBasedStateMachine):
    """Releases that are opened, ask, end, stand still and come back, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.claims: dict[int, Claim] = {}
        self.stopped: dict[int, Claim] = {}
        self.numbers = 0
        self.passed_by: dict[int, int] = {}

    @rule(locks=st.sets(st.sampled_from(LOCKS), min_size=1), priority=st.sampled_from(Priority))
    def open(self, locks, priority):
        self.numbers += 1
        self._ask(claim(self.numbers, *locks, priority=priority))

    @precondition(lambda self: self.claims)
    @rule(data=st.data(), comes_back=st.booleans())
    def end_or_stop(self, data, comes_back):
        number = data.draw(st.sampled_from(sorted(self.claims)))
        gone = self.claims.pop(number)
        if comes_back:
            self.stopped[number] = gone
        self._wake()

    @precondition(lambda self: self.stopped)
    @rule(data=st.data())
    def resume(self, data):
        number = data.draw(st.sampled_from(sorted(self.stopped)))
        back = self.stopped.pop(number)
        self._ask(claim(number, *back.locks, priority=back.priority))

    def _ask(self, wanted):
        is_held = may_have(wanted, self.claims.values())
        self.claims[wanted.number] = claim(
            wanted.number, *wanted.locks, priority=wanted.priority, is_held=is_held
        )
        self._note(wanted, is_held)

    def _wake(self):
        for woken in next_up(self.claims.values()):
            self._ask(woken)

    def _note(self, wanted, is_held):
        """Count, for each that waits, how many equals that were opened later got a lock that it wants."""
        if is_held:
            for other in self.claims.values():
                is_later = wanted.number > other.number and wanted.priority <= other.priority
                if not other.is_held and is_later and wanted.locks & other.locks:
                    self.passed_by[other.number] = self.passed_by.get(other.number, 0) + 1

    @invariant()
    def nobody_shares_a_lock(self):
        held = [lock for one in self.claims.values() if one.is_held for lock in one.locks]
        assert len(held) == len(set(held))

    @invariant()
    def nobody_is_passed_by_an_equal_or_lesser_one_opened_later(self):
        assert not self.passed_by

    @invariant()
    def whoever_waits_waits_for_somebody_that_runs(self):
        """Nobody is left behind with all its locks free, and the first of the queue waits for holders alone."""
        assert next_up(self.claims.values()) == []
        waiting = [one for one in self.claims.values() if not one.is_held]
        for one in waiting:
            assert place_of(one, self.claims.values(), "shop").behind
        if waiting:
            first = min(waiting, key=lambda one: one.rank)
            assert place_of(first, self.claims.values(), "shop").holders


Station.TestCase.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
TestStation = Station.TestCase

"""Rules, votes and what they decide."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gare.domain.approvals import Answer, Decision, Vote, fill_slots, stand
from gare.domain.plan import PlannedApproval

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
EXPIRES = NOW + timedelta(days=1)
GROUPS = ("dev", "ops", "sec")

people = st.lists(st.frozensets(st.sampled_from(GROUPS)), max_size=6)
wanted = st.dictionaries(st.sampled_from(GROUPS), st.integers(1, 3), min_size=1)


def seats(groups: dict[str, int], persons: list[frozenset[str]]) -> dict[str, int]:
    return fill_slots(groups, [(str(number), groups_) for number, groups_ in enumerate(persons)])


def best(groups: dict[str, int], persons: list[frozenset[str]]) -> int:
    """How many places can be filled at most, by trying every way to seat people."""
    return _fit([group for group, count in groups.items() for _ in range(count)], persons)


def _fit(slots: list[str], persons: list[frozenset[str]]) -> int:
    if not persons:
        return 0
    first, rest = persons[0], persons[1:]
    options = [_fit(slots, rest)]
    for group in first & set(slots):
        left = list(slots)
        left.remove(group)
        options.append(1 + _fit(left, rest))
    return max(options)


@given(wanted, people)
def test_people_are_seated_as_well_as_possible(groups, persons):
    owed = sum(seats(groups, persons).values())
    assert owed == sum(groups.values()) - best(groups, persons)


@given(wanted, people)
def test_nobody_sits_twice_and_no_group_sits_for_another(groups, persons):
    owed = seats(groups, persons)
    filled = {group: count - owed.get(group, 0) for group, count in groups.items()}
    assert all(0 <= filled[group] <= groups[group] for group in groups)
    assert sum(filled.values()) <= len(persons)
    for group in groups:
        assert filled[group] <= sum(group in person for person in persons)


@given(wanted, people, st.frozensets(st.sampled_from(GROUPS)))
def test_one_more_vote_never_makes_more_missing(groups, persons, another):
    before, after = (
        sum(seats(groups, persons).values()),
        sum(seats(groups, [*persons, another]).values()),
    )
    assert before - 1 <= after <= before


@given(wanted, people, st.randoms())
def test_the_order_of_votes_does_not_matter_for_the_number_missing(groups, persons, random):
    shuffled = list(persons)
    random.shuffle(shuffled)
    assert sum(seats(groups, persons).values()) == sum(seats(groups, shuffled).values())


@pytest.mark.parametrize(
    ("groups", "persons", "owed"),
    [
        ({"dev": 1, "ops": 1}, [{"dev", "ops"}], {"ops": 1}),
        ({"dev": 1, "ops": 1}, [{"dev", "ops"}, {"dev"}], {}),
        ({"dev": 1, "ops": 1}, [{"dev"}, {"dev", "ops"}], {}),
        ({"dev": 1, "ops": 1}, [{"dev"}, {"dev"}], {"ops": 1}),
        ({"dev": 2}, [{"dev"}], {"dev": 1}),
        ({"dev": 1, "ops": 1, "sec": 1}, [{"dev", "ops"}, {"ops", "sec"}, {"dev"}], {}),
        ({"dev": 1}, [{"sec"}], {"dev": 1}),
    ],
)
def test_somebody_in_two_groups_sits_where_they_are_needed(groups, persons, owed):
    assert seats(groups, [frozenset(person) for person in persons]) == owed


RULE = PlannedApproval("approve", "production", {"dev": 1, "ops": 1}, False, False, 86400)


def vote(
    person: str,
    groups: str,
    answer: Answer = Answer.APPROVE,
    manifest: str = "m",
    at: datetime = NOW,
) -> Vote:
    return Vote(person, frozenset(groups.split()), answer, manifest, "", at)


@pytest.mark.parametrize(
    ("votes", "now", "said"),
    [
        ([], NOW, "votes missing: 1 from dev, 1 from ops"),
        ([vote("ann", "dev")], NOW, "votes missing: 1 from ops (approved by ann)"),
        ([vote("ann", "dev"), vote("bob", "ops")], NOW, "approved"),
        ([vote("ann", "dev"), vote("bob", "ops")], EXPIRES + timedelta(days=9), "approved"),
        ([vote("ann", "dev"), vote("bob", "ops", Answer.REJECT)], NOW, "rejected by bob"),
        ([vote("ann", "dev")], EXPIRES, "expired"),
        ([vote("ann", "dev"), vote("bob", "ops", at=EXPIRES + timedelta(1))], EXPIRES + timedelta(2), "expired"),
        (
            [vote("ann", "dev"), vote("bob", "ops", manifest="other")],
            NOW,
            "votes missing: 1 from ops (approved by ann)",
        ),
        ([vote("bob", "ops", Answer.REJECT, manifest="other")], NOW, "votes missing: 1 from dev, 1 from ops"),
        ([vote("ann", "dev", Answer.REJECT)], EXPIRES + timedelta(1), "rejected by ann"),
    ],
)  # fmt: skip
def test_where_an_approval_stands(votes, now, said):
    assert str(stand(RULE, votes, manifest="m", expires_at=EXPIRES, now=now)) == said


def test_a_rule_of_one_group_is_filled_by_distinct_people_alone():
    rule = replace(RULE, groups={"dev": 2})
    standing = stand(rule, [vote("ann", "dev")], manifest="m", expires_at=EXPIRES, now=NOW)
    assert (standing.decision, standing.missing) == (Decision.PENDING, {"dev": 1})

"""Who votes in a rehearsal: those whose votes the rule would take."""

from types import SimpleNamespace

import pytest
from gare_tests_story import ALICE, AUTHOR, BOB, OUTSIDER, REQUESTER, RULE

from gare.errors import StepFailed
from gare.rehearsal.people import voters_for

PLAN = SimpleNamespace(project="shop", authors=("ann@example.org",))


def test_one_person_a_slot_and_neither_authors_nor_the_requester_nor_others():
    everybody = [OUTSIDER, AUTHOR, REQUESTER, ALICE, BOB]
    assert voters_for(RULE, everybody, PLAN, "rita") == ["alice", "bob"]


def test_a_rule_that_nobody_could_fill_is_told_before_anything_begins():
    with pytest.raises(StepFailed, match=r"production asks for: 1 of operations would be missing"):
        voters_for(RULE, [AUTHOR, REQUESTER, ALICE], PLAN, "rita")

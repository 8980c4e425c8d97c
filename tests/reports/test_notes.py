"""What people here read of a release beside its notes: tickets and code that do not fit together."""

from dataclasses import replace

import pytest

from gare.domain.plan import Plan, PlannedCommit, PlannedTicket
from gare.reports.notes import notes_page


@pytest.fixture
def plan(story) -> Plan:
    commit = PlannedCommit(
        "a" * 40, "tidy *up*", "chore", "", False, (), "Ada", "ada@example.org", "2026-03-01T10:00:00+00:00"
    )  # fmt: skip
    tickets = (
        PlannedTicket("SHOP-1", "Pay by card", "task", "done", "1.1.0", "matched", ("b" * 40,)),
        PlannedTicket("SHOP-2", "Gift cards", "task", "todo", "1.1.0", "planned without code"),
        PlannedTicket("SHOP-3", "Wrong | total", "bug", "reopened", "1.0.0", "reopened"),
    )
    named = replace(commit, sha="b" * 40, tickets=("SHOP-1",))
    return replace(story.make_plan(), tickets=tickets, commits=(commit, named))


def test_what_does_not_fit_together_stands_below_the_notes(plan):
    page = notes_page(plan)
    begin, _, scope = page.partition("## Tickets and code (not published)")
    assert plan.notes in begin
    assert "| SHOP-2 | planned without code | Gift cards | todo |" in scope
    assert "| SHOP-3 | reopened | Wrong \\| total | reopened |" in scope
    assert "SHOP-1" not in scope
    assert "- `aaaaaaaaaaaa` tidy \\*up\\*" in scope


def test_what_is_published_has_none_of_it(plan):
    assert "SHOP-2" not in plan.notes


def test_without_tickets_there_is_nothing_to_say(plan):
    assert "Tickets and code" not in notes_page(replace(plan, tickets=()))
    matched = replace(plan, tickets=plan.tickets[:1], commits=plan.commits[1:])
    assert "Tickets and code" not in notes_page(matched)

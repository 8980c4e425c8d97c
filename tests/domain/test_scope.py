from gare.domain.commits import Change, Commit, compile_pattern, parse
from gare.domain.scope import match, ticket_keys
from gare.ports.tracker import Ticket


def change(message: str, digit: str, parents: tuple[str, ...] = ()) -> Change:
    made = Commit(digit * 40, parents, "Ada", "ada@example.org", "2026-03-01T10:00:00Z", message)
    return parse(made, compile_pattern(r"[A-Z]+-\d+"))


CHANGES = [
    change("feat: x SHOP-1", "1"),
    change("fix: y SHOP-1 SHOP-4", "2"),
    change("fix: z SHOP-9", "3"),
    change("chore: tidy", "4"),
    change("Merge branch 'tidy'", "5", ("a" * 40, "b" * 40)),
]
TICKETS = [
    Ticket("SHOP-4", "Four", "bug", "reopened", "1.1.0"),
    Ticket("SHOP-1", "One", "story", "done", "1.1.0"),
    Ticket("SHOP-2", "Two", "story", "doing", "1.1.0"),
    Ticket("SHOP-3", "Three", "story", "reopened", "1.1.0"),
]


def test_tickets_and_commits_are_matched_both_ways():
    found = match(CHANGES, TICKETS)
    assert [
        (ticket.key, ticket.verdict, "".join(sha[0] for sha in ticket.commits))
        for ticket in found.tickets
    ] == [
        ("SHOP-1", "matched", "12"),
        ("SHOP-2", "planned without code", ""),
        ("SHOP-3", "reopened", ""),
        ("SHOP-4", "reopened", "2"),
        ("SHOP-9", "code without ticket", "3"),
    ]
    assert found.tickets[0].title == "One"


def test_commits_without_a_ticket_are_listed_but_merges_need_none():
    assert match(CHANGES, TICKETS).untracked == ("4" * 40,)


def test_code_undone_in_the_range_is_no_code():
    undone = change(f'Revert "feat: x SHOP-1"\n\nThis reverts commit {"1" * 40}.', "2")
    changes = [undone, change("feat: x SHOP-1", "1")]
    found = match(changes, [Ticket("SHOP-1", "One", version="1.1.0")])
    assert [ticket.verdict for ticket in found.tickets] == ["planned without code"]
    assert ticket_keys(changes) == []


def test_the_tracker_is_asked_for_every_key_once():
    assert ticket_keys(CHANGES) == ["SHOP-1", "SHOP-4", "SHOP-9"]

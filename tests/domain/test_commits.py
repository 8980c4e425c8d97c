import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gare.domain.commits import (
    TICKET_PATTERN,
    Change,
    Commit,
    compile_pattern,
    is_own,
    parse,
    planned,
    read_changes,
    standing,
    ticket_keys,
)
from gare.errors import ConfigError


def commit(message: str, sha: str = "a" * 40, parents: tuple[str, ...] = ("b" * 40,)) -> Commit:
    return Commit(sha, parents, "Ada", "ada@example.org", "2026-03-01T10:00:00Z", message)


def read(message: str, **more) -> Change:
    return parse(commit(message, **more), compile_pattern(TICKET_PATTERN))


@pytest.mark.parametrize(
    ("message", "kind", "scope", "is_breaking", "subject"),
    [
        ("feat: add cart", "feat", "", False, "add cart"),
        ("feat(api): add cart\n\nbody", "feat", "api", False, "add cart"),
        ("FIX(Api)!:  drop v1 ", "fix", "Api", True, "drop v1"),
        ("feat!: drop v1", "feat", "", True, "drop v1"),
        ("build-deps: bump", "build-deps", "", False, "bump"),
        ("feat(): empty scope", "feat", "", False, "empty scope"),
        ("feat:no space", "other", "", False, "feat:no space"),
        ("feat : space before", "other", "", False, "feat : space before"),
        ("https://example.org moved", "other", "", False, "https://example.org moved"),
        ("SHOP-12: add cart", "other", "", False, "SHOP-12: add cart"),
        ("fixup! feat: add cart", "other", "", False, "fixup! feat: add cart"),
        ("", "other", "", False, "(no message)"),
        ("\n\n  \n", "other", "", False, "(no message)"),
        ("\n\nfix: late start", "fix", "", False, "late start"),
        ("chore: x\n\nBREAKING CHANGE: gone", "chore", "", True, "x"),
        ("chore: x\n\nBREAKING-CHANGE: gone", "chore", "", True, "x"),
        ("chore: x\n\nbreaking change: not in capitals", "chore", "", False, "x"),
        ("chore: x\n\nno BREAKING CHANGE: in a line", "chore", "", False, "x"),
        ('Revert "feat: add cart"', "revert", "", False, "feat: add cart"),
        ("revert: feat: add cart", "revert", "", False, "feat: add cart"),
        ("feat: größer → schöner\r\n", "feat", "", False, "größer → schöner"),
    ],
)
def test_a_message_is_read_as_conventional_commits_say(message, kind, scope, is_breaking, subject):
    found = read(message)
    assert (found.kind, found.scope, found.is_breaking, found.subject) == (
        kind,
        scope,
        is_breaking,
        subject,
    )


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("BREAKING CHANGE: use v2", "use v2"),
        ("BREAKING CHANGE: use v2\n  of the API\nReviewed-by: Z", "use v2 of the API"),
        ("BREAKING CHANGE: use v2\n\nMore words.", "use v2"),
        ("BREAKING CHANGE #12 is why", "12 is why"),
        ("Refs: SHOP-1\nBREAKING-CHANGE: use v2", "use v2"),
    ],
)
def test_what_breaks_is_told_up_to_the_next_footer_or_paragraph(body, text):
    assert read(f"feat: x\n\n{body}\n").breaking == text


def test_a_merge_is_a_merge_unless_its_subject_is_conventional():
    parents = ("b" * 40, "c" * 40)
    assert read("Merge branch 'x'", parents=parents).kind == "merge"
    assert read("feat: x (#12)", parents=parents).kind == "feat"
    assert read("feat: x (#12)", parents=parents).is_merge
    assert read("Merge x", parents=(*parents, "d" * 40)).is_merge  # octopus


@pytest.mark.parametrize(
    ("message", "keys"),
    [
        ("feat: x SHOP-1, PAY-22 and SHOP-1 again", ("SHOP-1", "PAY-22")),
        ("feat: x\n\nbody SHOP-3\n\nRefs: PAY-4", ("SHOP-3", "PAY-4")),
        ("Merge branch 'feature/SHOP-9-cart'", ("SHOP-9",)),
        ("read UTF-8, hash SHA-256, dates ISO-8601, CVE-2024-1", ()),
        ("read UTF-8 for SHOP-1", ("SHOP-1",)),
        ("shop-1 and S-1 and XSHOP-", ()),
        ("xSHOP-1", ()),
        ("", ()),
    ],
)
def test_ticket_keys_are_found_anywhere_once_and_names_of_standards_are_none(message, keys):
    assert ticket_keys(message, compile_pattern(TICKET_PATTERN)) == keys


def test_a_pattern_with_groups_gives_the_whole_match():
    assert ticket_keys("PAY-1 and SHOP-2", re.compile(r"(PAY|SHOP)-(\d+)")) == ("PAY-1", "SHOP-2")


def test_a_pattern_that_names_a_standard_means_it():
    assert ticket_keys("see RFC-12", re.compile(r"RFC-\d+")) == ("RFC-12",)


@given(st.text(alphabet="AB1_ -éaÉ\n٣", max_size=30))
def test_the_fast_form_of_the_default_pattern_finds_the_same_keys(text):
    assert compile_pattern(TICKET_PATTERN).findall(text) == re.findall(TICKET_PATTERN, text)


def test_a_wrong_ticket_pattern_is_a_configuration_error():
    with pytest.raises(ConfigError) as error:
        read_changes([], "(")
    assert str(error.value) == (
        "The ticket pattern '(' is no regular expression: missing ), unterminated subpattern at "
        "position 0. (tickets: pattern) Write one such as '\\\\b[A-Z][A-Z0-9]+-\\\\d+\\\\b'."
    )


def test_gares_own_commits_are_no_part_of_a_release():
    own = commit("docs: notes of 1.0.0\n\nGare-Release: R-12\n")
    talk = commit("docs: explain the Gare-Release: trailer")
    assert is_own(own)
    assert not is_own(talk)
    told = [change.subject for change in read_changes([own, talk], own={own.sha})]
    assert told == ["explain the Gare-Release: trailer"]


@given(st.text(max_size=200))
def test_any_message_can_be_read(message):
    found = read(message)
    assert found.subject
    assert "\n" not in found.subject


def shas(changes) -> str:
    return "".join(change.sha[0] for change in changes)


def undo(sha: str, target: str) -> Change:
    return read(f'Revert "x"\n\nThis reverts commit {target * 40}.', sha=sha * 40)


def test_a_commit_undone_in_the_range_and_its_revert_do_not_count():
    feat, fix = read("feat: x", sha="1" * 40), read("fix: y", sha="2" * 40)
    assert shas(standing([undo("3", "1"), fix, feat])) == "2"


def test_a_revert_of_something_released_stays():
    assert shas(standing([undo("3", "9"), read("fix: y", sha="2" * 40)])) == "32"


def test_a_revert_that_was_reverted_undoes_nothing():
    feat = read("feat: x", sha="1" * 40)
    assert shas(standing([undo("3", "2"), undo("2", "1"), feat])) == "1"


def test_the_footer_of_conventional_reverts_may_abbreviate_and_name_several():
    found = read("revert: let us never speak of this\n\nRefs: 1111111, 2222222", sha="3" * 40)
    assert found.reverts == ("1111111", "2222222")
    changes = [found, read("feat: x", sha="2" * 40), read("feat: y", sha="1" * 40)]
    assert standing(changes) == []


def test_the_plan_keeps_the_facts_of_a_change():
    found = planned(read("feat(api)!: add cart SHOP-1"))
    assert (found.subject, found.scope, found.is_breaking, found.tickets, found.is_merge) == (
        "add cart SHOP-1",
        "api",
        True,
        ("SHOP-1",),
        False,
    )

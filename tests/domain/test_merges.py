"""What a merge request says is said of the commits that it brought."""

from gare.domain.commits import Commit, read_changes
from gare.domain.merges import brought_in, tell


def commit(sha, *parents, message="feat: x"):
    return Commit(sha, parents, "Erin", "erin@example.org", "2026-03-01T10:00:00+00:00", message)


def test_every_commit_of_a_merge_has_its_tickets():
    #  head -> m2(c,b1) -> m1(root,a2); a2 -> a1 -> root; b1 -> m1
    line = [
        commit("head", "m2"),
        commit("m2", "m1", "b1"),
        commit("b1", "m1"),
        commit("m1", "root", "a2"),
        commit("a2", "a1"),
        commit("a1", "root"),
    ]
    told = {"m1": ["SHOP-1"], "m2": ["SHOP-2"], "head": []}
    assert brought_in(line, told) == {
        "m1": ["SHOP-1"],
        "a2": ["SHOP-1"],
        "a1": ["SHOP-1"],
        "m2": ["SHOP-2"],
        "b1": ["SHOP-2"],
    }


def test_a_squashed_merge_is_one_commit_and_an_unknown_one_is_nothing():
    line = [commit("squashed", "older"), commit("older")]
    assert brought_in(line, {"squashed": ["SHOP-3"], "elsewhere": ["SHOP-9"]}) == {
        "squashed": ["SHOP-3"]
    }
    assert brought_in([], {"squashed": ["SHOP-3"]}) == {}


def test_a_commit_keeps_its_own_tickets_first():
    changes = read_changes([commit("a", message="fix: x SHOP-7"), commit("b")])
    told = tell(changes, {"a": ["SHOP-1", "SHOP-7"]})
    assert [change.tickets for change in told] == [("SHOP-7", "SHOP-1"), ()]


def test_five_thousand_commits_of_a_thousand_merges_are_told_at_once():
    line, below = [], "root"
    for number in range(1000):
        inner = [commit(f"i{number}-{n}", f"i{number}-{n - 1}" if n else below) for n in range(4)]
        line += [*inner, commit(f"m{number}", below, inner[-1].sha)]
        below = f"m{number}"
    told = {f"m{number}": [f"SHOP-{number}"] for number in range(1000)}
    assert len(brought_in(line[::-1], told)) == 5000


def test_a_fast_forward_brings_all_commits_down_to_the_merge_before():
    #  direct -> b2 -> b1 -> a2 -> a1 -> m0(root, x)
    line = [
        commit("direct", "b2"),
        commit("b2", "b1"),
        commit("b1", "a2"),
        commit("a2", "a1"),
        commit("a1", "m0"),
        commit("m0", "root", "x"),
        commit("x", "root"),
        commit("root"),
    ]
    told = {"b2": ["#2"], "a2": ["#1"], "m0": []}
    found = brought_in(line, told, {"a2", "b2"})
    assert found == {"a1": ["#1"], "a2": ["#1"], "b1": ["#2"], "b2": ["#2"]}


def test_a_fast_forward_that_names_nothing_keeps_what_it_brought_from_others():
    line = [commit("b1", "a2"), commit("a2", "a1"), commit("a1", "root"), commit("root")]
    found = brought_in(line, {"b1": ["#2"], "a2": []}, {"a2", "b1"})
    assert found == {"b1": ["#2"]}


def test_a_squashed_merge_is_one_commit():
    line = [commit("squashed", "direct"), commit("direct", "root"), commit("root")]
    assert brought_in(line, {"squashed": ["#1"]}) == {"squashed": ["#1"]}

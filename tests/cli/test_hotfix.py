"""`gare hotfix` before it starts anything, `gare fixes`, and ticking off what was skipped; the station is down."""

import json

import pytest
from released_project import ReleasedProject

from gare.cli.app import run
from gare.domain.releases import ReleaseState
from gare.fixing import track
from gare.requests import ReleaseRequest

MORE = (
    "rights: {waive: [managers], hotfix: [managers]}\n"
    "hotfix: {skip: [{step: deploy-staging, later: Bring it there}], lines: ['maintenance/*']}\n"
)


class Shop(ReleasedProject):
    """The project, and what commands about it print."""

    def released(self) -> str:
        """Release the fix as a hotfix; return its release."""
        gare = self.gare()
        digest, plan = self.plan(self.fix)
        release = gare.ledger.releases.open(digest, plan, "run 1", "alice", "")
        track(gare, release, plan)
        gare.ledger.later.owe(release.id, "shop", plan.details["skipped"])
        gare.ledger.releases.mark(release.id, ReleaseState.RELEASED, actor="gare")
        return release.id

    def token(self, person: str) -> str:
        return self.gare().ledger.tokens.create(person, actor="test")


@pytest.fixture
def shop(tmp_path, monkeypatch):
    made = Shop(tmp_path, MORE)
    made.git("branch", "maintenance/1.4", "v1.4.0")
    (tmp_path / "station.yaml").write_text(
        (tmp_path / "station.yaml")
        .read_text()
        .replace("groups: [managers]}", "groups: [managers]}, {name: bob, email: bob@example.org}")
    )
    monkeypatch.setenv("GARE_STATION", str(tmp_path))
    monkeypatch.delenv("GARE_TOKEN", raising=False)
    return made


@pytest.fixture
def said(capsys):
    """Run a command; return its exit code and all it printed."""

    def say(*words: str) -> tuple[int, str]:
        code = run(list(words))
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    return say


def test_the_plan_shows_the_fixes_what_is_skipped_and_what_a_person_has_to_do(shop, said):
    code, text = said("hotfix", "shop", "--commit", shop.fix, "--plan-only")
    assert code == 0
    assert "shop 1.4.1 (patch; the last one is 1.4.0)" in text
    assert "note: skips deploy-staging; to check later: Bring it there" in text
    assert "note: to be brought by hand into maintenance/1.4 (`gare fixes`)" in text
    assert f"{shop.fix[:12]}" in text.partition("\nFixes")[2]


def test_what_people_say_of_a_line_is_in_the_log_of_the_hotfix_with_their_names(
    shop, said, monkeypatch
):
    release = shop.released()
    monkeypatch.setenv("GARE_TOKEN", shop.token("alice"))
    said("fixes", "waive", release, "maintenance/1.4", "--reason", "has no basket")
    said("fixes", "unwaive", release, "maintenance/1.4")
    shop.git("checkout", "-q", "maintenance/1.4")
    adapted = shop.commit("fix: basket, otherwise", "other.py", "full\n")
    shop.git("checkout", "-q", "main")
    words = ("--commit", adapted, "--comment", "written anew")
    said("fixes", "merged", release, "maintenance/1.4", *words)
    _, text = said("log", release)
    fix = f"{shop.fix[:12]} (fix: total)"
    told = [line.split("  ", 1)[1] for line in text.splitlines() if "alice" in line][-3:]
    assert told == [
        f"alice lets maintenance/1.4 go without {fix}: has no basket",
        f"alice takes the waiver back: maintenance/1.4 needs {fix} again",
        f"alice says that {adapted[:12]} is {fix} in maintenance/1.4: written anew",
    ]
    assert len(json.loads(said("log", release, "--json")[1])["fixes"]) == 3


@pytest.mark.parametrize(
    ("words", "what", "hint"),
    [
        (["--commit", "xyz"], "--commit 'xyz' cannot be used.", "at least its first 7 characters"),
        (["--parent", "abc"], "--parent 'abc' cannot be used.", "Write SHA=N"),
        (["--mr", "0"], "--mr 0 cannot be used.", "such as 12"),
        (["--ticket", "a b"], "--ticket 'a b' cannot be used.", "such as SHOP-142"),
        (["--line=-x"], "--line '-x' cannot be used.", "such as maintenance/1.4"),
    ],
)
def test_a_value_that_cannot_be_names_its_option(shop, said, words, what, hint):
    code, text = said("hotfix", "shop", *words)
    assert code == 2
    assert what in text
    assert hint in text


def test_fixes_are_shown_and_waived_in_ones_own_name(shop, said, monkeypatch):
    assert said("fixes") == (0, "No fix of a hotfix is known.\n")
    hotfix = shop.released()
    assert [" ".join(row.split()[6:8]) for row in said("fixes", "shop")[1].splitlines()[1:]] == [
        "main merged",
        "maintenance/1.4 missing",
    ]
    waive = ("fixes", "waive", hotfix, "maintenance/1.4", "--reason", "has no basket")
    assert said(*waive)[0] == 4, "nobody has said who he is"
    monkeypatch.setenv("GARE_TOKEN", shop.token("bob"))
    code, text = said(*waive)
    assert code == 4
    assert "bob may not let lines of shop go without a fix." in text
    monkeypatch.setenv("GARE_TOKEN", shop.token("alice"))
    assert said(*waive)[0] == 0
    [row] = [
        row for row in json.loads(said("fixes", "--json")[1]) if row["line"] == "maintenance/1.4"
    ]
    assert (row["state"], row["detail"], row["by"]) == ("waived", "has no basket", "alice")
    assert said("fixes", "list", "--owed") == (0, "No fix of a hotfix is owed to a line.\n")


@pytest.fixture
def alice(shop, monkeypatch):
    monkeypatch.setenv("GARE_TOKEN", shop.token("alice"))


def row(said, line):
    return next(one for one in json.loads(said("fixes", "--json")[1]) if one["line"] == line)


@pytest.mark.parametrize(
    ("words", "code", "what", "hint"),
    [
        (["maintenance/1.5", "--reason", "x"], 3, "There is no line `maintenance/1.5`.",
         "Did you mean `maintenance/1.4`? Lines are"),
        (["main", "--reason", " \t "], 2, "--reason is empty.", "Write why the line goes without"),
    ],
)  # fmt: skip
def test_a_line_is_waived_by_its_name_and_for_a_reason(shop, said, alice, words, code, what, hint):
    hotfix = shop.released()
    before = shop.gare().ledger.fixes.of("shop")
    ended, text = said("fixes", "waive", hotfix, *words)
    assert (ended, what in text, hint in text) == (code, True, True), text
    assert shop.gare().ledger.fixes.of("shop") == before


def test_a_release_that_is_no_hotfix_has_no_fix_to_answer_for(shop, said, alice):
    gare = shop.gare()
    digest, plan = gare.drafting.make(ReleaseRequest(project="shop"))
    release = gare.ledger.releases.open(digest, plan, "run 0", "", "")
    code, text = said("fixes", "waive", release.id, "main", "--reason", "x")
    assert (code, f"{release.id} is a release of shop, no hotfix." in text) == (3, True)


def test_status_owes_a_fix_to_a_release_that_lacks_it_until_that_one_has_ended(shop, said):
    gare = shop.gare()
    digest, plan = gare.drafting.make(ReleaseRequest(project="shop", ref=shop.feature))
    other = gare.ledger.releases.open(digest, plan, "run 0", "", "")
    shop.released()
    lacks = f"fix: {other.id} lacks "
    assert lacks in said("status")[1]
    gare.ledger.releases.mark(other.id, ReleaseState.CANCELLED, actor="alice")
    assert lacks not in said("status")[1]


def test_a_waiver_is_taken_back(shop, said, alice):
    hotfix = shop.released()
    said("fixes", "waive", hotfix, "maintenance/1.4", "--reason", "  has no basket ")
    assert row(said, "maintenance/1.4")["detail"] == "has no basket"
    code, text = said("fixes", "unwaive", hotfix, "maintenance/1.4")
    assert code == 0
    assert text == (
        f"{hotfix}: maintenance/1.4 needs {shop.fix[:12]} (fix: total) again: missing.\n"
    )
    assert row(said, "maintenance/1.4")["state"] == "missing"
    code, text = said("fixes", "unwaive", hotfix, "maintenance/1.4")
    assert code == 4
    assert f"Nobody has waived the fixes of {hotfix} for maintenance/1.4." in text


def test_a_person_says_which_commit_of_a_line_is_the_fix(shop, said, alice):
    hotfix = shop.released()
    shop.git("checkout", "-q", "maintenance/1.4")
    shop.git("reset", "-q", "--hard", "v1.4.0^")
    adapted = shop.commit("fix: total, as it was then", "old.py", "full\n")
    shop.git("checkout", "-q", "main")
    merged = ("fixes", "merged", hotfix, "maintenance/1.4", "--commit")
    code, text = said(*merged, shop.fix)
    assert (code, f"Commit {shop.fix[:12]} is not in maintenance/1.4" in text) == (3, True)
    code, text = said(*merged, adapted[:10], "--comment", "by hand")
    assert code == 0
    assert f"maintenance/1.4 has {shop.fix[:12]} (fix: total), on alice's word." in text
    shop.git("checkout", "-q", "maintenance/1.4")
    shop.commit("docs: words", "words.txt", "words\n")
    found = row(said, "maintenance/1.4")
    assert (found["state"], found["by"], found["detail"]) == ("merged", "alice", "by hand")
    shop.git("revert", "--no-edit", adapted)
    revert = shop.git("rev-parse", "HEAD")
    shop.git("checkout", "-q", "main")
    assert (row(said, "maintenance/1.4")["state"], row(said, "maintenance/1.4")["by"]) == (
        "conflict",
        "gare",
    )
    code, text = said(*merged, adapted)
    assert code == 3
    assert f"Commit {adapted[:12]} was reverted in maintenance/1.4 by {revert[:12]}." in text


def test_what_was_skipped_is_shown_until_it_is_ticked_off(shop, said, monkeypatch):
    hotfix = shop.released()
    skipped = f"{hotfix} skipped deploy-staging: Bring it there"
    line = f"later: {skipped} (alice: gare done {hotfix} deploy-staging)"
    lacks = f"maintenance/1.4 lacks {shop.fix[:12]} (fix: total) of shop 1.4.1"
    answer = f"gare fixes waive {hotfix} maintenance/1.4 --reason …"
    for words in (("status",), ("status", hotfix)):
        text = said(*words)[1]
        assert line in text
        assert f"fix: {lacks} (alice: bring it there, or {answer})" in text
    why = json.loads(said("why", hotfix, "--json")[1])
    assert why["sentence"] == (f"{hotfix} has ended: released; 2 things are still owed.")
    assert [(one["what"], one["owner"]) for one in why["blockers"]] == [
        (skipped, "alice"),
        (lacks, "alice"),
    ]
    monkeypatch.setenv("GARE_TOKEN", shop.token("alice"))
    done = ("done", hotfix, "deploy-staging", "--comment", "all well")
    assert said(*done) == (0, f"{hotfix} deploy-staging: checked by alice.\n")
    waive = ("fixes", "waive", hotfix, "maintenance/1.4", "--reason", "has no basket")
    assert said(*waive)[0] == 0
    assert said("why", hotfix)[1] == f"{hotfix} has ended: released.\n"
    assert "later:" not in said("status")[1]
    assert "later: Bring it there: done by alice" in said("status", hotfix)[1]
    assert said(*done)[0] == 3, "it has ended, and nothing is left to tick off"


@pytest.mark.parametrize(
    ("person", "code", "answer"),
    [
        ("", 4, "Who has no token in GARE_TOKEN may not start a hotfix of shop."),
        ("bob", 4, "bob may not start a hotfix of shop."),
        ("alice", 2, "Start it with `gare up`"),
    ],
)
def test_a_command_starts_what_the_person_may_start(shop, said, monkeypatch, person, code, answer):
    if person:
        monkeypatch.setenv("GARE_TOKEN", shop.token(person))
    ended, text = said("hotfix", "shop", "--commit", shop.fix)
    assert (ended, answer in text) == (code, True), text
    if code == 4:
        assert "Who is in `managers` may." in text
        assert "plan sha256:" not in text, "nothing is planned for who may not"


def test_a_plan_that_was_seen_is_named_alone(shop, said):
    _, text = said("hotfix", "shop", "--commit", shop.fix, "--plan-only")
    digest = text.rpartition("gare hotfix shop --plan ")[2].strip()
    assert said("hotfix", "shop", "--plan", digest, "--plan-only") == (0, text)
    code, text = said("hotfix", "shop", "--plan", digest, "--commit", shop.fix)
    assert (code, "--plan names a stored plan, which has its fixes already." in text) == (2, True)

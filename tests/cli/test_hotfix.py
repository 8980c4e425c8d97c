"""`gare hotfix` before it starts anything, `gare fixes`, and ticking off what was skipped; the station is down."""

import json

import pytest
from released_project import ReleasedProject

from gare.cli.app import run
from gare.domain.releases import ReleaseState
from gare.fixing import track

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
        release = gare.ledger.releases.open(digest, plan, "run 1", "", "")
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
    assert "gare release shop --plan" not in text, "a hotfix is started by its fixes"


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


def test_what_was_skipped_is_shown_until_it_is_ticked_off(shop, said, monkeypatch):
    hotfix = shop.released()
    line = f"later: {hotfix} skipped deploy-staging: Bring it there (gare done {hotfix} deploy-staging)"
    assert line in said("status")[1]
    monkeypatch.setenv("GARE_TOKEN", shop.token("alice"))
    done = ("done", hotfix, "deploy-staging", "--comment", "all well")
    assert said(*done) == (0, f"{hotfix} deploy-staging: checked by alice.\n")
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

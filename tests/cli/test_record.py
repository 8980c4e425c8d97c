"""What a person reads about releases: status, why, log, evidence; with the station down."""

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType

import pytest

from gare.cli.app import run
from gare.domain.releases import ReleaseState, StepState
from gare.domain.waits import Cause, Waited
from gare.ledger.ledger import Ledger

STATION = """\
name: demo
people:
  - {name: alice, email: alice@example.org, groups: [developers]}
  - {name: ann, email: ann@example.org, groups: [developers]}
  - {name: bob, email: bob@example.org, groups: [operations]}
  - {name: rita, email: rita@example.org, groups: [operations]}
"""
DOWN = "The station does not answer: No station is up here."


@pytest.fixture
def station(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A station that is not up."""
    (tmp_path / "station.yaml").write_text(STATION)
    monkeypatch.setenv("GARE_STATION", str(tmp_path))
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def ledger(station: Path, story: ModuleType) -> Ledger:
    clock = story.Clock(datetime.now(UTC) - timedelta(hours=1))
    return Ledger(f"sqlite:///{station / '.gare' / 'ledger.db'}", clock=clock)


@pytest.fixture
def gare(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run a command line; return exit code, output, errors."""

    def call(*args: str) -> tuple[int, str, str]:
        code = run(list(args))
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


@pytest.fixture
def released(ledger, station: Path, story):
    (station / "tmp").mkdir()
    return story.tell(ledger, station / ".gare" / "store", station / "tmp")


@pytest.fixture
def waiting(ledger, station: Path, story):
    """A release that waits for votes and for a manual step."""
    (station / "tmp").mkdir()
    release, plan = story.open_release(ledger)
    story.build_and_validate(ledger, release, station / ".gare" / "store", station / "tmp")
    story.ask(ledger, release, plan)
    return release


def logged(station: Path, name: str, text: str) -> Path:
    file = station / ".gare" / "logs" / "R-1" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


# status


def test_a_station_without_a_release_says_how_to_start_one(station, gare):
    assert gare("status") == (
        0,
        "There is no release yet. Start one with `gare release PROJECT`.\n",
        "",
    )
    assert gare("status", "--json") == (0, "[]\n", "")


def test_releases_are_listed_with_progress_and_what_they_wait_for(gare, waiting):
    code, out, err = gare("status")
    head, line = out.splitlines()
    assert (code, err) == (0, "")
    assert head.split() == [
        "release",
        "project",
        "version",
        "state",
        "steps",
        "age",
        "waits",
        "for",
    ]
    assert line.split()[:5] == ["R-1", "shop", "1.4.0", "waiting", "4/9"]
    assert line.endswith("approve-production: votes missing")


def test_old_releases_are_listed_when_asked_and_open_ones_always(gare, ledger, story):
    for number in range(25):
        release, _ = story.open_release(
            ledger, story.make_plan(project=f"p{number}"), run=f"run {number}"
        )
        if number:
            ledger.releases.mark(release.id, ReleaseState.CANCELLED, actor="gare")
    ids = [line["id"] for line in json.loads(gare("status", "--json")[1])]
    assert ids == [f"R-{number}" for number in range(25, 5, -1)] + ["R-1"]
    assert len(json.loads(gare("status", "--all", "--json")[1])) == 25


def test_a_project_that_does_not_exist_is_told(station, gare):
    code, out, err = gare("status", "--project", "shpo")
    assert (code, out) == (2, "")
    assert err.startswith("gare: error: ")


def test_one_release_is_shown_with_its_steps_effects_and_votes(gare, released):
    code, out, err = gare("status", "R-1")
    assert (code, err) == (0, "")
    assert "R-1 shop 1.4.0: released" in out
    assert "reason: card payments" in out
    steps = out[out.index("step  ") :].splitlines()[1:10]
    assert [line.split()[0] for line in steps] == [
        step["step"] for step in _page(gare)["plan_steps"]
    ]
    assert 'outside, publish: tag v1.4.0: done: {"head": "sha256:' in out
    assert "approval of production (1 of developers, 1 of operations): approved\n" in out
    assert "  alice approve: looks good\n  bob approve\n" in out


def _page(gare):
    return json.loads(gare("status", "r-1", "--json")[1])


def test_the_json_of_one_release_has_the_receipts(gare, released):
    page = _page(gare)
    publish = next(step for step in page["plan_steps"] if step["step"] == "publish")
    assert publish["effects"][0]["receipt"]["tag"] == "v1.4.0"
    assert page["address"] == ""
    assert [vote["person"] for vote in page["approvals"][0]["votes"]] == ["alice", "bob"]


@pytest.mark.parametrize("command", ["status", "why", "log", "evidence"])
@pytest.mark.parametrize(
    ("given", "code", "what"),
    [("R-9", 2, "There is no release R-9."), ("nonsense", 2, "'nonsense' is no release.")],
)
def test_a_release_that_is_none_is_told(station, gare, command, given, code, what):
    found = gare(command, given)
    assert found[:2] == (code, "")
    assert found[2].startswith(f"gare: error: {what}\n")
    assert json.loads(gare(command, given, "--json")[2])["what"] == what


def test_text_of_others_cannot_steer_the_terminal(gare, ledger, story):
    release, _ = story.open_release(
        ledger, story.make_plan(branch="\x1b]0;owned\x07", title="\x1b[31mred")
    )
    ledger.releases.begin_step(release.id, "build", actor="gare")
    ledger.releases.end_step(
        release.id, "build", StepState.FAILED, error="\x1b[2Jgone\u202e", actor="gare"
    )
    ledger.releases.mark(release.id, ReleaseState.FAILED, actor="gare", end="\x1b[2Jgone")
    for command in (
        ["status"],
        ["status", "R-1"],
        ["why", "R-1"],
        ["log", "R-1"],
        ["log", "R-1", "--events"],
    ):
        code, out, err = gare(*command)
        assert (code, err) == (0, "")
        assert not set(out) & {"\x1b", "\x07", "\u202e"}
        assert "1b[2Jgone" in out


# why


def test_why_names_every_blocker_with_its_owner(gare, waiting):
    code, out, err = gare("why", "R-1")
    assert (code, err) == (0, "")
    assert out.startswith("R-1 does not move: 4 things are in its way.\n")
    assert (
        "1. Step backup is for a person: Back the database up.\n   who:  whoever does it\n" in out
    )
    assert "2. production: 1 vote of developers missing\n   who:  alice\n" in out
    assert (
        "   note: ann may not vote: wrote commits of this release and may not vote on it\n" in out
    )
    assert "3. production: 1 vote of operations missing\n   who:  bob\n" in out
    assert f"4. {DOWN}\n   who:  the station's keeper\n" in out
    assert "(in 6d 2" in out
    assert out.endswith("Then: deploy-production, publish, close.\n")


def test_why_as_json(gare, waiting):
    told = json.loads(gare("why", "R-1", "--json")[1])
    assert (told["release"], told["state"], len(told["blockers"])) == ("R-1", "waiting", 4)


@pytest.fixture
def queue(waiting, ledger, story):
    """R-1 waits for votes and holds the locks; R-2 is queued behind it."""
    plan = story.make_plan(version="1.5.0")
    story.open_release(ledger, plan, run="second")
    for release_id in ("R-1", "R-2"):
        ledger.locks.ask(release_id, ["", "production"])
    ledger.releases.mark(
        "R-2", ReleaseState.WAITING, actor="gare", waiting=[Waited("its turn", Cause.OTHER)]
    )


def test_status_tells_the_place_in_the_queue(gare, queue):
    lines = gare("status")[1].splitlines()
    assert "waiting (queued 1/1 behind R-1)" in lines[1]
    assert lines[1].endswith("its turn")
    said = "queued behind R-1 (shop/production and the version line), place 1 of 1"
    assert f"waits for {said}\n" in gare("status", "R-2")[1]
    told = json.loads(gare("status", "--json")[1])
    assert [line["queue"] and line["queue"]["behind"] for line in told] == ["R-1", None]
    assert told[0]["waiting"] == [said]


def test_following_until_it_waits_returns_when_it_is_queued(station, queue, capsys):
    with pytest.raises(SystemExit) as ended:
        run(["watch", "R-2", "--until-waiting"])
    said = "queued behind R-1 (shop/production and the version line), place 1 of 1"
    assert (ended.value.code, capsys.readouterr().out) == (
        0,
        f"R-2 is {said}; it goes on by itself\n  look: gare why R-2   follow: gare watch R-2\n",
    )


def test_why_tells_who_holds_the_lock_and_what_that_one_waits_for(gare, queue):
    out = gare("why", "R-2")[1]
    assert (
        "1. It is queued behind R-1 (shop/production and the version line), place 1 of 1\n" in out
    )
    assert "who:  whoever does backup of R-1, alice, bob, the station's keeper\n" in out
    assert "gare why R-1" in out
    assert "note: R-1 waits for: production: 1 vote of operations missing (bob)\n" in out
    assert "Looks again by itself, or expires: " in out
    told = json.loads(gare("why", "R-2", "--json")[1])
    assert told["queue"]["place"] == 1
    assert json.loads(gare("why", "R-1", "--json")[1])["queue"] is None


def test_one_that_needs_attention_is_listed_with_the_reason(gare, ledger, story):
    release, _ = story.open_release(ledger)
    ledger.releases.mark(release.id, ReleaseState.ATTENTION, actor="gare", end="died 5 times")
    line = gare("status")[1].splitlines()[1]
    assert "needs attention" in line
    assert line.endswith("died 5 times")


def test_why_of_an_ended_release(gare, released):
    assert gare("why", "R-1") == (0, "R-1 has ended: released (1.4.0 is released).\n", "")


def test_why_of_a_failure_names_the_log(station, gare, ledger, story):
    release, _ = story.open_release(ledger)
    ledger.releases.begin_step(release.id, "build", actor="gare")
    ledger.releases.end_step(
        release.id, "build", StepState.FAILED, error="make ended with 2", actor="gare"
    )
    ledger.releases.mark(release.id, ReleaseState.FAILED, actor="gare", end="step build failed")
    file = logged(station, "build-1-1.log", "cc: error\n")
    out = gare("why", "R-1")[1]
    assert "1. Step build failed: make ended with 2\n   who:  rita\n" in out
    assert f"   note: log: {file}\n" in out


# log


def test_the_log_tells_events_in_order_and_names_the_files(station, gare, released):
    file = logged(station, "build-1-1.log", "compiling\n")
    code, out, err = gare("log", "R-1")
    assert (code, err) == (0, "")
    lines = [line.split("Z  ", 1)[-1] for line in out.splitlines()]
    assert lines[0] == "rita opened the release of shop 1.4.0 at aaaaaaaaaaaa (card payments)"
    assert lines[4] == "build ran `make` in 1.5 s, log build-1-1.log"
    assert "alice approves approve-production: looks good" in lines
    assert lines[-2:] == ["the release is released: 1.4.0 is released", f"log: {file}"]


def test_the_log_of_a_step_shows_the_end_of_its_output(station, gare, released):
    file = logged(
        station,
        "build-1-1.log",
        "".join(f"line {n}\n" for n in range(5000)) + "\x1b[31mred\tend\xff\n",
    )
    logged(station, "test-1-1.log", "not this\n")
    out = gare("log", "R-1", "--step", "build", "--tail", "2")[1].splitlines()
    assert [line.split("Z  ", 1)[-1] for line in out] == [
        "build started",
        "build ran `make` in 1.5 s, log build-1-1.log",
        "build is done: 2 artifact(s) in 1.5 s",
        f"log: {file}",
        "  | line 4999",
        "  | \\x1b[31mred\tend\xff",
    ]


def test_the_events_themselves(gare, released, ledger):
    out = gare("log", "R-1", "--events")[1].splitlines()
    events = ledger.database.events("R-1")
    assert [line.split("  ")[2] for line in out] == [event.hash for event in events]
    told = json.loads(gare("log", "R-1", "--json")[1])
    assert [event["hash"] for event in told["events"]] == [event.hash for event in events]
    assert told["events"][0]["body"]["project"] == "shop"


def test_a_step_that_does_not_exist_is_told(gare, released):
    code, _, err = gare("log", "R-1", "--step", "bulid")
    assert code == 3
    assert err.startswith("gare: error: R-1 has no step 'bulid'.\n")


# evidence


def test_evidence_is_written_checked_and_verified_elsewhere(
    station, gare, released, tmp_path_factory, monkeypatch
):
    code, out, err = gare("evidence", "R-1", "-o", "out.zip")
    assert (code, err) == (0, "")
    assert out.splitlines()[0].startswith("out.zip: ")
    assert out.splitlines()[-1] == "sound: nothing in it was changed"
    elsewhere = tmp_path_factory.mktemp("auditor")
    (station / "out.zip").rename(elsewhere / "out.zip")
    monkeypatch.chdir(elsewhere)
    monkeypatch.setenv("GARE_STATION", "")
    code, out, err = gare("evidence", "verify", "out.zip")
    assert (code, err) == (0, "")
    assert "vote of approve-production: alice approve at " in out
    assert "ok    decisions follow from the votes by the plan's rules" in out


def test_evidence_of_a_default_name(station, gare, released):
    assert json.loads(gare("evidence", "R-1", "--json")[1])["file"] == "R-1.evidence.zip"
    assert (station / "R-1.evidence.zip").exists()


def test_a_changed_byte_is_told_with_its_place_and_exit_code_3(station, gare, released):
    gare("evidence", "R-1", "-o", "out.zip")
    data = bytearray((station / "out.zip").read_bytes())
    data[data.index(b"<h1>changes")] = ord("[")
    (station / "out.zip").write_bytes(data)
    code, out, err = gare("evidence", "verify", "out.zip")
    assert code == 3
    assert (
        "problem: evidence/gates/changes.html: its content does not match the checksum in its header\n"
        in out
    )
    assert err.startswith("gare: error: The evidence does not hold: ")
    code, out, _ = gare("evidence", "verify", "out.zip", "--json")
    assert (code, json.loads(out)["is_sound"]) == (3, False)


def test_the_head_may_be_given_with_or_without_its_prefix(station, gare, released):
    head = json.loads(gare("evidence", "R-1", "-o", "out.zip", "--json")[1])["head"]
    for given in (head, head.removeprefix("sha256:").upper()):
        code, out, _ = gare("evidence", "verify", "out.zip", "--head", given)
        assert (code, "note: --head vouches for all 29 events" in out) == (0, True)
    code, _, err = gare("evidence", "verify", "out.zip", "--head", "abc")
    assert (code, err.splitlines()[0]) == (2, "gare: error: 'sha256:abc' is no digest.")


def test_the_tag_of_a_repository_is_compared(station, gare, ledger, story, monkeypatch):
    repository = station / "shop"
    for key in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{key}_NAME", "a")
        monkeypatch.setenv(f"GIT_{key}_EMAIL", "a@example.org")
    git(station, "init", "-q", "shop")
    git(repository, "commit", "-q", "--allow-empty", "-m", "x")
    commit = git(repository, "rev-parse", "HEAD")
    release, _ = story.open_release(ledger, story.make_plan(commit=commit))
    head = ledger.database.head("R-1")
    said = f"Shop\n\nGare-Release: R-1\nGare-Plan: {release.plan}\nGare-Ledger: {head}"
    git(repository, "tag", "-a", "v1.4.0", "-m", said)
    gare("evidence", "R-1", "-o", "out.zip")
    code, out, err = gare("evidence", "verify", "out.zip", "--repository", "shop")
    assert (code, err) == (0, "")
    assert "note: tag v1.4.0 vouches for all 1 events" in out
    git(repository, "tag", "-d", "v1.4.0")
    git(repository, "tag", "-a", "v1.4.0", "-m", "by hand")
    code, out, _ = gare("evidence", "verify", "out.zip", "--repository", "shop")
    assert code == 3
    assert "problem: tag v1.4.0: Gare-Release is missing, the bundle is about R-1" in out
    assert gare("evidence", "verify", "out.zip", "--repository", "nowhere")[0] == 2


def git(folder: Path, *words: str) -> str:
    return subprocess.run(
        ["git", *words], cwd=folder, capture_output=True, text=True, check=True
    ).stdout.strip()


def test_help_names_both_uses(gare):
    code, out, _ = gare("evidence", "--help")
    assert code == 0
    assert "verify" in out
    assert "write" in out


def test_reading_imports_neither_the_engine_nor_the_gates(station, released):
    """A status must be there at once: Prefect alone takes a second."""
    script = (
        "import sys; from gare.cli.app import run; code = run(['why', 'R-1']); "
        "print(code, sorted({'prefect', 'great_expectations', 'pandas', 'git', 'fastapi'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=station
    )
    assert done.stdout.splitlines()[-1] == "0 []"

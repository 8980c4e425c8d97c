"""`gare backup` and `gare restore` as a person calls them, and stations that cannot start."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from gare.errors import Unsure
from gare.ledger.effects import Effect, Unknowable
from gare.ledger.ledger import Ledger
from gare.station_state import StateFolder, hold

STATION = "name: test\nserver: {port: 0}\npeople:\n  - {name: alice, email: a@example.org, groups: [managers]}\n"
STORY = Path(__file__).parents[1] / "ledger" / "story.py"


def gare(root: Path, *words: str, **env: str):
    """Run the real command line in the station's folder."""
    clean = {name: value for name, value in os.environ.items() if name != "GARE_STATION"}
    return subprocess.run(
        [sys.executable, "-c", "from gare.cli.app import main; main()", *words],
        capture_output=True, text=True, env={**clean, **env}, cwd=root, stdin=subprocess.DEVNULL, timeout=120,
        check=False,
    )  # fmt: skip


@pytest.fixture
def root(tmp_path) -> Path:
    (tmp_path / "station.yaml").write_text(STATION)
    return tmp_path


@pytest.fixture
def used(root) -> Path:
    """A station with a ledger and something in it."""
    assert gare(root, "token", "create", "alice").returncode == 0
    return root


def content(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and path.name != "station.lock" and not path.name.startswith("ledger.db-")
    }


def test_backup_and_restore_say_what_they_did(used):
    made = gare(used, "backup", "x.backup")
    assert (made.returncode, made.stderr) == (0, "")
    assert made.stdout.splitlines()[1:] == [
        "1 events of 1 streams, 4 files: ledger, store, private keys, commands' logs",
        "Not in it: configuration (in Git), secrets, the engine's database, checkouts.",
    ]
    checked = gare(used, "restore", "x.backup", "--check")
    assert (checked.returncode, checked.stderr) == (0, "")
    assert checked.stdout.endswith("sound: it can be restored\n")
    refused = gare(used, "restore", "x.backup")
    assert refused.returncode == 3
    assert refused.stderr.startswith("gare: error: There is a ledger here already.\n")
    done = gare(used, "restore", "x.backup", "--force")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"What was here is in {used / '.gare' / 'before-restore-1'}.\n" in done.stdout
    assert "alice   1" in gare(used, "token", "list").stdout


def test_as_json(used):
    made = json.loads(gare(used, "backup", "x.backup", "--json").stdout)
    assert (made["events"], made["members"], made["absent"]) == (1, 4, [])
    done = json.loads(gare(used, "restore", "x.backup", "--force", "--json").stdout)
    assert done["backup"]["heads"] == made["heads"]
    assert done["open_releases"] == []
    refused = gare(used, "backup", "x.backup", "--json")
    assert refused.returncode == 3
    assert json.loads(refused.stderr)["error"] == "Refused"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "Name a FILE, or say --mark alone."),
        (("x", "--mark"), "Name a FILE, or say --mark alone."),
        (("--mark", "--force"), "Name a FILE, or say --mark alone."),
        (("x", "--made-at", "2026-03-03T12:00:00Z"), "--made-at belongs to --mark"),
    ],
)
def test_words_that_do_not_go_together(root, words, said):
    done = gare(root, "restore", *words)
    assert done.returncode == 2
    assert said in done.stderr
    assert list(root.iterdir()) == [root / "station.yaml"]


def test_a_bad_file_is_one_error_and_changes_nothing(used):
    (used / "bad").write_bytes(b"x" * 5000)
    before = content(used)
    done = gare(used, "restore", "bad", "--force")
    assert done.returncode == 2
    assert done.stderr == (
        "gare: error: This is no whole backup of Gare: what begins at byte 0 was not written by `gare backup`.\n"
        "  where: bad\n"
        "  hint: Take another copy of it, or an older backup; nothing was changed.\n"
    )
    assert content(used) == before


def test_a_station_that_is_up_is_not_restored(used):
    gare(used, "backup", "x.backup")
    with hold(StateFolder(used / ".gare")):
        done = gare(used, "restore", "x.backup", "--force")
    assert done.returncode == 3
    assert done.stderr.startswith("gare: error: The station is up;")


def test_the_mark_of_a_restore_by_other_means(used):
    done = gare(used, "restore", "--mark", "--made-at", "2026-03-03T12:00:00Z")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("The station is as it was at 2026-03-03T12:00:00+00:00;")


def test_a_ledger_on_postgresql_is_backed_up_by_its_own_tools(root):
    (root / "station.yaml").write_text(STATION + "ledger: $LEDGER_URL\n")
    for words in (("backup", "x"), ("restore", "x")):
        done = gare(root, *words, LEDGER_URL="postgresql+psycopg://gare:hidden@127.0.0.1:1/gare")
        assert done.returncode == 2
        assert "The ledger is not a SQLite file" in done.stderr
        assert "pg_dump -Fc" in done.stderr
        assert "gare restore --mark" in done.stderr
        assert "hidden" not in done.stderr


def test_a_person_says_that_a_doubtful_mail_was_not_sent(used):
    spec = importlib.util.spec_from_file_location("told_story", STORY)
    story = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(story)
    token = gare(used, "token", "create", "alice").stdout.strip()
    ledger = Ledger(f"sqlite:///{used / '.gare' / 'ledger.db'}")
    story.open_release(ledger)

    def send():
        raise Unsure("The connection broke.")

    with pytest.raises(Unsure):
        ledger.effects.perform("R-1", "publish", Effect("mail team", {}, Unknowable, send))
    ledger.leases.leave()
    words = ("done", "R-1", "publish", "--again", "--comment", "I asked")
    done = gare(used, *words, GARE_TOKEN=token)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("R-1 publish: mail team may be done again, on alice's word.\n")
    assert ledger.effects.of("R-1") == []
    refused = gare(used, *words, GARE_TOKEN=token)
    assert refused.returncode == 3
    assert "has not stopped at something that nobody can look up" in refused.stderr
    ledger.database.close()


def change(root: Path, statement: str) -> None:
    engine = create_engine(f"sqlite:///{root / '.gare' / 'ledger.db'}")
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


def newer(root: Path) -> None:
    gare(root, "token", "create", "alice")
    change(root, "UPDATE alembic_version SET version_num = '9000'")


def half_migrated(root: Path) -> None:
    gare(root, "token", "create", "alice")
    change(root, "UPDATE alembic_version SET version_num = '0001'")


def no_database(root: Path) -> None:
    (root / ".gare").mkdir()
    (root / ".gare" / "ledger.db").write_text("this is no database " * 100)


def a_folder(root: Path) -> None:
    (root / ".gare" / "ledger.db").mkdir(parents=True)


def a_file_as_state(root: Path) -> None:
    (root / ".gare").write_text("mine")


def cut_short(root: Path) -> None:
    gare(root, "token", "create", "alice")
    StateFolder(root / ".gare").unfinished.write_text("")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (newer, "The ledger has form 9000, made by a newer Gare"),
        (
            half_migrated,
            "The database holds tables that Gare did not finish or did not make: ",
        ),
        (no_database, "The ledger is no database that can be read"),
        (a_folder, "The ledger cannot be opened: a folder is in its place."),
        (a_file_as_state, "cannot be made"),
        (cut_short, "A restore of this station was cut short"),
    ],
)
def test_a_station_that_cannot_start_says_why_at_once(root, spoil, said):
    """`gare up` says it before anything is started, `gare status` says the same; one error, exit code 2."""
    spoil(root)
    before = content(root)
    for words in (("up", "--detach"), ("up",), ("status",)):
        done = gare(root, *words)
        assert done.returncode == 2, done
        assert done.stdout == ""
        assert done.stderr.count("gare: error: ") == 1
        assert said in done.stderr
        assert "Traceback" not in done.stderr
    after = content(root)
    for made in (".gare/format", ".gare/.gitignore"):
        after.pop(made, None)
        before.pop(made, None)
    assert after == before

"""`gare key`, `gare audit verify` and keys that an auditor trusts, as commands."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from gare.cli.app import run
from gare.ledger.ledger import Ledger


@pytest.fixture
def station(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, story: ModuleType) -> Path:
    """A station that is not up, with one whole release."""
    (tmp_path / "station.yaml").write_text("name: demo\n")
    monkeypatch.setenv("GARE_STATION", str(tmp_path))
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    ledger = Ledger(f"sqlite:///{tmp_path / '.gare' / 'ledger.db'}", clock=story.Clock())
    story.tell(ledger, tmp_path / ".gare" / "store", tmp_path)
    ledger.database.close()
    return tmp_path


@pytest.fixture
def gare(capsys: pytest.CaptureFixture[str], station: Path) -> Callable[..., tuple[int, str, str]]:
    def call(*args: str) -> tuple[int, str, str]:
        code = run(list(args))
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def test_keys_are_made_shown_rotated_listed_and_exported(gare, station):
    assert gare("key", "list", "--json") == (0, "[]\n", "")
    shown = json.loads(gare("key", "show", "--json")[1])
    assert shown["has_private"]
    assert gare("key", "export", "-o", "first.pem")[0] == 0
    assert (station / "first.pem").read_text() == shown["public"]
    code, out, err = gare("key", "rotate")
    assert (code, err) == (0, "")
    assert f"It is endorsed by {shown['id']}." in out
    first, second = json.loads(gare("key", "list", "--json")[1])
    assert first["retired_at"]
    assert (second["endorsed_by"], second["retired_at"]) == (first["id"], None)
    assert gare("key", "export")[1] == second["public"]
    assert gare("key", "export", "--all")[1] == first["public"] + second["public"]
    out = "".join(gare("key", command)[1] for command in ("show", "list", "export"))
    assert "PRIVATE" not in out


def test_a_lost_key_is_told_and_replaced(gare, station):
    lost = json.loads(gare("key", "show", "--json")[1])["id"]
    shutil.rmtree(station / ".gare" / "keys")
    for words in (("evidence", "R-1"), ("key", "rotate"), ("key", "show"), ("key", "export")):
        code, out, err = gare(*words)
        assert (code, out) == (2, "")
        assert "`gare key rotate --lost`" in err
    assert not (station / "R-1.evidence.zip").exists()
    assert not json.loads(gare("key", "list", "--json")[1])[0]["has_private"]
    code, out, _ = gare("key", "rotate", "--lost")
    assert code == 0
    assert "No key endorses it: tell its fingerprint to everybody who verifies evidence." in out
    assert gare("evidence", "R-1")[0] == 0
    code, out, _ = gare("evidence", "verify", "R-1.evidence.zip", "--key", lost)
    assert code == 3


def test_evidence_is_compared_with_the_key_you_trust(gare, station):
    assert gare("evidence", "R-1", "-o", "one.zip")[0] == 0
    gare("key", "export", "-o", "first.pem")
    first = json.loads(gare("key", "show", "--json")[1])["id"]
    gare("key", "rotate")
    said = json.loads(gare("evidence", "R-1", "-o", "two.zip", "--json")[1])
    assert said["signed_by"] != first
    for given in ("first.pem", first, first[7:].upper()):
        code, out, err = gare("evidence", "verify", "two.zip", "--key", given)
        assert (code, err) == (0, "")
        assert f"signed by {said['signed_by']}, which follows {first}, the key of --key" in out
    code, out, err = gare("evidence", "verify", "one.zip", "--key", said["signed_by"])
    assert code == 3
    assert "FAIL  the key that signed is one you trust" in out
    code, out, _ = gare("evidence", "verify", "one.zip")
    assert code == 0
    assert f"note: signed by {first}, not compared with a key you trust; --key does that" in out
    summary = json.loads(gare("evidence", "verify", "two.zip", "--json")[1])["summary"]
    assert (summary["signed_by"], summary["keys"][0]) == (said["signed_by"], first)


@pytest.mark.parametrize("given", ["missing.pem", "station.yaml", ".", "sha256:abc", "", "bytes"])
def test_what_is_no_key_is_told(gare, station, given):
    gare("evidence", "R-1", "-o", "one.zip")
    (station / "bytes").write_bytes(bytes(range(256)) * 8)
    code, out, err = gare("evidence", "verify", "one.zip", "--key", given)
    assert (code, out) == (2, "")
    assert err.startswith("gare: error: The key cannot be read: ")
    assert "gare key export" in err


def test_it_verifies_where_there_is_no_station(gare, station, tmp_path_factory):
    gare("evidence", "R-1", "-o", "one.zip")
    gare("key", "export", "-o", "first.pem")
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    for name in ("one.zip", "first.pem"):
        shutil.copy(station / name, elsewhere)
    env = {key: value for key, value in os.environ.items() if key != "GARE_STATION"}
    done = subprocess.run(
        [sys.executable, "-m", "gare", "evidence", "verify", "one.zip", "--key", "first.pem"],
        cwd=elsewhere, env=env, capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "sound: nothing in it was changed"
    assert sorted(path.name for path in elsewhere.iterdir()) == ["first.pem", "one.zip"]


def test_the_audit_says_what_it_checked(gare, station):
    code, out, err = gare("audit", "verify")
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == "30 events, 2 streams, 1 release"
    assert out.splitlines()[-1] == "sound: every chain holds, and the rows are what the events say"
    found = json.loads(gare("audit", "verify", "--json")[1])
    assert (found["is_sound"], found["events"], found["problems"]) == (True, 30, [])
    assert set(found["checks"].values()) == {0}


def test_the_audit_names_what_was_changed_and_ends_with_3(gare, station):
    ledger = Ledger(f"sqlite:///{station / '.gare' / 'ledger.db'}")
    with ledger.database.write() as connection:
        connection.exec_driver_sql("UPDATE events SET actor = '\x1b[2J' WHERE seq = 7")
        connection.exec_driver_sql("UPDATE votes SET person = 'mallory' WHERE person = 'bob'")
    code, out, err = gare("audit", "verify")
    assert code == 3
    assert "\x1b" not in out + err
    assert "FAIL  every stream is one unbroken chain up to its newest event" in out
    assert "problem: event 7 of R-1 (step started): its content does not match its digest" in out
    assert 'votes: bob: person: it says "mallory", the events say "bob"' in out
    assert err.startswith(
        "gare: error: The ledger does not hold: 2 problems, first: event 7 of R-1"
    )
    code, out, err = gare("audit", "verify", "--json")
    assert (code, len(json.loads(out)["problems"])) == (3, 2)
    assert json.loads(err)["error"] == "Refused"

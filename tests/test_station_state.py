"""The state folder: who holds it, where the station is, and what is said when it cannot be used."""

import subprocess
import sys
from pathlib import Path

import pytest

from gare.errors import ConfigError
from gare.station_state import (
    Phase,
    Process,
    Record,
    StateFolder,
    api_url,
    hold,
    is_held,
    read_record,
    running,
    write_record,
)

RECORD = Record(
    Process("supervisor", 12, 1.5),
    Phase.READY,
    "http://127.0.0.1:4200/api",
    "http://127.0.0.1:4200",
    (Process("server", 13, 2.5),),
    "http://127.0.0.1:4280",
)


@pytest.fixture
def folder(tmp_path):
    made = StateFolder(tmp_path / ".gare")
    made.prepare()
    return made


def test_it_stays_out_of_git(folder):
    assert (folder.root / ".gitignore").read_text() == "*\n"


def test_a_record_is_read_as_written(folder):
    write_record(folder, RECORD)
    assert read_record(folder) == RECORD


def test_a_station_is_up_as_long_as_its_lock_is_held(folder):
    write_record(folder, RECORD)
    assert running(folder.root) is None
    assert api_url(folder.root) == ""
    with hold(folder) as is_ours:
        assert is_ours
        assert running(folder.root) == RECORD
        assert api_url(folder.root) == "http://127.0.0.1:4200/api"
        with hold(folder) as is_ours_too:
            assert not is_ours_too
    assert not is_held(folder)


def test_the_lock_ends_with_its_process(folder):
    script = (
        "import os, sys; from pathlib import Path\n"
        "from gare.station_state import StateFolder, hold\n"
        "with hold(StateFolder(Path(sys.argv[1]))):\n"
        "    print('held', flush=True); sys.stdin.read()\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", script, str(folder.root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout.readline() == b"held\n"
    assert is_held(folder)
    holder.kill()
    holder.communicate()
    assert not is_held(folder)


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"supervisor": {"pid": 1}}', "\x00"])
def test_a_record_that_makes_no_sense_is_none(folder, text):
    folder.record.write_text(text)
    assert read_record(folder) is None


def test_where_nothing_is(tmp_path):
    assert running(tmp_path / "nowhere") is None
    assert api_url(tmp_path / "nowhere") == ""


def test_a_folder_of_a_newer_gare(folder):
    (folder.root / "format").write_text("2\n")
    with pytest.raises(ConfigError) as refused:
        folder.prepare()
    assert (refused.value.what, refused.value.where, refused.value.hint) == (
        "The state folder was made by a newer Gare: its format is 2, this Gare knows 1.",
        str(folder.root),
        "Use the newer Gare, or name another folder in `state` of station.yaml.",
    )
    assert (folder.root / "format").read_text() == "2\n"


def test_a_file_in_its_place(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError) as refused:
        StateFolder(tmp_path / "file" / ".gare").prepare()
    assert (refused.value.what, refused.value.where, refused.value.hint) == (
        "The state folder cannot be made: a file is in its place.",
        str(tmp_path / "file"),
        "Move the file away, or name another folder in `state` of station.yaml.",
    )


@pytest.mark.skipif(sys.platform != "linux", reason="needs a folder that nobody may write in")
def test_a_place_where_nobody_may_write():
    with pytest.raises(ConfigError) as refused:
        StateFolder(Path("/proc/gare")).prepare()
    assert refused.value.what == "The state folder cannot be used: no such file or directory."
    assert (
        refused.value.hint == "Make it writable, or name another folder in `state` of station.yaml."
    )


def test_looking_imports_nothing_heavy():
    script = "import sys, gare.station_state; print(' '.join(sys.modules))"
    found = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert not {"prefect", "psutil", "pydantic", "httpx", "sqlalchemy"} & set(found.stdout.split())

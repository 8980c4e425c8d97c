"""Backup files from anybody: each gets one clear error, bounded memory, and nothing of the station is changed."""

import gzip
import hashlib
import io
import json
import os
import random
import sqlite3
import subprocess
import sys
import tarfile
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gare.errors import ConfigError
from gare.ledger.backup import Place, write_backup
from gare.ledger.backup_file import Writer
from gare.ledger.ledger import Ledger
from gare.ledger.restore import restore

NOW = datetime(2026, 3, 3, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def good(tmp_path_factory, story) -> Path:
    """A real backup of a real release."""
    root = tmp_path_factory.mktemp("good")
    place = Place(root / "state", root / "state" / "ledger.db")
    ledger = Ledger(f"sqlite:///{place.ledger}")
    story.tell(ledger, place.state / "store", root)
    ledger.leases.leave()
    ledger.database.close()
    (place.state / "logs" / "R-1").mkdir(parents=True)
    (place.state / "logs" / "R-1" / "build.log").write_text("made\n")
    write_backup(place, root / "good.backup", made_at=NOW)
    return root / "good.backup"


@pytest.fixture(scope="module")
def parts(good) -> dict[str, bytes]:
    """The members of a good backup."""
    with tarfile.open(good) as tar:
        return {info.name: tar.extractfile(info).read() for info in tar.getmembers()}


@pytest.fixture
def here(tmp_path) -> Place:
    """A station with something in it."""
    state = tmp_path / "state"
    state.mkdir()
    (state / "ledger.db").write_bytes(b"the ledger that was here")
    (state / "keys").mkdir()
    (state / "keys" / "1.pem").write_text("private")
    return Place(state, state / "ledger.db")


def content(folder: Path) -> dict[str, bytes | None]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
        if path.name != "station.lock"
    }


def refused(data: bytes, here: Place) -> str:
    """Restore the bytes, which must fail with one sentence and without a trace; return it."""
    before = content(here.state)
    file = here.state.parent / "bad.backup"
    file.write_bytes(data)
    with pytest.raises(ConfigError) as caught:
        restore(file, here, may_replace=True)
    error = caught.value
    assert error.what.endswith(".")
    assert "\n" not in error.what
    assert len(error.what) < 600
    assert str(file) in error.where
    assert error.hint
    assert content(here.state) == before
    file.unlink()
    return error.what


def pack(parts: dict[str, bytes], *, index: object = None) -> bytes:
    """Spell members as a backup whose sums are right: what is wrong lies deeper."""
    out = io.BytesIO()
    writer = Writer(out)
    for name, data in parts.items():
        if name not in ("SHA256SUMS", "index.json"):
            writer.keep(name, writer.add(name, [data], len(data), mode=0o600))
    if not isinstance(index, bytes):
        given = json.loads(parts["index.json"]) | {"members": writer.count}
        index = json.dumps(given | (index or {})).encode()
    writer.keep("index.json", writer.add("index.json", [index], len(index)))
    writer.end()
    return out.getvalue()


def with_ledger(parts: dict[str, bytes], tmp_path: Path, *statements: str) -> bytes:
    """Pack the backup with its database changed."""
    file = tmp_path / "changed.db"
    file.write_bytes(parts["ledger.db"])
    connection = sqlite3.connect(file)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()
    return pack({**parts, "ledger.db": file.read_bytes()})


def test_packed_again_it_is_good(good, parts, here):
    """The fuzz below changes one thing; without it the file must be fine."""
    (here.state.parent / "again").write_bytes(pack(parts))
    restore(here.state.parent / "again", here, may_replace=True)
    assert (
        here.state / "before-restore-1" / "ledger.db"
    ).read_bytes() == b"the ledger that was here"


def test_cut_at_every_kind_of_length(good, here):
    data = good.read_bytes()
    rng = random.Random(7)
    lengths = {
        0,
        1,
        100,
        511,
        512,
        513,
        len(data) - 1,
        len(data) - 512,
        len(data) - 1024,
        len(data) - 1025,
    }
    lengths |= {rng.randrange(len(data)) // 512 * 512 for _ in range(20)}
    lengths |= {rng.randrange(len(data)) for _ in range(20)}
    for length in sorted(lengths):
        assert refused(data[:length], here).startswith("This is no whole backup of Gare: "), length
    assert "the file ends" in refused(data[:100_000], here)


def test_longer_than_it_was(good, here):
    for more in (b"\0", b"x", bytes(512), bytes(10240)):
        said = refused(good.read_bytes() + more, here)
        assert said == "This is no whole backup of Gare: it does not end as a backup ends."


def test_any_changed_byte_is_found(good, here):
    data = good.read_bytes()
    rng = random.Random(11)
    for _ in range(150):
        at, bit = rng.randrange(len(data)), 1 << rng.randrange(8)
        refused(data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :], here)


def test_what_is_no_backup_at_all(here, tmp_path):
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("ledger.db", bytes(50_000_000))
    packed = gzip.compress(bytes(50_000_000))
    for data in (
        b"text",
        b"\0" * 4096,
        b"SQLite format 3\0" + bytes(4080),
        zipped.getvalue(),
        packed,
        os.urandom(5000),
    ):
        assert refused(data, here).startswith("This is no whole backup of Gare: ")


@pytest.mark.parametrize(
    "name",
    [
        "../ledger.db", "/etc/passwd", "keys/../../x", "keys/", "keys", "store/sha256/ab/../../../x", "logs/R-1/../x",
        "logs/server.log", "keys/a/b", "keys/.hidden", "keys\\x", "store/sha256/ab/" + "c" * 64, "C:/x", "station.lock",
        "restore-unfinished", "keys/a\nb", "logs/R-1/", "./ledger.db",
    ],
)  # fmt: skip
def test_names_that_lead_elsewhere(parts, here, name):
    members = {**parts, name: b"mine"}
    order = sorted(n for n in members if n not in ("absent.jsonl", "SHA256SUMS", "index.json"))
    data = pack({name: members[name] for name in [*order, "absent.jsonl", "index.json"]})
    assert refused(data, here).startswith("This is no whole backup of Gare: ")
    assert not (here.state.parent / "x").exists()


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE]
)
def test_links_folders_and_devices(good, here, kind):
    link = tarfile.TarInfo("keys/1.pem")
    link.type, link.linkname = kind, "../../../etc/shadow"
    data = link.tobuf(tarfile.USTAR_FORMAT) + good.read_bytes()
    assert refused(data, here) == (
        "This is no whole backup of Gare: what begins at byte 0 was not written by `gare backup`."
    )


def test_extended_headers_and_sparse_files(good, here):
    long = tarfile.TarInfo("keys/" + "x" * 300)
    sparse = tarfile.TarInfo("ledger.db")
    sparse.type, sparse.size = tarfile.GNUTYPE_SPARSE, 2**40
    huge = tarfile.TarInfo("README.txt")
    huge.size = 2**62
    for info in (long, sparse, huge):
        for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
            refused(info.tobuf(form) + good.read_bytes(), here)


def test_members_twice_or_out_of_order(good, parts, here):
    data = good.read_bytes()
    with tarfile.open(good) as tar:
        _, second_at, third_at = (info.offset for info in tar.getmembers()[:3])
    first, second = data[:second_at], data[second_at:third_at]
    rest = data[len(first) + len(second) :]
    for changed in (
        first + first + second + rest,
        second + first + rest,
        first + second + second + rest,
    ):
        assert "is there twice, or not in its order" in refused(changed, here)


@pytest.mark.parametrize("lost", ["ledger.db", "heads.txt", "absent.jsonl"])
def test_members_that_are_missing(parts, here, lost):
    said = refused(pack({name: data for name, data in parts.items() if name != lost}), here)
    assert said.startswith("This is no whole backup of Gare: ")


DEEP = b'{"format": ' + b"[" * 30_000 + b"]" * 30_000 + b"}"


@pytest.mark.parametrize(
    ("index", "said"),
    [
        (b"", "it is no JSON"), (b"[]", "it is not an object"), (b"\xff\xfe", "it is no UTF-8"),
        (b"null", "it is not an object"),
        (DEEP, "nested too deeply"), (b'{"format": NaN}', "no JSON number"),
        (b'{"format": 1e999}', "number"),
        (b'{"format": true}', "`format` is not a number"), (b'{"format": "1"}', "`format` is not a number"),
        (b'{"format": 1}', "`ledger` is missing"), (b" " * 70_000, "larger than 64 KiB"),
        (b'{"format": ' + b"9" * 5000 + b"}", ""),
        ({"made_at": 5}, "`made_at` is not a text"), ({"made_at": "yesterday"}, "`made_at` is no instant"),
        ({"members": 1}, "does not fit to the rest"), ({"members": -1e14}, "does not fit"),
        ({"members": {}}, "not a number"),
        ({"ledger": []}, "not an object"),
    ],
)  # fmt: skip
def test_an_index_that_makes_no_sense(parts, here, index, said):
    assert said in refused(pack(parts, index=index), here).replace("It", "it", 1)


def test_a_backup_of_a_newer_format(parts, here):
    assert refused(pack(parts, index={"format": 2}), here) == (
        "The backup has format 2; this Gare knows 1: a newer Gare made it."
    )


def test_an_index_about_another_ledger(parts, here):
    ledger = json.loads(parts["index.json"])["ledger"]
    for change in ({"events": 1}, {"streams": 9}, {"revision": "0001"}):
        said = refused(pack(parts, index={"ledger": {**ledger, **change}}), here)
        assert "ledger.db is not the one that index.json is about" in said


def test_a_database_that_is_something_else(parts, here, tmp_path):
    for data in (
        b"",
        b"text",
        b"SQLite format 3\0",
        b"SQLite format 3\0" + os.urandom(8192),
        parts["ledger.db"][:8192],
    ):
        said = refused(pack({**parts, "ledger.db": data}), here)
        assert said.startswith("The ledger is not sound: ")
    empty = tmp_path / "empty.db"
    connection = sqlite3.connect(empty)
    connection.execute("CREATE TABLE mine (x)")
    connection.commit()
    connection.close()
    said = refused(pack({**parts, "ledger.db": empty.read_bytes()}), here)
    assert said == "The ledger is not sound: it is no ledger of Gare."


def test_damaged_pages(parts, here):
    rng = random.Random(3)
    for _ in range(15):
        data = bytearray(parts["ledger.db"])
        for _ in range(rng.choice((1, 20, 400))):
            data[rng.randrange(100, len(data))] = rng.randrange(256)
        file = here.state.parent / "bad"
        file.write_bytes(pack({**parts, "ledger.db": bytes(data)}))
        before = content(here.state)
        try:
            restore(file, here, may_replace=True)
        except ConfigError as error:
            assert error.what.startswith(("The ledger is not sound: ", "The ledger has form "))  # noqa: PT017
            assert content(here.state) == before
        else:
            # A byte in a page that nothing uses, or in a row that no chain covers: the file is a ledger all the same.
            for path in sorted(here.state.rglob("*"), reverse=True):
                path.rmdir() if path.is_dir() else path.unlink()
            for name, data in before.items():
                path = here.state / name
                path.mkdir(parents=True) if data is None else path.write_bytes(data)


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE alembic_version SET version_num = '9000'", "The ledger has form 9000, made by a newer Gare; this one"),
        ("UPDATE alembic_version SET version_num = '0000'", "it does not say which form it has"),
        ("DELETE FROM alembic_version", "it does not say which form it has"),
        ("DROP TABLE locks", "its tables are not those of form"),
        ("CREATE TABLE mine (x)", "its tables are not those of form"),
        ("ALTER TABLE votes ADD COLUMN mine TEXT", "its tables are not those of form"),
        ("CREATE VIEW mine AS SELECT * FROM votes", "its tables are not those of form"),
        ("CREATE TRIGGER mine AFTER INSERT ON events BEGIN DELETE FROM votes; END", "its tables are not those of form"),
        ("UPDATE events SET body = '{}' WHERE seq = 2", "its content does not match its digest"),
        ("DELETE FROM events WHERE seq = 2", "one is missing or out of order"),
        ("DELETE FROM events WHERE stream = 'R-1' AND seq = (SELECT max(seq) FROM events WHERE stream = 'R-1')",
         "events are missing at the end"),
        ("DELETE FROM events", "the events of R-1 are missing"),
        ("DELETE FROM streams", "the newest event of 'R-1' is not known"),
        ("UPDATE streams SET head = ''", "the newest event of 'R-1' is not known"),
        ("UPDATE streams SET seq = 4000", "R-1 ends with event"),
        ("UPDATE events SET body = x'00ff' WHERE seq = 2", "an event of 'R-1' is not text"),
        ("UPDATE events SET body = CAST(x'ff' AS TEXT) WHERE seq = 2", "it cannot be read: Could not decode"),
        ("UPDATE events SET seq = 2.5 WHERE stream = 'R-1' AND seq = 2", "an event of 'R-1' is not text"),
    ],
)  # fmt: skip
def test_a_database_that_was_changed(parts, here, tmp_path, statement, said):
    assert said in refused(with_ledger(parts, tmp_path, statement), here)


def test_a_store_file_of_another_content(parts, here):
    name = next(name for name in parts if name.startswith("store/"))
    said = refused(pack({**parts, name: b"something else"}), here)
    found = hashlib.sha256(b"something else").hexdigest()
    assert said == f"This is no whole backup of Gare: the content of `{name}` is another: {found}."


def test_a_folder_or_nothing_instead_of_a_file(here, tmp_path):
    for path in (tmp_path, tmp_path / "nothing", Path(os.devnull)):
        with pytest.raises(ConfigError) as caught:
            restore(path, here, may_replace=True)
        assert caught.value.what == "The backup cannot be restored: there is no such file."


def test_a_new_state_folder_is_not_left_behind(parts, tmp_path):
    (tmp_path / "bad").write_bytes(pack({**parts, "ledger.db": b"text"}))
    place = Place(tmp_path / "new" / "state", tmp_path / "new" / "state" / "ledger.db")
    with pytest.raises(ConfigError):
        restore(tmp_path / "bad", place)
    assert not place.state.exists()


LIMITED = """
import resource, sys
from pathlib import Path
from gare.errors import GareError
from gare.ledger import restore as module, snapshot
from gare.ledger.backup import Place
import gare.ledger.database, alembic.command, alembic.config
import sqlalchemy.dialects.sqlite
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 64 * 2**20, resource.RLIM_INFINITY))
try:
    module.restore(Path(sys.argv[1]), Place(Path(sys.argv[2]), Path(sys.argv[2]) / "ledger.db"))
    print("restored")
except GareError as error:
    print(error.what)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits of Linux")
@pytest.mark.parametrize("what", ["store", "index", "absent", "readme"])
def test_large_members_cost_no_memory(parts, tmp_path, what):
    """200 MB more in the file, 64 MB more memory allowed."""
    big = 200_000_000
    zeros = b"\0" * 1_000_000
    file = tmp_path / "big"
    members = {
        name: [data] for name, data in parts.items() if name not in ("SHA256SUMS", "index.json")
    }
    if what == "store":
        hashing = hashlib.sha256()
        for _ in range(big // len(zeros)):
            hashing.update(zeros)
        digest = hashing.hexdigest()
        members[f"store/sha256/{digest[:2]}/{digest}"] = [zeros] * (big // len(zeros))
    elif what in ("absent", "readme"):
        members[{"absent": "absent.jsonl", "readme": "README.txt"}[what]] = [zeros] * (
            big // len(zeros)
        )
    tail = members.pop("absent.jsonl")
    with file.open("wb+") as out:
        writer = Writer(out)
        for name, chunks in [*sorted(members.items()), ("absent.jsonl", tail)]:
            writer.keep(name, writer.add(name, chunks, sum(map(len, chunks)), mode=0o600))
        index = json.loads(parts["index.json"]) | {"members": writer.count}
        text = [zeros] * (big // len(zeros)) if what == "index" else [json.dumps(index).encode()]
        writer.keep("index.json", writer.add("index.json", text, sum(map(len, text))))
        writer.end()
    state = tmp_path / "fresh"
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, file, state], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    wanted = "This is no whole backup of Gare: index.json is larger than 64 KiB.\n"
    assert done.stdout == (wanted if what == "index" else "restored\n")

# ruff: noqa: E501 - tables of whole sentences
"""Bundles from anybody: whatever is in the file, the answer is a report, in bounded time and memory."""

import io
import json
import shutil
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gare_tests_story import FORGER, repacked
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gare.ledger import container
from gare.ledger.chain import GENESIS, Event, link
from gare.ledger.container import measure
from gare.ledger.evidence import event_line, finished, ordered_names, pretty
from gare.ledger.ledger import Ledger
from gare.ledger.verify import verify_bundle

JSON_MEMBERS = (
    "approvals.json", "effects.json", "keys.json", "logs.json", "overrides.json", "plan.json",
    "provenance.intoto.jsonl", "release.json", "seal.intoto.jsonl", "steps.json",
    "manifests/approve-production.json",
)  # fmt: skip
DEEP = json.loads("[" * 300 + "]" * 300)
NASTY = [
    None, True, False, 0, -1, 1, 2**53, 10**400, -(10**400), 0.5, 1e308, float("nan"), float("inf"), "", "x", "\x00",
    "\ud800", "\u2028", "é" * 3, "R-1", "-1", "[]", "sha256:" + "0" * 64, "2026-13-45", "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59-23:59", "released", "x" * 5000, [], {}, [[]], [None], {"": None}, {"name": 1, "sha256": 2, "size_bytes": 3},
    {"name": "x", "sha256": "0" * 64, "size_bytes": -1}, DEEP,
]  # fmt: skip
"""Values that somebody who means ill (or a defect) may write where another type belongs."""
FUZZ = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def sound(story, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("sound")
    ledger = Ledger(f"sqlite:///{folder / 'ledger.db'}", clock=story.Clock())
    release = story.tell(ledger, folder / "store", folder)
    story.write_bundle(ledger, folder / "store", release.id, folder / "bundle.zip")
    ledger.database.close()
    return folder / "bundle.zip"


def judged(path: Path) -> list[str]:
    """Return the problems; each can be printed, and so can the whole report."""
    report = verify_bundle(path)
    found = [str(problem) for problem in report.problems]
    for text in found:
        text.encode()
        assert len(text) < 1000
    json.dumps([report.summary, list(report.notes)], allow_nan=False)
    assert found or report.summary["release"]
    return found


def places(value: Any) -> list[tuple[Any, Any]]:
    """Return every (container, key) of a JSON value."""
    found: list[tuple[Any, Any]] = []
    keys = (
        value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    )
    for key in keys:
        found.append((value, key))
        found += places(value[key])
    return found


def spoiled(data: st.DataObject, value: Any) -> Any:
    """Put something else at one place of a JSON value: another type, nothing, or one thing twice."""
    [*_] = spots = places({"": value})
    where, key = spots[data.draw(st.integers(0, len(spots) - 1))]
    how = data.draw(st.sampled_from(["other", "gone", "twice"]))
    if how == "gone" and where is not value and isinstance(where, dict) and key != "":
        del where[key]
    elif how == "twice" and isinstance(where, list):
        where.append(where[key])
    else:
        nasty = data.draw(st.sampled_from(NASTY))
        if key == "":
            return nasty
        where[key] = nasty
    return value


@FUZZ
@given(data=st.data())
def test_any_value_in_any_member_may_be_anything(sound, tmp_path, data):
    path = Path(shutil.copy(sound, tmp_path / "fuzzed.zip"))

    def change(members: dict[str, bytes]) -> None:
        name = data.draw(st.sampled_from(JSON_MEMBERS))
        members[name] = json.dumps(spoiled(data, json.loads(members[name]))).encode()

    judged(repacked(path, change, data.draw(st.sampled_from([None, FORGER]))))


@FUZZ
@given(data=st.data())
def test_any_value_of_any_event_may_be_anything(sound, tmp_path, data):
    """The chain is made anew around it, so that what an event says is all that can be wrong."""
    path = Path(shutil.copy(sound, tmp_path / "fuzzed.zip"))

    def change(members: dict[str, bytes]) -> None:
        events = [Event(**json.loads(line)) for line in members["events.jsonl"].splitlines()]
        place = data.draw(st.integers(0, len(events) - 1))
        body = json.dumps(spoiled(data, json.loads(events[place].body)))
        kind = data.draw(st.sampled_from(sorted({event.kind for event in events})))
        kind = data.draw(
            st.sampled_from([events[place].kind, kind, "planned anew", "run replaced"])
        )
        events[place] = events[place]._replace(body=body, kind=kind)
        made: list[Event] = []
        for event in events:
            prev = made[-1].hash if made else GENESIS
            made.append(link(*event._replace(prev=prev)[:7]))
        members["events.jsonl"] = "".join(map(event_line, made)).encode()

    judged(repacked(path, change))


@FUZZ
@given(data=st.data())
def test_any_column_of_any_event_may_be_anything(sound, tmp_path, data):
    path = Path(shutil.copy(sound, tmp_path / "fuzzed.zip"))
    name = data.draw(st.sampled_from(["events.jsonl", "station.jsonl"]))

    def change(members: dict[str, bytes]) -> None:
        lines = members[name].splitlines()
        place = data.draw(st.integers(0, len(lines) - 1))
        lines[place] = json.dumps(spoiled(data, json.loads(lines[place]))).encode()
        members[name] = b"\n".join(lines) + b"\n"

    repacked_blindly(path, change)
    judged(path)


@FUZZ
@given(data=st.data())
def test_any_value_of_the_index_may_be_anything(sound, tmp_path, data):
    path = Path(shutil.copy(sound, tmp_path / "fuzzed.zip"))

    def change(members: dict[str, bytes]) -> None:
        index = json.dumps(spoiled(data, json.loads(members["index.json"])), indent=2)
        members["index.json"] = index.encode()

    repacked_blindly(path, change)
    judged(path)


def repacked_blindly(path: Path, change: Callable[[dict[str, bytes]], None]) -> None:
    """Put members into a container, whatever they say."""
    with zipfile.ZipFile(path) as file:
        members = {name: file.read(name) for name in file.namelist()}
    change(members)
    with path.open("wb") as file:
        container.write(file, [(name, members[name]) for name in ordered_names(members)])


@FUZZ
@given(raw=st.binary(max_size=300), at=st.integers(0, 20_000), is_insert=st.booleans())
def test_any_bytes_in_any_place(sound, tmp_path, raw, at, is_insert):
    whole = sound.read_bytes()
    at %= len(whole)
    path = tmp_path / "fuzzed.zip"
    path.write_bytes(whole[:at] + raw + whole[at + (0 if is_insert else len(raw)) :])
    found = judged(path)
    assert bool(found) == (path.read_bytes() != whole)


def test_a_file_cut_anywhere_is_told(sound, tmp_path):
    whole = sound.read_bytes()
    with sound.open("rb") as file:
        members, _ = container.read(file)
    edges = {0, 1, 3, 4, len(whole) - 1, len(whole) - 22, len(whole) - 23}
    for member in members:
        begin = member.start - 30 - len(member.name)
        edges |= {begin, begin + 1, begin + 29, begin + 30, member.start - 1, member.start}
        edges |= {member.start + 1, member.start + member.size // 2, member.start + member.size}
    edges |= set(range(len(whole) - 60, len(whole)))
    path = tmp_path / "cut.zip"
    for length in sorted(edge for edge in edges if edge < len(whole)):
        path.write_bytes(whole[:length])
        assert judged(path), length


# Made by hand


def zipped(*entries: tuple[zipfile.ZipInfo | str, bytes]) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as file:
        for entry, content in entries:
            file.writestr(entry, content)
    return data.getvalue()


def symlink() -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("index.json")
    info.create_system, info.external_attr = 3, 0o120777 << 16
    return info


def local(name: bytes, data: bytes, *, flags: int = 0, method: int = 0, size: int | None = None, extra: bytes = b"", version: int = 20) -> bytes:  # fmt: skip
    size = len(data) if size is None else size
    head = struct.pack(
        "<4s5H3I2H", b"PK\3\4", version, flags, method, 0, 33, zlib.crc32(data), size, size, len(name), len(extra)
    )  # fmt: skip
    return head + name + extra + data


def zip64_extra(size: int) -> bytes:
    return struct.pack("<2H2Q", 1, 16, size, size)


PACKED = "it was packed by something else than Gare; a bundle must be kept as it was written"
NO_START = "no member of a bundle begins here: its header was changed, or this is no bundle"
BY_HAND = {
    "a symbolic link": (zipped((symlink(), b"/etc/passwd")), "the zip directory, entry of index.json: byte 91 of the file is not as it was written"),
    "the flag of encryption": (local(b"index.json", b"{}", flags=1), f"index.json: {PACKED}"),
    "a size that comes later": (local(b"index.json", b"{}", flags=8), f"index.json: {PACKED}"),
    "zip64 sizes": (local(b"index.json", b"{}", size=2**32 - 1, extra=zip64_extra(2**60)), f"byte 0, at the beginning: {NO_START}"),
    "a zip64 size without the field": (local(b"index.json", b"{}", size=2**32 - 1), "index.json: its header says 4294967295 bytes, but the file ends after 2 of them"),
    "a version of the future": (local(b"index.json", b"{}", version=45), f"index.json: {PACKED}"),
    "a method that is none": (local(b"index.json", b"{}", method=99), f"index.json: {PACKED}"),
    "a name of a folder": (local(b"evidence/", b""), "byte 0, at the beginning: the name 'evidence/' cannot be in a bundle"),
    "a drive": (local(b"C:/x", b""), "byte 0, at the beginning: the name 'C:/x' cannot be in a bundle"),
    "a backslash": (local(b"..\\x", b""), "byte 0, at the beginning: the name '..\\\\x' cannot be in a bundle"),
    "a NUL": (local(b"index.json\0x", b""), "byte 0, at the beginning: the name 'index.json\\x00x' cannot be in a bundle"),
    "a dot in the middle": (local(b"a/../b", b""), "byte 0, at the beginning: the name 'a/../b' cannot be in a bundle"),
    "something before it": (b"MZ" + local(b"index.json", b"{}"), f"byte 0, at the beginning: {NO_START}"),
    "no UTF-8 in a name": (local(b"\xff\xfe", b""), "byte 0, at the beginning: the name '\ufffd\ufffd' cannot be in a bundle"),
}  # fmt: skip


@pytest.mark.parametrize("name", BY_HAND)
def test_a_file_made_by_hand_is_told(tmp_path, name):
    data, expected = BY_HAND[name]
    path = tmp_path / "by-hand.zip"
    path.write_bytes(data)
    assert expected in judged(path)


def test_a_name_twice_is_told(sound, tmp_path):
    with zipfile.ZipFile(sound) as file:
        members = [(name, file.read(name)) for name in file.namelist()]
    path = tmp_path / "twice.zip"
    with path.open("wb") as file:
        container.write(file, [*members, members[-1]])
    assert f"{members[-1][0]}: it is in the bundle twice" in judged(path)


def test_another_order_is_told(sound, tmp_path):
    with zipfile.ZipFile(sound) as file:
        members = [(name, file.read(name)) for name in file.namelist()]
    path = tmp_path / "order.zip"
    with path.open("wb") as file:
        container.write(file, [*members[:-2], members[-1], members[-2]])
    assert judged(path) == ["the file: its members are not in their order"]


BOUNDED = """
import resource, sys, time
from pathlib import Path
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
from gare.cli.app import main
sys.argv = ["gare", "evidence", "verify", sys.argv[1]]
main()
"""


def large(kind: str) -> list[tuple[str, bytes]]:
    """Return members that want to be expensive, within what a file of some MB can hold."""
    index = {
        "format": 2,
        "release": "R-1",
        "head": "x",
        "members": [],
        "absent": {},
        "with_artifacts": False,
    }
    if kind == "many objects":
        return [("index.json", b'{"format": 2, "members": [' + b"{}," * 999_000 + b"{}]}")]
    if kind == "many members":
        return [("index.json", pretty(index)), *((f"evidence/{n}", b"") for n in range(20_000))]
    if kind == "one deep event":
        body = "[" * 200_000
        return [
            ("index.json", pretty(index)),
            ("events.jsonl", (json.dumps({"body": body}) + "\n").encode()),
        ]
    if kind == "many events":
        lines, prev = [], GENESIS
        for seq in range(1, 10_001):
            event = link("R-1", seq, "2026-03-02T09:00:00+00:00", "step done", "x", "{}", prev)
            lines.append(event_line(event))
            prev = event.hash
        return [("index.json", pretty(index)), ("events.jsonl", "".join(lines).encode())]
    if kind == "hidden commas":
        body = '"[' + "\\u002c".join(["\\u007b\\u007d"] * 300_000) + ']"'
        event = {
            "stream": "R-1",
            "seq": 1,
            "at": "",
            "kind": "step done",
            "actor": "",
            "prev": "",
            "hash": "",
        }
        line = json.dumps(event)[:-1] + f', "body": {body}}}\n'
        return [("index.json", pretty(index)), ("events.jsonl", line.encode())]
    assert kind == "a long text"
    return [("index.json", b'{"format": "' + b"x" * 10_000_000 + b'"}')]


@pytest.mark.parametrize(
    "kind",
    [
        "many objects",
        "many members",
        "one deep event",
        "many events",
        "hidden commas",
        "a long text",
    ],
)
def test_a_large_file_ends_as_a_refusal_within_a_gigabyte(tmp_path, kind):
    members = dict(large(kind))
    index = json.loads(members["index.json"]) if kind != "many objects" else {"format": 2}
    made = finished(index, {name: measure(data) for name, data in members.items()})
    members = {**made, **members} if kind == "many objects" else {**members, **made}
    path = tmp_path / "large.zip"
    with path.open("wb") as file:
        container.write(file, [(name, members[name]) for name in ordered_names(members)])
    done = subprocess.run(
        [sys.executable, "-c", BOUNDED, path], capture_output=True, text=True, timeout=250
    )
    assert done.returncode == 3, done.stdout[-2000:] + done.stderr[-2000:]
    assert "Traceback" not in done.stdout + done.stderr
    assert done.stderr.startswith("gare: error: The evidence does not hold:")

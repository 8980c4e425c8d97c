# ruff: noqa: E501 - tables of whole sentences
"""Evidence bundles: whole, the same every time, and not to be changed without being found."""

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

import pytest
from gare_tests_story import FORGER, repacked
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from gare.domain.digest import canonical, sha256
from gare.domain.releases import ReleaseState, StepState
from gare.errors import ConfigError, NotFound, Refused
from gare.ledger import container
from gare.ledger.chain import GENESIS, Event, link
from gare.ledger.container import measure
from gare.ledger.dsse import fingerprint
from gare.ledger.evidence import (
    README_TEXT,
    event_line,
    pretty,
)
from gare.ledger.ledger import Ledger
from gare.ledger.tags import Tag, read_tag, trailers
from gare.ledger.verify import verify_bundle

CLEAN = {
    "every byte of the file is as it was written": 0,
    "every member is as listed": 0,
    "the events are one unbroken chain": 0,
    "steps, votes and receipts are what the events say": 0,
    "the plan is the one the release was opened with": 0,
    "decisions follow from the votes by the plan's rules": 0,
    "the plans it had before are as they were": 0,
    "every file an event names is there": 0,
    "the station agrees about its end": 0,
    "it is signed, and as a whole": 0,
}


def problems(path: Path, **more: object) -> list[str]:
    return [str(problem) for problem in verify_bundle(path, **more).problems]


def edited(name: str, change: Callable[[object], None]) -> Callable[[dict[str, bytes]], None]:
    """Change a JSON member and spell it as Gare would."""

    def edit(members: dict[str, bytes]) -> None:
        value = json.loads(members[name])
        change(value)
        members[name] = canonical(value).encode() if name == "plan.json" else pretty(value)

    return edit


def rewritten(change: Callable[[list[Event]], list[Event]]) -> Callable[[dict[str, bytes]], None]:
    """Change the events and chain them anew."""

    def edit(members: dict[str, bytes]) -> None:
        events = [
            Event(**json.loads(line)) for line in members["events.jsonl"].decode().splitlines()
        ]
        chained: list[Event] = []
        for seq, event in enumerate(change(events), 1):
            prev = chained[-1].hash if chained else GENESIS
            chained.append(link(*event._replace(seq=seq, prev=prev)[:7]))
        members["events.jsonl"] = "".join(map(event_line, chained)).encode()

    return edit


def test_a_bundle_holds_everything_and_is_sound(told):
    report = verify_bundle(told[2])
    assert report.problems == []
    assert report.checks == CLEAN
    with zipfile.ZipFile(told[2]) as file:
        assert file.testzip() is None
        assert file.namelist() == [
            "index.json", "SHA256SUMS", "seal.intoto.jsonl", "README.txt", "approvals.json", "effects.json",
            "events.jsonl", "evidence/gates/changes.html", "keys.json", "logs.json",
            "manifests/approve-production.json", "overrides.json", "plan.json", "provenance.intoto.jsonl",
            "release.json", "sbom/shop.cdx.json", "station.jsonl", "steps.json",
        ]  # fmt: skip
        assert file.read("evidence/gates/changes.html") == b"<h1>changes</h1>"
        assert sha256(file.read("plan.json")) == json.loads(file.read("release.json"))["plan"]
        [approval] = json.loads(file.read("approvals.json"))
        assert sha256(file.read("manifests/approve-production.json")) == approval["manifest"]
        assert [vote["person"] for vote in approval["votes"]] == ["alice", "bob"]
        [effect] = json.loads(file.read("effects.json"))
        assert effect["receipt"]["tag"] == "v1.4.0"
        assert json.loads(file.read("logs.json"))[0]["log_sha256"] == "c" * 64
        assert file.read("README.txt").decode() == README_TEXT
    assert report.summary["decisions"] == {"approve-production": "approved"}
    assert report.summary["gates"] == [{"gate": "changes", "result": "passed"}]


def test_the_same_record_gives_the_same_bytes_on_every_database(url, told, story, tmp_path):
    other = Ledger(url, clock=story.Clock())
    release = story.tell(other, tmp_path / "store", tmp_path)
    for name in ("one.zip", "two.zip"):
        story.write_bundle(other, tmp_path / "store", release.id, tmp_path / name)
    assert (
        (tmp_path / "one.zip").read_bytes()
        == (tmp_path / "two.zip").read_bytes()
        == told[2].read_bytes()
    )
    other.database.close()


@pytest.mark.skipif(
    shutil.which("unzip") is None or shutil.which("sha256sum") is None,
    reason="no unzip or sha256sum",
)
def test_ordinary_tools_can_check_it(bundle, tmp_path):
    subprocess.run(["unzip", "-q", bundle, "-d", tmp_path / "out"], check=True)
    subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=tmp_path / "out", check=True)


def test_artifacts_come_along_when_asked(told, tmp_path, story):
    ledger, store, small = told
    written = story.write_bundle(ledger, store, "R-1", tmp_path / "all.zip", with_artifacts=True)
    assert problems(tmp_path / "all.zip", head=written.head) == []
    with zipfile.ZipFile(tmp_path / "all.zip") as file:
        assert file.read("artifacts/shop-1.4.0.tar.gz") == b"the package"
    with zipfile.ZipFile(small) as file:
        listed = json.loads(file.read("index.json"))["artifacts"]
    assert [artifact["name"] for artifact in listed] == ["shop-1.4.0.tar.gz", "shop.cdx.json"]


def test_evidence_that_the_store_lost_or_changed_is_said(told, tmp_path, story):
    ledger, store, _ = told
    other = Path(shutil.copytree(store, tmp_path / "store"))
    page, bom = sha256("<h1>changes</h1>")[7:], sha256('{"bomFormat": "CycloneDX"}')[7:]
    (other / "sha256" / page[:2] / page).unlink()
    (other / "sha256" / bom[:2] / bom).chmod(0o644)
    (other / "sha256" / bom[:2] / bom).write_text("other")
    written = story.write_bundle(ledger, other, "R-1", tmp_path / "out.zip")
    assert dict(written.absent) == {
        "evidence/gates/changes.html": "it is not in the store",
        "sbom/shop.cdx.json": "it was changed in the store",
    }
    report = verify_bundle(tmp_path / "out.zip")
    assert report.problems == []
    assert report.summary["absent"] == dict(written.absent)


def test_a_release_under_way_has_evidence_too(sqlite_ledger, story, store, tmp_path):
    release, plan = story.open_release(sqlite_ledger)
    story.write_bundle(sqlite_ledger, store, release.id, tmp_path / "first.zip")
    story.build_and_validate(sqlite_ledger, release, store, tmp_path)
    story.ask(sqlite_ledger, release, plan)
    story.vote(sqlite_ledger, release, story.ALICE)
    story.write_bundle(sqlite_ledger, store, release.id, tmp_path / "second.zip")
    assert problems(tmp_path / "first.zip") == problems(tmp_path / "second.zip") == []
    assert verify_bundle(tmp_path / "second.zip").summary["state"] == "waiting"


def test_evidence_of_a_release_that_went_wrong(sqlite_ledger, story, store, tmp_path):
    """Retries, void votes, failed gates with their pages, a rejection: all of it is in the bundle and holds."""
    ledger, releases = sqlite_ledger, sqlite_ledger.releases
    release, plan = story.open_release(ledger)
    releases.begin_step(release.id, "build", actor="gare")
    releases.end_step(release.id, "build", StepState.FAILED, error="no compiler", actor="gare")
    releases.mark(release.id, ReleaseState.FAILED, actor="gare", end="step build failed")
    releases.mark(release.id, ReleaseState.RUNNING, actor="gare")
    story.build_and_validate(ledger, release, store, tmp_path)
    for attempt in ("first", "second"):
        (tmp_path / "page.html").write_text(attempt)
        page = story.asdict(story.keep(tmp_path / "page.html", "gates/changes.html", store))
        ledger.note(release.id, "gates failed", "gare", {"verdicts": [], "pages": [page]})
    ledger.approvals.ask(
        release.id, story.RULE, story.manifest(plan, release.plan, story.RULE.step, {})
    )
    story.vote(ledger, release, story.ALICE)
    story.ask(ledger, release, plan)
    story.vote(ledger, release, story.BOB, story.Answer.REJECT, comment="not \x1b[31mtoday\x1b[0m")
    story.decide(ledger, release)
    releases.mark(release.id, ReleaseState.REJECTED, actor="gare", end="rejected by bob")
    story.write_bundle(ledger, store, release.id, tmp_path / "out.zip")
    assert problems(tmp_path / "out.zip") == []
    with zipfile.ZipFile(tmp_path / "out.zip") as file:
        pages = [name for name in file.namelist() if name.endswith("changes.html")]
    assert len(pages) == 3


@pytest.mark.parametrize("state", sorted(set(ReleaseState) - {ReleaseState.RELEASED}))
def test_every_other_state_has_sound_evidence(sqlite_ledger, story, store, tmp_path, state):
    release, _ = story.open_release(sqlite_ledger)
    sqlite_ledger.note(release.id, "release notes sent", "gare", {"an event": "of a later Gare"})
    sqlite_ledger.releases.mark(release.id, state, actor="gare", end="why")
    story.write_bundle(sqlite_ledger, store, release.id, tmp_path / "out.zip")
    assert problems(tmp_path / "out.zip") == []


def test_a_release_called_released_that_is_not_is_found(sqlite_ledger, story, store, tmp_path):
    release, _ = story.open_release(sqlite_ledger)
    sqlite_ledger.releases.mark(release.id, ReleaseState.RELEASED, actor="mallory")
    story.write_bundle(sqlite_ledger, store, release.id, tmp_path / "out.zip")
    assert problems(tmp_path / "out.zip")[0] == (
        "step plan: the release is called released, but this step is not done"
    )


def test_names_that_somebody_else_chose_cannot_leave_the_bundle(
    sqlite_ledger, story, store, tmp_path
):
    release, _ = story.open_release(sqlite_ledger)
    (tmp_path / "file").write_text("content")
    names = [
        "../../etc/passwd",
        "/abs",
        "C:\\x",
        "a\nb",
        "..",
        "ü.html",
        "x" * 500,
        "-rf",
        "a//b",
        "NUL",
    ]
    files = [
        {**story.asdict(story.keep(tmp_path / "file", "x", store)), "name": name} for name in names
    ]
    for file in files:
        (tmp_path / "file").write_text(file["name"])
        file |= {
            k: v
            for k, v in story.asdict(story.keep(tmp_path / "file", "x", store)).items()
            if k != "name"
        }
    story.do_step(sqlite_ledger, release, "validate", {"files": files})
    story.write_bundle(sqlite_ledger, store, release.id, tmp_path / "out.zip")
    assert problems(tmp_path / "out.zip") == []
    with zipfile.ZipFile(tmp_path / "out.zip") as bundle:
        inside = [name for name in bundle.namelist() if name.startswith("evidence/")]
    assert len(inside) == len(names)
    assert all(container.NAME.fullmatch(name) and len(name) <= 200 for name in inside)


def test_a_release_that_does_not_exist_writes_no_file(sqlite_ledger, store, tmp_path, story):
    with pytest.raises(NotFound):
        story.write_bundle(sqlite_ledger, store, "R-9", tmp_path / "out.zip")
    assert not (tmp_path / "out.zip").exists()


def test_a_place_that_cannot_be_written_is_told(told, tmp_path, story):
    with pytest.raises(ConfigError) as caught:
        story.write_bundle(told[0], told[1], "R-1", tmp_path / "no" / "out.zip")
    assert caught.value.what == "The bundle cannot be written: No such file or directory."


# Any changed byte

NO_START = "no member of a bundle begins here: its header was changed, or this is no bundle"


def region(path: Path, offset: int) -> str:
    """Return which member (or part of the container) holds a byte."""
    with path.open("rb") as file:
        members, wrong = container.read(file)
    assert wrong == []
    for member in members:
        if offset < member.start + member.size:
            return member.name
    return "the zip directory"


def test_every_single_changed_byte_is_found_by_the_container():
    data = io.BytesIO()
    container.write(data, [("index.json", b'{"a": 1}\n'), ("sub/b.txt", b"hello"), ("empty", b"")])
    raw = data.getvalue()
    for place in range(len(raw)):
        for change in range(1, 256):
            copy = bytearray(raw)
            copy[place] ^= change
            assert container.read(io.BytesIO(bytes(copy)))[1], (place, change)
    for length in range(len(raw)):
        assert container.read(io.BytesIO(raw[:length]))[1], length
    assert container.read(io.BytesIO(raw + b"\0"))[1]


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_changed_byte_is_found_and_its_place_named(told, tmp_path, data):
    raw = told[2].read_bytes()
    place = data.draw(st.integers(0, len(raw) - 1))
    copy = bytearray(raw)
    copy[place] ^= data.draw(st.integers(1, 255))
    changed = tmp_path / "changed.zip"
    changed.write_bytes(bytes(copy))
    found = problems(changed)
    member = region(told[2], place)
    names = ["at the beginning", *_names(told[2]), "the zip directory"]
    # A member whose header is broken is named by the one before it.
    before = names[names.index(member) - 1]
    assert any(member in problem or before in problem for problem in found), found


def _names(path: Path) -> list[str]:
    with zipfile.ZipFile(path) as file:
        return file.namelist()


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_cutting_and_inserting_is_found(told, tmp_path, data):
    raw = told[2].read_bytes()
    start = data.draw(st.integers(0, len(raw)))
    end = data.draw(st.integers(start, len(raw)))
    insert = data.draw(st.binary(max_size=20))
    changed = raw[:start] + insert + raw[end:]
    path = tmp_path / "changed.zip"
    path.write_bytes(changed)
    assert bool(problems(path)) == (changed != raw)


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_changed_byte_is_found_also_when_index_and_checksums_were_made_to_fit(
    told, tmp_path, data
):
    """Nothing in the bundle is only vouched for by the bundle's own list."""
    path = Path(shutil.copy(told[2], tmp_path / "forged.zip"))
    private = data.draw(st.sampled_from([None, FORGER]))

    def change(members: dict[str, bytes]) -> None:
        made = {"index.json", "SHA256SUMS", "README.txt", "events.jsonl"}
        if private is not None:
            made |= {"keys.json", "seal.intoto.jsonl", "provenance.intoto.jsonl"}
        name = data.draw(st.sampled_from(sorted(set(members) - made)))
        raw = bytearray(members[name])
        raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
        members[name] = bytes(raw)

    assert problems(repacked(path, change, private))


def test_repacking_by_another_program_is_told(told, tmp_path):
    with (
        zipfile.ZipFile(told[2]) as old,
        zipfile.ZipFile(tmp_path / "re.zip", "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            new.writestr(name, old.read(name))
    assert problems(tmp_path / "re.zip")[0] == (
        "index.json: it was packed by something else than Gare; a bundle must be kept as it was written"
    )


def test_the_two_members_swapped_are_found(told, tmp_path):
    with zipfile.ZipFile(told[2]) as file:
        contents = [(name, file.read(name)) for name in file.namelist()]
    contents[3], contents[4] = contents[4], contents[3]
    with (tmp_path / "swapped.zip").open("wb") as file:
        container.write(file, contents)
    assert "the file: its members are not in their order" in problems(tmp_path / "swapped.zip")


# Forgeries that fit the format


def set_vote(value):
    value[0]["votes"][0]["person"] = "mallory"


FORGERIES = {
    "a vote in the rows": (
        edited("approvals.json", set_vote),
        ['approvals.json: approve-production: votes: alice: person: it says "mallory", the events say "alice"'],
    ),
    "a vote removed from the rows": (
        edited("approvals.json", lambda value: value[0]["votes"].pop()),
        ["approvals.json: approve-production: votes: it has 1 entries, the events make 2"],
    ),
    "a receipt": (
        edited("effects.json", lambda value: value[0]["receipt"].update(tag="v9")),
        ['effects.json: publish: receipt: tag: it says "v9", the events say "v1.4.0"'],
    ),
    "a step's result": (
        edited("steps.json", lambda value: value[2]["value"].update(summary="13 passed")),
        ['steps.json: test: value: summary: it says "13 passed", the events say "12 passed"'],
    ),
    "the end": (
        edited("release.json", lambda value: value.update(reason="none")),
        ['release.json: reason: it says "none", the events say "card payments"'],
    ),
    "a log's digest": (
        edited("logs.json", lambda value: value[0].update(log_sha256="d" * 64)),
        [f'logs.json: build: log_sha256: it says "{"d" * 64}", the events say "{"c" * 64}"'],
    ),
    "a gate's page": (
        lambda members: members.update({"evidence/gates/changes.html": b"<h1>fine</h1>"}),
        [
            f"evidence/gates/changes.html: its sha256 is {sha256('<h1>fine</h1>')[7:]}, "
            f"its event says {sha256('<h1>changes</h1>')[7:]}"
        ],
    ),
    "a page removed": (
        lambda members: members.pop("evidence/gates/changes.html"),
        ["evidence/gates/changes.html: an event names it, but it is missing"],
    ),
    "a file added": (
        lambda members: members.update({"evidence/extra.html": b"hello"}),
        ["evidence/extra.html: no event names it"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(FORGERIES))
def test_a_forgery_that_fits_the_format_is_found_by_the_events(bundle, name):
    change, expected = FORGERIES[name]
    assert problems(repacked(bundle, change)) == expected


def test_another_read_me_is_found(told, tmp_path):
    with zipfile.ZipFile(told[2]) as file:
        members = {name: file.read(name) for name in file.namelist()}
    members["README.txt"] = b"All is well."
    members["SHA256SUMS"] = members["SHA256SUMS"].replace(
        measure(README_TEXT.encode())[2].encode(), measure(b"All is well.")[2].encode()
    )
    with (tmp_path / "out.zip").open("wb") as file:
        container.write(file, list(members.items()))
    assert "README.txt: line 1 is not as it was written" in problems(tmp_path / "out.zip")


def without(*kinds: str) -> Callable[[list[Event]], list[Event]]:
    return lambda events: [event for event in events if event.kind not in kinds]


def with_body(kind: str, **changes: object) -> Callable[[list[Event]], list[Event]]:
    def change(events: list[Event]) -> list[Event]:
        return [
            event._replace(body=canonical({**json.loads(event.body), **changes}))
            if event.kind == kind
            else event
            for event in events
        ]

    return change


def by(actor: str, old: str) -> Callable[[list[Event]], list[Event]]:
    return lambda events: [
        event._replace(actor=actor) if event.actor == old else event for event in events
    ]


def late_approval(events: list[Event]) -> list[Event]:
    decided = next(event for event in events if event.kind == "approval decided")
    rest = [event for event in events if event is not decided]
    return [*rest[:-3], decided, *rest[-3:]]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            without("vote approve"),
            "approval approve-production: it was decided as approved, its votes make it pending",
        ),
        (
            by("rita", "bob"),
            "approval approve-production: a vote that counts may not: rita started this release and may not vote on it",
        ),
        (
            by("alice", "bob"),
            "approval approve-production: a vote that counts may not: alice has voted already",
        ),
        (
            with_body("vote approve", groups=["marketing"]),
            "approval approve-production: a vote that counts may not: alice is in none of the groups that decide here "
            "(developers, operations)",
        ),
        (
            with_body("approval asked", groups={"developers": 1}),
            "approval approve-production: it asked other groups than the plan says",
        ),
        (
            late_approval,
            "event 20 of R-1 (step started): deploy-production started before approve-production was approved",
        ),
        (without("effect done"), "effect tag v1.4.0 of step publish: it has no receipt"),
        (
            with_body("release opened", plan="sha256:" + "0" * 64),
            f"plan.json: its digest is {{plan}}, the release was opened with sha256:{'0' * 64}",
        ),
        (without("release opened"), "events.jsonl: no event opens the release"),
        (
            lambda events: [events[0], *events],
            "event 2 of R-1 (release opened): it opens the release a second time",
        ),
        (without("step started"), "event 2 of R-1 (step done): it is about a step that was not started"),
        (without("approval asked"), "event 12 of R-1 (vote approve): it is about an approval that was not asked"),
        (without("effect intended"), "event 24 of R-1 (effect done): it is about an effect that was not intended"),
    ],
)  # fmt: skip
def test_a_history_written_anew_is_found_where_it_breaks_the_plan(bundle, change, expected):
    """Without a digest from outside a new chain can be made; what it tells must still obey the plan."""
    with zipfile.ZipFile(bundle) as file:
        plan = sha256(file.read("plan.json"))
    found = problems(repacked(bundle, rewritten(change)))
    assert expected.replace("{plan}", plan) in found
    assert not any("its content does not match its digest" in problem for problem in found)


def test_a_changed_plan_is_found(bundle):
    change = edited("plan.json", lambda plan: plan["approvals"][0]["groups"].pop("operations"))
    found = problems(repacked(bundle, change))
    assert any(problem.startswith("plan.json: its digest is sha256:") for problem in found)
    assert "approval approve-production: it asked other groups than the plan says" in found


def test_votes_about_other_artifacts_are_found(bundle):
    change = rewritten(
        with_body(
            "step done",
            value={
                "artifacts": [{"name": "evil", "sha256": "e" * 64, "size_bytes": 1, "kind": "file"}]
            },
        )
    )
    found = problems(repacked(bundle, change))
    assert any(
        problem.startswith("approval approve-production: the steps before it make manifest sha256:")
        for problem in found
    )


def test_the_tables_of_a_ledger_that_was_tampered_with_do_not_make_a_sound_bundle(
    sqlite_ledger, story, store, tmp_path
):
    release = story.tell(sqlite_ledger, store, tmp_path)
    with sqlite_ledger.database.write() as connection:
        connection.execute(text("UPDATE votes SET person = 'mallory' WHERE person = 'bob'"))
        connection.execute(
            text("UPDATE events SET actor = 'mallory' WHERE actor = 'bob' AND kind LIKE 'step %'")
        )
    story.write_bundle(sqlite_ledger, store, release.id, tmp_path / "out.zip")
    found = problems(tmp_path / "out.zip")
    assert (
        'approvals.json: approve-production: votes: bob: person: it says "mallory", the events say "bob"'
        in found
    )
    assert "event 15 of R-1 (step started): its content does not match its digest" in found


# What stands outside


def test_the_head_from_outside_ties_the_chain(told, story):
    report = verify_bundle(told[2])
    head = report.summary["head"]
    unsure = (
        f"signed by {story.signer(told[0]).id}, not compared with a key you trust; --key does that"
    )
    assert report.notes == [
        unsure,
        "no digest from outside was compared; with --head or --repository you know that the chain is the original",
    ]
    assert verify_bundle(told[2], head=head).notes == [unsure, "--head vouches for all 29 events"]
    earlier = told[0].database.events("R-1")[19].hash
    assert verify_bundle(told[2], head=earlier).notes == [
        unsure,
        "--head vouches for events 1 to 20; 9 came after it",
    ]
    other = "sha256:" + "0" * 64
    assert problems(told[2], head=other) == [
        f"--head: no event has the digest {other}: the chain is another one, or it was cut"
    ]


def test_a_whole_history_made_anew_is_found_by_the_head_or_the_key_alone(told, bundle, story):
    head = verify_bundle(bundle).summary["head"]

    def later(events: list[Event]) -> list[Event]:
        return [event._replace(at=event.at.replace("2026-03-02", "2026-03-03")) for event in events]

    def change(members: dict[str, bytes]) -> None:
        for name in list(members):
            members[name] = (
                members[name]
                .replace(b"2026-03-02", b"2026-03-03")
                .replace(b"2026-03-09", b"2026-03-10")
            )
        rewritten(later)(members)
        last = json.loads(members["events.jsonl"].decode().splitlines()[-1])
        closing = Event(**json.loads(members["station.jsonl"]))
        body = canonical({**json.loads(closing.body), "head": last["hash"]})
        members["station.jsonl"] = event_line(link(*closing._replace(body=body)[:7])).encode()

    repacked(bundle, change)
    found = problems(bundle)
    # Everything tells the same false story: only the receipt's copy of the old head, if that, could give it away.
    assert found == []
    assert problems(bundle, head=head) == [
        f"--head: no event has the digest {head}: the chain is another one, or it was cut"
    ]
    forger = fingerprint(FORGER.public_key().public_bytes_raw())
    ours = story.signer(told[0]).id
    assert problems(bundle, trusted=[ours]) == [
        f"--key: it is signed by {forger}, to which {ours} does not lead"
    ]


@pytest.fixture
def repository(told, tmp_path) -> Path:
    """A repository whose tag was made by the publish step of the release."""
    folder = tmp_path / "repository"
    git(tmp_path, "init", "-q", str(folder))
    git(
        folder,
        "-c",
        "user.name=a",
        "-c",
        "user.email=a@example.org",
        "commit",
        "-q",
        "--allow-empty",
        "-m",
        "x",
    )
    return folder


def git(folder: Path, *words: str, text: str = "") -> str:
    done = subprocess.run(
        ["git", *words], cwd=folder, input=text, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def annotate(repository: Path, name: str, message: str) -> str:
    git(
        repository,
        "-c",
        "user.name=a",
        "-c",
        "user.email=a@example.org",
        "tag",
        "-a",
        name,
        "-m",
        message,
    )
    return git(repository, "rev-parse", "HEAD")


def message(ledger: Ledger, **changes: str) -> str:
    said = {
        "Gare-Release": "R-1",
        "Gare-Plan": ledger.releases.get("R-1").plan,
        "Gare-Ledger": ledger.database.events("R-1")[21].hash,
        **changes,
    }
    return "Shop 1.4.0\n\n" + "".join(f"{key}: {value}\n" for key, value in said.items())


def test_the_tag_vouches_for_the_chain(told, repository, story):
    commit = annotate(repository, "v1.4.0", message(told[0]))
    tag = read_tag(repository, "v1.4.0")
    assert tag.commit == commit
    assert trailers(tag.message)["Gare-Release"] == "R-1"
    report = verify_bundle(told[2], tag=Tag(tag.name, "a" * 40, tag.message))
    assert (report.problems, report.notes) == (
        [],
        [
            f"signed by {story.signer(told[0]).id}, not compared with a key you trust; --key does that",
            "tag v1.4.0 vouches for events 1 to 22; 7 came after it",
        ],
    )


@pytest.mark.parametrize(
    ("changes", "commit", "expected"),
    [
        ({"Gare-Ledger": "sha256:" + "0" * 64}, "a" * 40, f"tag v1.4.0: no event has the digest sha256:{'0' * 64}: the chain is another one, or it was cut"),
        ({"Gare-Release": "R-2"}, "a" * 40, "tag v1.4.0: Gare-Release is R-2, the bundle is about R-1"),
        ({"Gare-Plan": "sha256:x"}, "a" * 40, "tag v1.4.0: Gare-Plan is sha256:x, the bundle is about {plan}"),
        ({}, "b" * 40, f"tag v1.4.0: it points to {'b' * 40}, the release is of {'a' * 40}"),
    ],
)  # fmt: skip
def test_a_tag_that_does_not_fit_is_told(told, changes, commit, expected):
    tag = Tag("v1.4.0", commit, message(told[0], **changes))
    assert problems(told[2], tag=tag) == [
        expected.replace("{plan}", told[0].releases.get("R-1").plan)
    ]


def test_a_tag_by_hand_lacks_the_lines(told):
    found = problems(told[2], tag=Tag("v1.4.0", "a" * 40, "by hand"))
    assert "tag v1.4.0: Gare-Release is missing, the bundle is about R-1" in found


@pytest.mark.parametrize(
    "name", ["v9.9.9", "light", "-x", "--help", "a b", "v1^{}", "v1..2", "*", "", "v1:file", "@{1}"]
)
def test_a_tag_that_is_not_there_is_told(repository, name):
    git(repository, "tag", "light")
    with pytest.raises(NotFound):
        read_tag(repository, name)


def test_a_folder_that_is_no_repository_is_told(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError) as caught:
        read_tag(tmp_path / "empty", "v1")
    assert caught.value.what == f"{tmp_path / 'empty'} is no Git repository."


# Hostile files


def packed(*members: tuple[str, bytes]) -> bytes:
    data = io.BytesIO()
    container.write(data, members)
    return data.getvalue()


def raw_zip(name: bytes, data: bytes, size: int | None = None) -> bytes:
    """A container as `write` makes it, but for a name or a size that it would refuse."""
    size = len(data) if size is None else size
    return (
        struct.pack(
            "<4s5H3I2H", b"PK\3\4", 20, 0, 0, 0, 33, zlib.crc32(data), size, size, len(name), 0
        )
        + name
        + data
    )


def deflated() -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("index.json", b"0" * 50_000_000)
    return data.getvalue()


HOSTILE = {
    "empty": (b"", "byte 0, at the beginning: the file ends in the middle"),
    "text": (b"hello " * 100, f"byte 0, at the beginning: {NO_START}"),
    "an empty zip": (b"PK\5\6" + b"\0" * 18, "the file: there is nothing in it"),
    "a zip bomb": (deflated(), "index.json: it was packed by something else than Gare; a bundle must be kept as it was written"),
    "a name above": (raw_zip(b"../x", b"1"), "byte 0, at the beginning: the name '../x' cannot be in a bundle"),
    "an absolute name": (raw_zip(b"/etc/x", b"1"), "byte 0, at the beginning: the name '/etc/x' cannot be in a bundle"),
    "a name with an escape": (raw_zip(b"a\x1b[2J", b"1"), "byte 0, at the beginning: the name 'a\\x1b[2J' cannot be in a bundle"),
    "no name": (raw_zip(b"", b"1"), "byte 0, at the beginning: the name '' cannot be in a bundle"),
    "a size beyond the end": (raw_zip(b"x", b"1", 2**32 - 1), "x: its header says 4294967295 bytes, but the file ends after 1 of them"),
    "no index": (packed(("plan.json", b"{}")), "index.json: it is missing"),
    "one name twice": (packed(("index.json", b"{}"), ("index.json", b"{}")), "index.json: `format` is missing"),
    "an index that is no JSON": (packed(("index.json", b"{")), "index.json: it is no JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
    "an index that is a list": (packed(("index.json", b"[]")), "index.json: it is not an object"),
    "an index of the future": (packed(("index.json", b'{"format": 3}')), "index.json: it has format 3; this Gare reads 2"),
    "an unsigned one": (packed(("index.json", b'{"format": 1}')), "index.json: it has format 1; this Gare reads 2 (1 was not signed: write it anew)"),
    "no UTF-8": (packed(("index.json", b"\xff")), "index.json: byte 0 of it is no UTF-8"),
    "deep nesting": (packed(("index.json", b'{"format":' * 100_000)), "index.json: it is nested too deeply"),
    "a huge number": (packed(("index.json", b'{"format": ' + b"9" * 5000 + b"}")), None),
    "infinity": (packed(("index.json", b'{"format": 1e999}')), "index.json: it is no JSON: 1e999 is too large a number"),
    "not a number": (packed(("index.json", b'{"format": NaN}')), "index.json: it is no JSON: NaN is no JSON number"),
    "a wrong type": (packed(("index.json", b'{"format": 2, "members": 7}')), "index.json: `members` is not a list"),
    "many values": (packed(("index.json", b"[" + b"0," * 3_000_001 + b"0]")), "index.json: it holds more than 3000000 values"),
    "events that are no events": (packed(("index.json", b'{"format": 2}'), ("events.jsonl", b"7\n")), "events.jsonl: line 1: it is not an object"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_told_and_nothing_worse(tmp_path, name):
    data, expected = HOSTILE[name]
    path = tmp_path / "hostile.zip"
    path.write_bytes(data)
    found = problems(path)
    assert found
    if expected:
        assert expected in found


@pytest.mark.parametrize("path", ["missing.zip", "."])
def test_what_is_no_file_is_told(tmp_path, path):
    with pytest.raises(ConfigError) as caught:
        verify_bundle(tmp_path / path)
    assert caught.value.hint == "Name a file that `gare evidence R-… -o FILE` wrote."


MEMORY = """
import resource, sys
from pathlib import Path
from gare.ledger.verify import verify_bundle
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
report = verify_bundle(Path(sys.argv[1]))
print(len(report.problems), (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_a_large_file_costs_no_memory(tmp_path):
    path = tmp_path / "large.zip"
    with path.open("wb") as file, (tmp_path / "big").open("wb") as big:
        big.truncate(300_000_000)
        container.write(file, [("index.json", tmp_path / "big")])
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, path], capture_output=True, text=True, check=True
    )
    count, mebibytes = map(int, done.stdout.split())
    assert count
    assert mebibytes < 20


def test_verifying_needs_the_standard_library_alone():
    script = (
        "import sys; before = {name.partition('.')[0] for name in sys.modules}; import gare.ledger.verify; "
        "print(sorted({name.partition('.')[0] for name in sys.modules} - before - set(sys.stdlib_module_names) - {'gare'}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_too_much_for_one_file_is_refused(told, tmp_path, monkeypatch, story):
    monkeypatch.setattr(container, "MAX_FILE_BYTES", 1000)
    with pytest.raises(Refused) as caught:
        story.write_bundle(told[0], told[1], "R-1", tmp_path / "out.zip")
    assert caught.value.what == "The bundle cannot be written: a bundle holds 4 GiB at most."
    assert list(tmp_path.iterdir()) == []


def test_the_walk_through_the_chain_in_the_manual_works(bundle, tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "evidence.md").read_text(
        encoding="utf-8"
    )
    script = page.split("```python\n")[1].split("```")[0]
    with zipfile.ZipFile(bundle) as file:
        file.extract("events.jsonl", tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == verify_bundle(bundle).summary["head"]

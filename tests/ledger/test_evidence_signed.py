# ruff: noqa: E501 - tables of whole sentences
"""What a bundle's signatures prove: who wrote it, from what the artifacts came, that nothing was removed."""

import base64
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from gare_tests_story import FORGER, private_key, repacked
from sqlalchemy import text

from gare.domain.digest import canonical, sha256
from gare.domain.releases import ReleaseState
from gare.ledger.audit import audit_ledger
from gare.ledger.chain import Event
from gare.ledger.dsse import fingerprint
from gare.ledger.evidence import event_line, pretty
from gare.ledger.keys import Keys
from gare.ledger.tags import Tag
from gare.ledger.verify import verify_bundle


def problems(path: Path, **more: object) -> list[str]:
    return [str(problem) for problem in verify_bundle(path, **more).problems]


def member(path: Path, name: str) -> bytes:
    with zipfile.ZipFile(path) as file:
        return file.read(name)


def payload(path: Path, name: str) -> dict:
    return json.loads(base64.b64decode(json.loads(member(path, name))["payload"]))


# Provenance


def test_the_provenance_says_from_what_by_whom_and_when(told, story):
    release = told[0].releases.get("R-1")
    artifacts = told[0].releases.steps("R-1")["build"].value["artifacts"]
    key = story.signer(told[0]).id
    assert payload(told[2], "provenance.intoto.jsonl") == {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "shop-1.4.0.tar.gz", "digest": {"sha256": artifacts[0]["sha256"]}}],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": "urn:gare:release:v1",
                "externalParameters": {
                    "request": {
                        "project": "shop",
                        "version": "1.4.0",
                        "requested_by": "rita",
                        "reason": "card payments",
                    },
                    "plan": release.plan,
                },
                "internalParameters": {},
                "resolvedDependencies": [
                    {"uri": f"git+file:.@{'a' * 40}", "digest": {"gitCommit": "a" * 40}}
                ],
            },
            "runDetails": {
                "builder": {"id": f"urn:gare:station:{key}"},
                "metadata": {
                    "invocationId": f"R-1/{story.RUN}",
                    "startedOn": release.opened_at.isoformat(timespec="microseconds")[:-6] + "Z",
                    "finishedOn": release.closed_at.isoformat(timespec="microseconds")[:-6] + "Z",
                },
                "byproducts": [
                    {"name": "shop.cdx.json", "digest": {"sha256": artifacts[1]["sha256"]}}
                ],
            },
        },
    }


@pytest.mark.parametrize(
    ("source", "uri"),
    [
        ({"type": "git", "path": ".", "url": "https://example.org/shop.git"}, "git+https://example.org/shop.git@"),
        ({"type": "git", "url": "git@example.org:team/shop.git"}, "git+ssh://git@example.org/team/shop.git@"),
        ({"type": "git", "url": "example.org:/srv/shop.git"}, "git+ssh://example.org/srv/shop.git@"),
        ({"type": "git", "path": "services/shop"}, "git+file:services/shop@"),
    ],
)  # fmt: skip
def test_the_source_is_named_by_its_address_and_commit(
    sqlite_ledger, story, store, tmp_path, source, uri
):
    release, _ = story.open_release(sqlite_ledger, story.make_plan(source=source))
    story.build_and_validate(sqlite_ledger, release, store, tmp_path)
    story.write_bundle(sqlite_ledger, store, release.id, tmp_path / "out.zip")
    made = payload(tmp_path / "out.zip", "provenance.intoto.jsonl")
    [found] = made["predicate"]["buildDefinition"]["resolvedDependencies"]
    assert found == {"uri": uri + "a" * 40, "digest": {"gitCommit": "a" * 40}}
    assert "finishedOn" not in made["predicate"]["runDetails"]["metadata"]
    assert problems(tmp_path / "out.zip") == []


def test_without_an_artifact_there_is_no_provenance(sqlite_ledger, story, store, tmp_path):
    release, _ = story.open_release(sqlite_ledger)
    story.write_bundle(sqlite_ledger, store, release.id, tmp_path / "out.zip")
    with zipfile.ZipFile(tmp_path / "out.zip") as file:
        assert "provenance.intoto.jsonl" not in file.namelist()
        assert "seal.intoto.jsonl" in file.namelist()
    assert problems(tmp_path / "out.zip") == []


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl")
@pytest.mark.parametrize("name", ["seal.intoto.jsonl", "provenance.intoto.jsonl"])
def test_openssl_verifies_the_signature_as_the_manual_says(told, tmp_path, name):
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "evidence.md").read_text("utf-8")
    script = page.split("```python\n")[2].split("```")[0].replace("seal.intoto.jsonl", name)
    command = next(line for line in page.splitlines() if line.startswith("openssl pkeyutl"))
    for needed in ("index.json", "keys.json", name):
        (tmp_path / needed).write_bytes(member(told[2], needed))
    subject = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    if name.startswith("seal"):
        assert subject.stdout.strip() == sha256(member(told[2], "index.json"))[7:]
    verify = {"args": command.split(), "cwd": tmp_path, "capture_output": True, "text": True}
    done = subprocess.run(**verify)
    assert "Signature Verified Successfully" in done.stdout, done.stderr
    (tmp_path / "message").write_bytes((tmp_path / "message").read_bytes() + b" ")
    assert subprocess.run(**verify).returncode != 0


# Who signed


def test_the_key_that_signed_is_compared_with_the_one_you_trust(told, story):
    key, other = story.signer(told[0]).id, "sha256:" + "0" * 64
    report = verify_bundle(told[2], trusted=[other, key])
    assert report.problems == []
    assert report.notes[0] == f"signed by {key}, the key of --key"
    assert report.checks["the key that signed is one you trust"] == 0
    assert problems(told[2], trusted=[other]) == [
        f"--key: it is signed by {key}, to which {other} does not lead"
    ]
    assert "the key that signed is one you trust" not in verify_bundle(told[2]).checks


def test_after_two_rotations_the_first_key_still_vouches(ledger, story, store, tmp_path):
    keys = Keys(ledger.database, tmp_path / "keys")
    release = story.tell(ledger, store, tmp_path)
    old, new = tmp_path / "old.zip", tmp_path / "new.zip"
    first = keys.signer()
    story.write_signed(ledger, store, release.id, old, signer=first)
    second = keys.rotate(actor="command line")
    third = keys.rotate(actor="command line")
    story.write_signed(ledger, store, release.id, new, signer=keys.signer())
    for key in (first.id, second.id, third.id):
        assert problems(new, trusted=[key]) == []
    assert verify_bundle(new, trusted=[first.id]).notes[0] == (
        f"signed by {third.id}, which follows {first.id}, the key of --key"
    )
    assert problems(old, trusted=[first.id]) == []
    # A later key says nothing about what an earlier one signed: a bundle written anew does.
    assert problems(old, trusted=[third.id]) == [
        f"--key: it is signed by {first.id}, to which {third.id} does not lead"
    ]
    assert (
        payload(old, "provenance.intoto.jsonl")["predicate"]["runDetails"]["builder"]
        == payload(new, "provenance.intoto.jsonl")["predicate"]["runDetails"]["builder"]
    )


def test_a_forger_cannot_put_his_key_behind_a_known_one(told, story, bundle):
    ours = story.signer(told[0]).chain[0]

    def change(members: dict[str, bytes]) -> None:
        raw = FORGER.public_key().public_bytes_raw()
        theirs = json.loads(members["keys.json"])[0]
        from gare.ledger.dsse import spell_public

        theirs |= {"id": fingerprint(raw), "public": spell_public(raw)}
        theirs |= {"endorsed_by": ours.id, "endorsement": base64.b64encode(bytes(64)).decode()}
        members["keys.json"] = pretty([ours._asdict(), theirs])

    found = problems(repacked(bundle, change, None), trusted=[ours.id])
    theirs = fingerprint(FORGER.public_key().public_bytes_raw())
    assert f"keys.json: key {theirs[:19]}…: its endorsement is not by {ours.id}" in found
    assert "--key: the signatures do not hold, so no key vouches for it" in found


def test_the_key_that_the_tag_names_is_compared(told, story):
    key, other = story.signer(told[0]).id, "sha256:" + "0" * 64
    release = told[0].releases.get("R-1")
    said = f"Gare-Release: R-1\nGare-Plan: {release.plan}\nGare-Ledger: {told[0].database.head('R-1')}\nGare-Key: "
    report = verify_bundle(told[2], tag=Tag("v1.4.0", "a" * 40, f"Shop\n\n{said}{key}\n"))
    assert report.problems == []
    assert report.notes[0] == f"signed by {key}, the key of tag v1.4.0"
    assert problems(told[2], tag=Tag("v1.4.0", "a" * 40, f"Shop\n\n{said}{other}\n")) == [
        f"tag v1.4.0: it is signed by {key}, to which {other} does not lead"
    ]


# Tampering, by somebody who knows the format but has no key of the station


def lines(members: dict[str, bytes]) -> list[Event]:
    return [Event(**json.loads(line)) for line in members["events.jsonl"].decode().splitlines()]


def cut(members: dict[str, bytes]) -> None:
    """Remove the newest events as if they had never been, and everything that tells of them."""
    events = lines(members)
    while events[-1].kind != "step started":
        events.pop()
    events.pop()
    members["events.jsonl"] = "".join(map(event_line, events)).encode()
    members["station.jsonl"] = b""
    release = json.loads(members["release.json"])
    members["release.json"] = pretty(release | {"state": "running", "end": "", "closed_at": None})
    steps = json.loads(members["steps.json"])
    members["steps.json"] = pretty([step for step in steps if step["step"] != "close"])


def state(members: dict[str, bytes]) -> None:
    index = json.loads(members["index.json"])
    members["index.json"] = pretty(index | {"state": "running"})


def test_removing_the_newest_events_consistently_is_found_by_the_signature(told, bundle):
    repacked(bundle, lambda members: (cut(members), state(members)), None)
    head = told[0].database.head("R-1")
    found = problems(bundle)
    assert any(
        problem.startswith("seal.intoto.jsonl: payload: predicate: head:") and head in problem
        for problem in found
    )
    assert "seal.intoto.jsonl: payload: predicate: events: it says 29, the bundle says 26" in found
    assert not any(problem.startswith(("event", "release.json", "steps.json")) for problem in found)


def test_removing_the_newest_events_consistently_is_found_by_the_tag(told, bundle):
    """Signed by a key of the forger's own, it holds by itself."""
    repacked(bundle, lambda members: (cut(members), state(members)))
    assert problems(bundle) == []
    release, head = told[0].releases.get("R-1"), told[0].database.head("R-1")
    said = f"Shop\n\nGare-Release: R-1\nGare-Plan: {release.plan}\nGare-Ledger: {head}\n"
    assert problems(bundle, tag=Tag("v1.4.0", "a" * 40, said)) == [
        f"tag v1.4.0: no event has the digest {head}: the chain is another one, or it was cut"
    ]


def test_removing_the_newest_events_in_the_database_is_found_by_the_stations_stream(
    ledger, story, store, tmp_path
):
    """The forger makes rows, events and heads of the release agree; the station signs what it finds."""
    release = story.tell(ledger, store, tmp_path)
    head = ledger.database.head(release.id)
    kept = ledger.database.events(release.id)[25]
    with ledger.database.write() as connection:
        for statement in (
            "DELETE FROM events WHERE stream = 'R-1' AND seq > 26",
            f"UPDATE streams SET seq = 26, head = '{kept.hash}' WHERE stream = 'R-1'",
            "UPDATE releases SET state = 'running', closed_at = NULL, \"end\" = ''",
            "DELETE FROM steps WHERE step = 'close'",
        ):
            connection.execute(text(statement))
    story.write_bundle(ledger, store, release.id, tmp_path / "out.zip")
    assert problems(tmp_path / "out.zip") == [
        f"event 1 of station (release closed): it closed R-1 as released at {head}, which its events do not hold: "
        "the newest were removed or written anew"
    ]


def test_a_release_that_the_station_did_not_close_is_found(ledger, story, store, tmp_path):
    release, _ = story.open_release(ledger)
    ledger.releases.mark(release.id, ReleaseState.CANCELLED, actor="rita", end="not needed")
    with ledger.database.write() as connection:
        connection.execute(text("DELETE FROM events WHERE stream = 'station'"))
        connection.execute(text("DELETE FROM streams WHERE stream = 'station'"))
    story.write_bundle(ledger, store, release.id, tmp_path / "out.zip")
    assert problems(tmp_path / "out.zip") == [
        "station.jsonl: the station did not note that R-1 was closed"
    ]


def other_signature(members: dict[str, bytes]) -> None:
    """A good signature of the same key, under another statement."""
    seal, made = (json.loads(members[f"{name}.intoto.jsonl"]) for name in ("seal", "provenance"))
    members["seal.intoto.jsonl"] = (
        canonical(seal | {"signatures": made["signatures"]}) + "\n"
    ).encode()


def without(name: str):
    return lambda members: members.pop(name)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (without("seal.intoto.jsonl"), "seal.intoto.jsonl: it is missing: the bundle is not signed"),
        (without("provenance.intoto.jsonl"), "provenance.intoto.jsonl: it is missing: the bundle is not signed"),
        (without("keys.json"), "keys.json: it is missing"),
        (lambda members: members.update({"keys.json": pretty([])}), "keys.json: it is no list of keys"),
        (lambda members: members.update({"seal.intoto.jsonl": members["provenance.intoto.jsonl"]}), 'seal.intoto.jsonl: payload: predicateType: it says "https://slsa.dev/provenance/v1", the bundle says "urn:gare:evidence:v1"'),
        (other_signature, "seal.intoto.jsonl: its signature is not of {key}"),
        (lambda members: members.update({"seal.intoto.jsonl": b" " + members["seal.intoto.jsonl"]}), "seal.intoto.jsonl: it is not spelled as Gare spells it"),
        (lambda members: members.update({"seal.intoto.jsonl": members["seal.intoto.jsonl"].replace(b"in-toto+json", b"x+json")}), "seal.intoto.jsonl: it is no statement with one signature"),
        (lambda members: members.update({"seal.intoto.jsonl": b"{}"}), "seal.intoto.jsonl: `signatures` is missing"),
        (lambda members: members.update({"station.jsonl": members["station.jsonl"] * 2}), "station.jsonl: the station closed R-1 2 times"),
        (lambda members: members.update({"station.jsonl": members["station.jsonl"].replace(b"released", b"rejected")}), "event 1 of station (release closed): its content does not match its digest"),
    ],
)  # fmt: skip
def test_changed_statements_are_found(told, bundle, story, change, expected):
    found = problems(repacked(bundle, change, None))
    assert expected.replace("{key}", story.signer(told[0]).id) in found


def test_a_key_of_another_station_is_found(told, bundle):
    """Its own signature holds, but the index it sealed is another one."""
    other = private_key(7)
    from gare.ledger.dsse import spell_public

    def change(members: dict[str, bytes]) -> None:
        raw = other.public_key().public_bytes_raw()
        key = json.loads(members["keys.json"])[0] | {
            "id": fingerprint(raw),
            "public": spell_public(raw),
        }
        members["keys.json"] = pretty([key])

    found = problems(repacked(bundle, change, None))
    theirs = fingerprint(other.public_key().public_bytes_raw())
    assert f"seal.intoto.jsonl: its signature is not of {theirs}" in found
    assert f"provenance.intoto.jsonl: its signature is not of {theirs}" in found


# Overrides, other plans


def test_overrides_are_told(sqlite_ledger, story, store, tmp_path):
    """A waived gate, and an effect that counts as done by a person's word."""
    from gare.errors import Unsure
    from gare.ledger.effects import Effect, Unknowable

    ledger = sqlite_ledger
    release, _ = story.open_release(ledger)
    verdict = {
        "gate": "coverage",
        "result": "waived",
        "reason": "known",
        "by": "rita",
        "until": "2026-04-01",
    }
    story.do_step(ledger, release, "validate", {"verdicts": [verdict]})

    def lost() -> dict[str, object]:
        raise Unsure("The connection broke.")

    with pytest.raises(Unsure):
        ledger.effects.perform(release.id, "publish", Effect("mail team", {}, Unknowable, lost))
    ledger.effects.settle(release.id, "publish", person="bob", comment="it arrived")
    story.write_bundle(ledger, store, release.id, tmp_path / "out.zip")
    report = verify_bundle(tmp_path / "out.zip")
    assert report.problems == []
    [waiver, word] = report.summary["overrides"]
    assert (waiver["what"], waiver["step"], waiver["is"]) == ("gate waived", "validate", verdict)
    assert (word["what"], word["actor"], word["is"]["comment"]) == (
        "effect settled by word",
        "bob",
        "it arrived",
    )
    assert json.loads(member(tmp_path / "out.zip", "overrides.json")) == [waiver, word]

    def hide(members: dict[str, bytes]) -> None:
        members["overrides.json"] = pretty([])

    assert problems(repacked(tmp_path / "out.zip", hide)) == [
        "overrides.json: it has 0 entries, the events make 2"
    ]


def test_a_release_that_was_planned_anew_has_both_plans(ledger, story, store, tmp_path):
    release, plan = story.open_release(ledger)
    story.do_step(ledger, release, "plan", {"plan": release.plan, "summary": "first"})
    other = story.make_plan(version="1.4.1", tag="v1.4.1", commit="c" * 40)
    value = {"plan": ledger.plans.store(other), "summary": "second"}
    ledger.releases.replan(release.id, value["plan"], other, value, reason="a hotfix went first")
    story.write_bundle(ledger, store, release.id, tmp_path / "out.zip")
    assert problems(tmp_path / "out.zip") == []
    summary = verify_bundle(tmp_path / "out.zip").summary
    assert (summary["version"], summary["commit"]) == ("1.4.1", "c" * 40)
    assert [str(problem) for problem in audit_ledger(ledger.database).problems] == []
    name = f"plans/{release.plan[7:]}.json"
    assert json.loads(member(tmp_path / "out.zip", name))["version"] == plan.version

    def change(members: dict[str, bytes]) -> None:
        members[name] = members[name].replace(b"1.4.0", b"1.4.9")

    assert any(
        problem.startswith(f"{name}: its digest is sha256:")
        for problem in problems(repacked(tmp_path / "out.zip", change))
    )


def test_text_that_breaks_lines_elsewhere_stays_in_its_event(sqlite_ledger, story, store, tmp_path):
    release, _ = story.open_release(sqlite_ledger)
    sqlite_ledger.note(release.id, "gates failed", "x\u2028y", {"text": "a\u2028b\x85c\x1cd\re"})
    story.write_bundle(sqlite_ledger, store, release.id, tmp_path / "out.zip")
    assert problems(tmp_path / "out.zip") == []
    assert verify_bundle(tmp_path / "out.zip").summary["events"] == 2


def test_kinds_that_this_gare_does_not_know_are_noted(sqlite_ledger, story, store, tmp_path):
    release, _ = story.open_release(sqlite_ledger)
    sqlite_ledger.note(release.id, "pigeon sent", "gare", {})
    story.write_bundle(sqlite_ledger, store, release.id, tmp_path / "out.zip")
    report = verify_bundle(tmp_path / "out.zip")
    assert report.problems == []
    assert report.notes[-1] == "this Gare does not know events of the kind pigeon sent"

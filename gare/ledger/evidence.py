"""Evidence bundles: everything that was decided and done in a release, in one file that proves itself.

The same record, signed with the same key, gives the same bytes. Reading a bundle back and judging it:
`gare.ledger.verify`, which needs no station.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple

from gare.domain.digest import canonical, sha256
from gare.errors import ConfigError, Refused, Unavailable
from gare.ledger import container
from gare.ledger.chain import Event, event_name
from gare.ledger.container import MAX_NAME, Content, measure
from gare.ledger.dsse import PublicKey, envelope
from gare.ledger.provenance import provenance_statement, seal_statement, station_name
from gare.ledger.replay import Reader, Record, load, replay

if TYPE_CHECKING:
    from gare.ledger.keys import Signer
    from gare.ledger.ledger import Ledger

Json = dict[str, Any]

FORMAT = 2
"""1 was not signed. A ledger of that time writes its bundles anew in this form."""
INDEX, SUMS, SEAL, README = (
    "index.json", "SHA256SUMS", "seal.intoto.jsonl", "README.txt",
)  # fmt: skip
PLAN, RELEASE, STEPS, APPROVALS, EFFECTS = (
    "plan.json", "release.json", "steps.json", "approvals.json", "effects.json",
)  # fmt: skip
EVENTS, LOGS, OVERRIDES = "events.jsonl", "logs.json", "overrides.json"
KEYS, STATION, PROVENANCE = "keys.json", "station.jsonl", "provenance.intoto.jsonl"
UNLISTED = (INDEX, SUMS, SEAL, README)
"""Members that the index cannot list: they are made of it."""

README_TEXT = """\
The evidence of one release, written by Gare.

Check it with Gare, without a server and without a network:
    gare evidence verify FILE --repository PATH-OF-THE-GIT-REPOSITORY

Check it without Gare:
    unzip FILE -d evidence && cd evidence && sha256sum -c SHA256SUMS
    sha256sum plan.json              the digest is `plan` in release.json
    sha256sum manifests/*.json       the digests are what the votes in approvals.json name
    git cat-file tag TAG             `Gare-Ledger:` is the `hash` of an event in events.jsonl
    seal.intoto.jsonl                a DSSE envelope, signed by the last key of keys.json: its payload (base64) names
                                     the sha256 of index.json, which names that of every other member

An event's hash is the sha256 of the JSON list [stream, seq, at, kind, actor, body, prev], keys sorted, without spaces,
UTF-8, nothing escaped that need not be; the first `prev` is 64 zeros. Each event names the one before: who knows one
hash knows everything up to it.
"""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_UNSAFE = re.compile(r"[^A-Za-z0-9._+-]")
_TRIES = 5


class Reference(NamedTuple):
    """A file that an event names. `member` is its name in a bundle; `kind` is evidence, sbom or artifact."""

    member: str
    name: str
    sha256: str
    size: int
    kind: str


@dataclass(frozen=True, slots=True)
class Written:
    """A bundle that was written. `absent` are the evidence files that the store did not have, with the reason."""

    path: Path
    size: int
    sha256: str
    head: str
    events: int
    absent: Mapping[str, str]


def write_bundle(
    ledger: "Ledger",
    store: Path,
    release_id: str,
    out: Path,
    *,
    signer: "Signer",
    with_artifacts: bool = False,
) -> Written:
    """Write a release's evidence into one file. Raises NotFound; Unavailable while the release moves too fast."""
    members, facts = _consistent(ledger, release_id)
    station = station_name(signer.chain[0].id)
    members[KEYS] = pretty(key_rows(signer.chain))
    made = provenance_statement(facts.record, facts.plan, station)
    if made is not None:
        members[PROVENANCE] = envelope(made, signer.id, signer.sign)
    references = list(referenced(facts.events))
    absent: dict[str, str] = {}
    for reference in references:
        if reference.kind == "artifact" and not with_artifacts:
            continue
        path = _stored(store, reference.sha256)
        if (problem := _trouble(path, reference)) is None:
            members[reference.member] = path
        else:
            absent[reference.member] = problem
    measured = {name: measure(content) for name, content in sorted(members.items())}
    head = facts.events[-1].hash
    index = make_index(facts, references, absent, measured, with_artifacts=with_artifacts)
    seal = seal_statement(index, measure(pretty(index))[2], station)
    members[SEAL] = envelope(seal, signer.id, signer.sign)
    members |= finished(index, {**measured, SEAL: measure(members[SEAL])})
    _write(out, [(name, members[name]) for name in ordered_names(members)])
    size, _, hexadecimal = measure(out)
    return Written(out, size, f"sha256:{hexadecimal}", head, len(facts.events), absent)


class Facts(NamedTuple):
    """What an index is made of."""

    release: Json
    events: Sequence[Event]


class _Found(NamedTuple):
    """What the ledger says of a release: the record that its events make, and the plan it has now."""

    record: Record
    plan: Reader
    release: Json
    events: Sequence[Event]


def make_index(
    facts: Facts | _Found,
    references: Sequence[Reference],
    absent: Mapping[str, str],
    measured: Mapping[str, tuple[int, int, str]],
    *,
    with_artifacts: bool,
) -> Json:
    """Return the table of contents: what the bundle is about and every member with size and digest."""
    release = facts.release
    return {
        "format": FORMAT,
        "release": release["id"],
        "project": release["project"],
        "version": release["version"],
        "state": release["state"],
        "plan": release["plan"],
        "head": facts.events[-1].hash,
        "events": len(facts.events),
        "with_artifacts": with_artifacts,
        "artifacts": [
            {"name": ref.name, "sha256": ref.sha256, "size_bytes": ref.size, "kind": ref.kind}
            for ref in references
            if ref.kind != "evidence"
        ],
        "absent": dict(sorted(absent.items())),
        "members": [
            {"name": name, "size_bytes": size, "sha256": hexadecimal}
            for name, (size, _, hexadecimal) in sorted(measured.items())
            if name not in UNLISTED
        ],
    }


def finished(index: Json, measured: Mapping[str, tuple[int, int, str]]) -> dict[str, Content]:
    """Return the three members that are made of the others."""
    made = {INDEX: pretty(index), README: README_TEXT.encode()}
    digests = {name: found[2] for name, found in measured.items() if name not in (INDEX, SUMS)}
    digests |= {name: measure(content)[2] for name, content in made.items()}
    lines = [f"{digests[name]}  {name}\n" for name in ordered_names(digests)]
    return {**made, SUMS: "".join(lines).encode()}


def ordered_names(names: Iterator[str] | Mapping[str, Any]) -> list[str]:
    """Return members' names in the order of the file: what tells about the rest comes first."""
    first = {INDEX: 0, SUMS: 1, SEAL: 2, README: 3}
    return sorted(names, key=lambda name: (first.get(name, 4), name))


def pretty(value: Any) -> bytes:
    """Spell JSON for people, in one way."""
    text = json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False)
    return (text + "\n").encode()


def event_line(event: Event) -> str:
    """Spell an event as a line of events.jsonl."""
    return canonical(event._asdict()) + "\n"


def manifest_member(step: str) -> str:
    """Name the member that holds the manifest of an approval."""
    return f"manifests/{step}.json"


def plan_member(digest: str) -> str:
    """Name the member that holds a plan the release had before."""
    return f"plans/{digest.removeprefix('sha256:')}.json"


def key_rows(chain: Sequence[PublicKey]) -> list[Json]:
    """Spell the keys that lead to the one that signs."""
    return [key._asdict() for key in chain]


def referenced(events: Sequence[Event]) -> Iterator[Reference]:
    """Yield every file that the events name by digest, once, in the order of the events."""
    taken: dict[str, str] = {}
    for event in events:
        for kind, item in _files(load(event.body, event_name(event)), ""):
            reference = _reference(kind, item, taken)
            if reference is not None:
                yield reference


def _files(value: Any, key: str) -> Iterator[tuple[str, Json]]:
    """Yield each {name, size_bytes, sha256, …} inside a body with the key of the list it is in."""
    if isinstance(value, dict):
        name, digest, size = value.get("name"), value.get("sha256"), value.get("size_bytes")
        if isinstance(name, str) and isinstance(digest, str) and isinstance(size, int):
            yield key, value
            return
        for inner, item in sorted(value.items()):
            yield from _files(item, inner)
    elif isinstance(value, list):
        for item in value:
            yield from _files(item, key)


def _reference(key: str, item: Json, taken: dict[str, str]) -> Reference | None:
    name, digest = item["name"], item["sha256"]
    if not _SHA256.fullmatch(digest):
        return None
    kind = "evidence"
    if key == "artifacts":
        kind = "sbom" if item.get("kind") == "sbom" else "artifact"
    member = member_name({"artifact": "artifacts"}.get(kind, kind), name)
    if taken.get(member, digest) != digest:
        # Another file of the same name, such as the page of an earlier attempt.
        member = member_name(f"{kind}/{digest[:12]}", name)
    if member in taken:
        return None
    taken[member] = digest
    return Reference(member, name, digest, item["size_bytes"], kind)


def member_name(folder: str, name: str) -> str:
    """Return the name in a bundle for a file that somebody else named."""
    parts = [_UNSAFE.sub("_", part) for part in PurePosixPath(name).parts]
    safe = [part if part[:1].isalnum() else f"x{part}" for part in parts if part]
    member = "/".join([folder, *(safe or ["x"])])
    if len(member) <= MAX_NAME:
        return member
    return f"{folder}/{sha256(name)[7:23]}-{safe[-1][-80:]}"


def _consistent(ledger: "Ledger", release_id: str) -> tuple[dict[str, Content], _Found]:
    """Read the release's rows at one moment: what is read counts when no event came meanwhile."""
    release = ledger.releases.get(release_id)
    for _ in range(_TRIES):
        head = ledger.database.head(release.id)
        found = _collect(ledger, release.id)
        if ledger.database.head(release.id) == head:
            return found
    raise Unavailable(
        f"{release.id} changes faster than its evidence can be read.",
        where=release.id,
        hint="Try again when it waits or has ended.",
    )


def _collect(ledger: "Ledger", release_id: str) -> tuple[dict[str, Content], _Found]:
    from gare.ledger.rows import approval_rows, closing_events, effect_rows, release_row, step_rows

    release = ledger.releases.get(release_id)
    plan = Reader(load(ledger.plans.body(release.plan), PLAN), PLAN)
    events = ledger.database.events(release_id)
    if not events:
        raise Refused(
            f"{release_id} has no events: the ledger was changed from outside.",
            where="ledger",
            hint="Restore it from a backup; `gare audit verify` says what else is wrong.",
        )
    record = replay(events)[0]
    order = [step.text("id") for step in plan.objects("steps")]
    approvals = approval_rows(ledger, release_id, order)
    row = release_row(release, plan.text("commit"))
    members: dict[str, Content] = {
        PLAN: ledger.plans.body(release.plan).encode(),
        RELEASE: pretty(row),
        STEPS: pretty(step_rows(ledger.releases.steps(release_id), order)),
        APPROVALS: pretty(approvals),
        EFFECTS: pretty(effect_rows(ledger.effects.of(release_id))),
        EVENTS: "".join(event_line(event) for event in events).encode(),
        LOGS: pretty(record.logs),
        OVERRIDES: pretty(record.overrides),
        STATION: "".join(map(event_line, closing_events(ledger.database, release_id))).encode(),
    }
    for approval in approvals:
        members[manifest_member(approval["step"])] = canonical(approval["body"]).encode()
    for digest in record.former_plans:
        members[plan_member(digest)] = ledger.plans.body(digest).encode()
    return members, _Found(record, plan, row, events)


def _stored(store: Path, hexadecimal: str) -> Path:
    return store / "sha256" / hexadecimal[:2] / hexadecimal


def _trouble(path: Path, reference: Reference) -> str | None:
    """Return why a file of the store cannot be taken, or None."""
    try:
        size, _, found = measure(path)
    except FileNotFoundError:
        return "it is not in the store"
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    if (size, found) != (reference.size, reference.sha256):
        return "it was changed in the store"
    return None


def _write(out: Path, contents: Sequence[tuple[str, Content]]) -> None:
    """Write the file under another name first: it is there whole or not at all."""
    partial = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    try:
        with partial.open("wb") as file:
            container.write(file, contents)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, out)
    except ValueError as error:
        raise Refused(
            f"The bundle cannot be written: {error}.",
            where=str(out),
            hint="Leave `--with-artifacts` out: the bundle then names artifacts by digest.",
        ) from error
    except OSError as error:
        raise ConfigError(
            f"The bundle cannot be written: {error.strerror}.",
            where=str(out),
            hint="Name a file in a folder that exists, may be written and has room.",
        ) from error
    finally:
        partial.unlink(missing_ok=True)

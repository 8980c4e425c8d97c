"""Judge an evidence bundle: no server, no network, no station; standard library only, so that anybody can run it.

What a bundle holds is checked in `contents`, whose signature it bears in `signatures`. A key or a digest known from
outside (the annotated tag's) ties it to something that nobody can change afterwards. Only the check of a signature
needs a library: `cryptography`.
"""

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from gare.errors import ConfigError, GareError
from gare.ledger import container
from gare.ledger.bundle import Bundle
from gare.ledger.container import Problem, lowered
from gare.ledger.contents import (
    check_chain,
    check_files,
    check_former_plans,
    check_listing,
    check_plan,
    check_rows,
    check_votes,
)
from gare.ledger.replay import Json, Record
from gare.ledger.signatures import check_end_of_station, check_signed, compare_keys
from gare.ledger.tags import Tag, trailers

MAX_PROBLEMS = 200
_MAX_TEXT = 400


@dataclass(frozen=True, slots=True)
class Report:
    """What was found. `checks` counts the problems of each check by its name; `notes` are no problems."""

    path: str
    sha256: str
    checks: Mapping[str, int]
    problems: Sequence[Problem]
    notes: Sequence[str]
    summary: Mapping[str, Any]

    @property
    def is_sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def verify_bundle(
    path: Path,
    *,
    head: str = "",
    tag: Tag | None = None,
    trusted: Collection[str] = (),
) -> Report:
    """Check a bundle against itself and against what is known from outside.

    `head`: the chain must hold this digest. `tag`: its message must fit. `trusted`: one of these keys (fingerprints)
    must have signed it, or lead to the one that did.

    Raises ConfigError when there is no such file; everything else is in the report.
    """
    try:
        with path.open("rb") as file:
            return _judge(file, str(path), head, tag, trusted)
    except OSError as error:
        raise ConfigError(
            f"The bundle cannot be read: {error.strerror}.",
            where=str(path),
            hint="Name a file that `gare evidence R-… -o FILE` wrote.",
        ) from error


def _judge(
    file: IO[bytes], path: str, head: str, tag: Tag | None, trusted: Collection[str]
) -> Report:
    members, problems = container.read(file)
    bundle = Bundle(file, members)
    counts = {"every byte of the file is as it was written": len(problems)}
    problems = problems[: MAX_PROBLEMS + 1]
    if members:
        for name, check in CHECKS.items():
            found = _guarded(check, bundle)
            problems += [problem for problem in found if problem not in problems]
            counts[name] = len(found)
        found, notes = _anchored(bundle, head, tag)
        problems += [problem for problem in found if problem not in problems]
        if head or tag:
            counts["the digest from outside is in the chain"] = len(found)
        keys = dict.fromkeys(trusted, "--key")
        if tag and (key := trailers(tag.message).get("Gare-Key")):
            keys.setdefault(key, f"tag {tag.name}")
        strange, signed = compare_keys(bundle, keys)
        problems += [problem for problem in strange if problem not in problems]
        if keys:
            counts["the key that signed is one you trust"] = len(strange)
        notes = [*signed, *notes, *_unknown(bundle)]
    else:
        notes = []
    if len(problems) > MAX_PROBLEMS:
        more = len(problems) - MAX_PROBLEMS
        problems = [*problems[:MAX_PROBLEMS], Problem("…", f"{more} more problems")]
    problems = [Problem(_clipped(place), _clipped(what)) for place, what in problems]
    return Report(path, _file_digest(file), counts, problems, notes, _summary(bundle))


def _clipped(text: str) -> str:
    """Keep what a hostile file says within a few lines."""
    return text if len(text) <= _MAX_TEXT else text[:_MAX_TEXT] + "…"


CHECKS: Mapping[str, Callable[[Bundle], Iterator[Problem]]] = {
    "every member is as listed": check_listing,
    "the events are one unbroken chain": check_chain,
    "steps, votes and receipts are what the events say": check_rows,
    "the plan is the one the release was opened with": check_plan,
    "decisions follow from the votes by the plan's rules": check_votes,
    "the plans it had before are as they were": check_former_plans,
    "every file an event names is there": check_files,
    "the station agrees about its end": check_end_of_station,
    "it is signed, and as a whole": check_signed,
}


def _guarded(check: Callable[[Bundle], Iterator[Problem]], bundle: Bundle) -> list[Problem]:
    """Collect a check's problems; what cannot even be read is one of them."""
    found: list[Problem] = []
    try:
        for problem in check(bundle):
            if problem not in found:
                found.append(problem)
            if len(found) > MAX_PROBLEMS:
                break
    except GareError as error:
        found.append(Problem(error.where or "the bundle", lowered(error.what)))
    except RecursionError:
        found.append(Problem("the bundle", "a value in it is nested too deeply"))
    return found


def _unknown(bundle: Bundle) -> list[str]:
    try:
        kinds = sorted(bundle.record.unknown)
    except (GareError, RecursionError):
        return []
    return [f"this Gare does not know events of the kind {', '.join(kinds)}"] if kinds else []


def _anchored(bundle: Bundle, head: str, tag: Tag | None) -> tuple[list[Problem], list[str]]:
    """Compare digests known from outside with the chain."""
    try:
        events, release = bundle.events, bundle.record.release
    except (GareError, RecursionError):
        return [
            Problem("the digest from outside", "the chain cannot be read")
        ] if head or tag else [], []
    problems, notes = [], list[str]()
    if tag is not None:
        said = trailers(tag.message)
        for key, wanted in (("Gare-Release", release["id"]), ("Gare-Plan", release["plan"])):
            if said.get(key) != wanted:
                problems.append(
                    Problem(
                        f"tag {tag.name}",
                        f"{key} is {said.get(key, 'missing')}, the bundle is about {wanted}",
                    )
                )
        if tag.commit != release["commit"]:
            problems.append(
                Problem(
                    f"tag {tag.name}",
                    f"it points to {tag.commit}, the release is of {release['commit']}",
                )
            )
        head = head or said.get("Gare-Ledger", "missing")
    if not head:
        return [], [
            "no digest from outside was compared; with --head or --repository you know that the chain is the original"
        ]
    place = f"tag {tag.name}" if tag else "--head"
    seq = next((event.seq for event in events if event.hash == head), 0)
    if not seq:
        problems.append(
            Problem(
                place, f"no event has the digest {head}: the chain is another one, or it was cut"
            )
        )
    elif seq < len(events):
        notes.append(f"{place} vouches for events 1 to {seq}; {len(events) - seq} came after it")
    else:
        notes.append(f"{place} vouches for all {seq} events")
    return problems, notes


def _summary(bundle: Bundle) -> dict[str, Any]:
    """Say what the bundle is about; empty when that cannot be told."""
    try:
        record, events = bundle.record, bundle.events
        plan = bundle.plan
        found: Json = {
            **{
                key: record.release[key]
                for key in ("project", "version", "commit", "state", "end", "plan")
            },
            "release": record.release["id"],
            "opened_at": record.release["opened_at"],
            "closed_at": record.release["closed_at"],
            "requested_by": record.release["requested_by"],
            "tag": plan.text("tag"),
            "head": events[-1].hash,
            "events": len(events),
            "members": len(bundle.all),
            "votes": [
                {"step": step, "person": vote["person"], "answer": vote["answer"], "at": vote["at"]}
                for step, asked in record.approvals.items()
                for vote in asked["votes"]
                if vote["manifest"] == asked["manifest"]
            ],
            "decisions": {step: asked["decision"] for step, asked in record.approvals.items()},
            "gates": _gates(record),
            "effects": [
                {"step": key[0], "target": key[1], "has_receipt": row["receipt"] is not None}
                for key, row in record.effects.items()
            ],
            "absent": bundle.index.object("absent").value,
            "overrides": record.overrides,
            "signed_by": bundle.keys[-1].id,
            "keys": [key.id for key in bundle.keys],
        }
    except (GareError, RecursionError):
        return {}
    return found


def _gates(record: Record) -> list[Json]:
    found: list[Json] = []
    for row in record.steps.values():
        verdicts = row["value"].get("verdicts") if isinstance(row["value"], dict) else None
        for verdict in verdicts if isinstance(verdicts, list) else []:
            if isinstance(verdict, dict):
                found.append(
                    {"gate": str(verdict.get("gate")), "result": str(verdict.get("result"))}
                )
    return found


def _file_digest(file: IO[bytes]) -> str:
    file.seek(0)
    hashing = hashlib.sha256()
    while chunk := file.read(1024 * 1024):
        hashing.update(chunk)
    return "sha256:" + hashing.hexdigest()

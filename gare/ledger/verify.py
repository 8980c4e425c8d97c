"""Judge an evidence bundle: no server, no network, no station; standard library only, so that anybody can run it.

The plan and the chain of events are the source; everything else in the bundle is recomputed from them and compared. A
digest known from outside (the annotated tag's) ties the chain to something that Gare cannot change afterwards.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from gare.domain.digest import canonical, digest, sha256
from gare.errors import ConfigError, GareError
from gare.ledger import container
from gare.ledger.bundle import Bundle
from gare.ledger.chain import broken
from gare.ledger.checks import check_approvals, check_end, expiry
from gare.ledger.container import Problem
from gare.ledger.evidence import (
    APPROVALS,
    EFFECTS,
    EVENTS,
    INDEX,
    LOGS,
    PLAN,
    README,
    RELEASE,
    STEPS,
    SUMS,
    Facts,
    Json,
    event_line,
    finished,
    make_index,
    manifest_member,
    ordered_names,
    pretty,
    referenced,
)
from gare.ledger.replay import Record, differences, event_name, in_order, load
from gare.ledger.tags import Tag, trailers

MAX_PROBLEMS = 200


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


def verify_bundle(path: Path, *, head: str = "", tag: Tag | None = None) -> Report:
    """Check a bundle; with `head`, that the chain holds this digest; with `tag`, that the tag's message fits.

    Raises ConfigError when there is no such file; everything else is in the report.
    """
    try:
        with path.open("rb") as file:
            return _judge(file, str(path), head, tag)
    except OSError as error:
        raise ConfigError(
            f"The bundle cannot be read: {error.strerror}.",
            where=str(path),
            hint="Name a file that `gare evidence R-… -o FILE` wrote.",
        ) from error


def _judge(file: IO[bytes], path: str, head: str, tag: Tag | None) -> Report:
    members, problems = container.read(file)
    bundle = Bundle(file, members)
    counts = {"every byte of the file is as it was written": len(problems)}
    if members:
        for name, check in CHECKS.items():
            found = _guarded(check, bundle)
            problems += [problem for problem in found if problem not in problems]
            counts[name] = len(found)
        found, notes = _anchored(bundle, head, tag)
        problems += [problem for problem in found if problem not in problems]
        if head or tag:
            counts["the digest from outside is in the chain"] = len(found)
    else:
        notes = []
    if len(problems) > MAX_PROBLEMS:
        more = len(problems) - MAX_PROBLEMS
        problems = [*problems[:MAX_PROBLEMS], Problem("…", f"{more} more problems")]
    return Report(path, _file_digest(file), counts, problems, notes, _summary(bundle))


def check_listing(bundle: Bundle) -> Iterator[Problem]:
    """Yield each member that the index does not have with its size and digest, and each that is not there."""
    listed = {item.text("name"): item for item in bundle.index.objects("members")}
    names = [member.name for member in bundle.all]
    yield from (
        Problem(name, "it is in the bundle twice")
        for name, times in sorted(Counter(names).items())
        if times > 1
    )
    for name in sorted(set(listed) - set(names)):
        yield Problem(name, f"{INDEX} lists it, but it is missing")
    for member in bundle.all:
        if member.name in (INDEX, SUMS, README):
            continue
        if member.name not in listed:
            yield Problem(member.name, f"{INDEX} does not list it")
            continue
        wanted = listed[member.name].text("sha256")
        if member.sha256 != wanted:
            yield Problem(member.name, f"its sha256 is {member.sha256}, {INDEX} says {wanted}")
        elif member.size != listed[member.name].number("size_bytes"):
            yield Problem(member.name, f"its size is not the one in {INDEX}")
    if set(names) == set(listed) | {INDEX, SUMS, README} and names != ordered_names(
        dict.fromkeys(names)
    ):
        yield Problem("the file", "its members are not in their order")
    yield from _check_made(bundle)


def _check_made(bundle: Bundle) -> Iterator[Problem]:
    """Yield each of index, list of sums and read-me that is not what the other members make it."""
    measured = {name: (m.size, m.crc, m.sha256) for name, m in bundle.members.items()}
    made = finished(bundle.index.value, measured)
    for name in (INDEX, SUMS, README):
        if name not in bundle.members:
            yield Problem(name, "it is missing")
        elif bundle.text(name).encode() != made[name]:
            yield Problem(
                name, _first_line_that_differs(bundle.text(name), bytes(made[name]).decode())
            )


def check_chain(bundle: Bundle) -> Iterator[Problem]:
    """Yield each place where the events are not one chain of this release up to the index's head."""
    events = bundle.events
    text = bundle.text(EVENTS)
    if text != "".join(event_line(event) for event in events):
        yield Problem(EVENTS, "its lines are not spelled as Gare spells them")
    release = bundle.index.text("release")
    for event in events:
        if event.stream != release:
            yield Problem(event_name(event), f"it does not belong to {release}")
        elif sha256(canonical(load(event.body, event_name(event)))) != sha256(event.body):
            yield Problem(event_name(event), "its body is not spelled as Gare spells it")
    for sentence in broken(events, bundle.index.text("head")):
        place, _, what = sentence.partition(": ")
        yield Problem(place, what)
    yield from (Problem(error.where, _lower(error.what)) for error in bundle.replayed[1])


def check_rows(bundle: Bundle) -> Iterator[Problem]:
    """Yield each place where steps, votes, receipts and logs are not what the events say."""
    record = bundle.record
    order = [step.text("id") for step in bundle.plan.objects("steps")]
    seconds = {
        rule.text("step"): rule.number("expires_after_s")
        for rule in bundle.plan.objects("approvals")
    }
    wanted = {
        RELEASE: record.release,
        STEPS: in_order(record.steps, order),
        APPROVALS: [_asked(row, seconds) for row in in_order(record.approvals, order)],
        EFFECTS: sorted(
            record.effects.values(),
            key=lambda row: canonical([row["intent_at"], row["step"], row["target"]]),
        ),
        LOGS: record.logs,
    }
    for name, value in wanted.items():
        found = bundle.json(name)
        yield from (Problem(place, what) for place, what in differences(found, value, name))
        if found == value and bundle.text(name).encode() != pretty(value):
            yield Problem(name, "it is not spelled as Gare spells it")


def check_plan(bundle: Bundle) -> Iterator[Problem]:
    """Yield where the plan is not the one that the release was opened with."""
    release = bundle.record.release
    found = sha256(bundle.text(PLAN))
    if found != release["plan"]:
        yield Problem(PLAN, f"its digest is {found}, the release was opened with {release['plan']}")
    for key in ("project", "version", "commit"):
        if bundle.plan.text(key) != release[key]:
            yield Problem(
                PLAN, f"{key} is {bundle.plan.text(key)!r}, the release's is {release[key]!r}"
            )


def check_votes(bundle: Bundle) -> Iterator[Problem]:
    """Yield each decision that does not follow from its votes by the plan's rules, and what ran before it."""
    record = bundle.record
    for step, asked in record.approvals.items():
        name = manifest_member(step)
        if bundle.text(name) != canonical(asked["body"]):
            yield Problem(name, "it is not the manifest that was asked about")
        if digest(asked["body"]) != asked["manifest"]:
            yield Problem(name, f"its digest is not {asked['manifest']}, which the votes name")
    yield from check_approvals(bundle.plan, record, bundle.events)
    yield from check_end(bundle.plan, record)


def check_files(bundle: Bundle) -> Iterator[Problem]:
    """Yield each file that an event names and that is not there as named, and each that no event names."""
    references = list(referenced(bundle.events))
    absent = {str(name): str(why) for name, why in bundle.index.object("absent").value.items()}
    with_artifacts = bundle.index.flag("with_artifacts")
    wanted = {ref.member: ref for ref in references if with_artifacts or ref.kind != "artifact"}
    own = {INDEX, SUMS, README, PLAN, RELEASE, STEPS, APPROVALS, EFFECTS, EVENTS, LOGS}
    own |= {manifest_member(step) for step in bundle.record.approvals}
    for name in sorted(set(bundle.members) - own - set(wanted)):
        yield Problem(name, "no event names it")
    for name, reference in sorted(wanted.items()):
        member = bundle.members.get(name)
        if member is None and name not in absent:
            yield Problem(name, "an event names it, but it is missing")
        elif member is not None and member.sha256 != reference.sha256:
            yield Problem(name, f"its sha256 is {member.sha256}, its event says {reference.sha256}")
    measured = {name: (m.size, m.crc, m.sha256) for name, m in bundle.members.items()}
    index = make_index(
        Facts(bundle.record.release, bundle.events),
        references,
        {
            name: why
            for name, why in absent.items()
            if name in wanted and name not in bundle.members
        },
        measured,
        with_artifacts=with_artifacts,
    )
    yield from (
        Problem(place, what) for place, what in differences(bundle.index.value, index, INDEX)
    )


CHECKS: Mapping[str, Callable[[Bundle], Iterator[Problem]]] = {
    "every member is as listed": check_listing,
    "the events are one unbroken chain": check_chain,
    "steps, votes and receipts are what the events say": check_rows,
    "the plan is the one the release was opened with": check_plan,
    "decisions follow from the votes by the plan's rules": check_votes,
    "every file an event names is there": check_files,
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
        found.append(Problem(error.where or "the bundle", _lower(error.what)))
    except RecursionError:
        found.append(Problem("the bundle", "a value in it is nested too deeply"))
    return found


def _anchored(bundle: Bundle, head: str, tag: Tag | None) -> tuple[list[Problem], list[str]]:
    """Compare digests known from outside with the chain."""
    try:
        events, release = bundle.events, bundle.record.release
    except GareError:
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


def _asked(row: Json, seconds: Mapping[str, float]) -> Json:
    """Return an approval's row as the bundle has it."""
    kept = {key: value for key, value in row.items() if key not in ("groups", "decided_at")}
    ends = expiry(row["opened_at"], seconds.get(row["step"], 0), f"approval {row['step']}")
    return {**kept, "expires_at": ends.isoformat(timespec="microseconds")}


def _first_line_that_differs(found: str, wanted: str) -> str:
    pairs = enumerate(zip(found.splitlines(), wanted.splitlines(), strict=False), 1)
    line = next((number for number, (one, other) in pairs if one != other), 0)
    return f"line {line} is not as it was written" if line else "it is not as it was written"


def _lower(sentence: str) -> str:
    text = sentence.rstrip(".")
    return text[:1].lower() + text[1:]


def _file_digest(file: IO[bytes]) -> str:
    file.seek(0)
    hashing = hashlib.sha256()
    while chunk := file.read(1024 * 1024):
        hashing.update(chunk)
    return "sha256:" + hashing.hexdigest()

"""Whether the members of a bundle say what its events and its plan make of them. Pure, standard library only."""

from collections import Counter
from collections.abc import Iterator, Mapping

from gare.domain.digest import canonical, digest, sha256
from gare.ledger.bundle import Bundle
from gare.ledger.chain import broken, event_name
from gare.ledger.checks import check_approvals, check_end, expiry
from gare.ledger.container import Problem, lowered
from gare.ledger.evidence import (
    APPROVALS,
    EFFECTS,
    EVENTS,
    INDEX,
    KEYS,
    LOGS,
    OVERRIDES,
    PLAN,
    PROVENANCE,
    README,
    RELEASE,
    STATION,
    STEPS,
    SUMS,
    UNLISTED,
    Facts,
    Json,
    event_line,
    finished,
    make_index,
    manifest_member,
    ordered_names,
    plan_member,
    pretty,
    referenced,
)
from gare.ledger.provenance import provenance_statement
from gare.ledger.replay import differences, in_order, load


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
        if member.name in UNLISTED:
            continue
        if member.name not in listed:
            yield Problem(member.name, f"{INDEX} does not list it")
            continue
        wanted = listed[member.name].text("sha256")
        if member.sha256 != wanted:
            yield Problem(member.name, f"its sha256 is {member.sha256}, {INDEX} says {wanted}")
        elif member.size != listed[member.name].number("size_bytes"):
            yield Problem(member.name, f"its size is not the one in {INDEX}")
    if set(names) == set(listed) | set(UNLISTED) and names != ordered_names(dict.fromkeys(names)):
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
    yield from (Problem(error.where, lowered(error.what)) for error in bundle.replayed[1])


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
        APPROVALS: [asked_row(row, seconds) for row in in_order(record.approvals, order)],
        EFFECTS: sorted(
            record.effects.values(),
            key=lambda row: canonical([row["intent_at"], row["step"], row["target"]]),
        ),
        LOGS: record.logs,
        OVERRIDES: record.overrides,
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


def check_former_plans(bundle: Bundle) -> Iterator[Problem]:
    """Yield each plan the release had before that is not there as its event names it."""
    for digest_before in dict.fromkeys(bundle.record.former_plans):
        name = plan_member(digest_before)
        found = sha256(bundle.text(name))
        if found != digest_before:
            yield Problem(name, f"its digest is {found}")


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
    own = {
        *UNLISTED,
        PLAN,
        RELEASE,
        STEPS,
        APPROVALS,
        EFFECTS,
        EVENTS,
        LOGS,
        OVERRIDES,
        KEYS,
        STATION,
    }
    own |= {manifest_member(step) for step in bundle.record.approvals}
    own |= {plan_member(former) for former in bundle.record.former_plans}
    if provenance_statement(bundle.record, bundle.plan, "") is not None:
        own.add(PROVENANCE)
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


def asked_row(row: Json, seconds: Mapping[str, float]) -> Json:
    """Return an approval's row as the bundle has it."""
    kept = {key: value for key, value in row.items() if key not in ("groups", "decided_at")}
    ends = expiry(row["opened_at"], seconds.get(row["step"], 0), f"approval {row['step']}")
    return {**kept, "expires_at": ends.isoformat(timespec="microseconds")}


def _first_line_that_differs(found: str, wanted: str) -> str:
    pairs = enumerate(zip(found.splitlines(), wanted.splitlines(), strict=False), 1)
    line = next((number for number, (one, other) in pairs if one != other), 0)
    return f"line {line} is not as it was written" if line else "it is not as it was written"

"""Whether a bundle's signatures hold and whose they are; whether the station itself agrees about the release's end.

Standard library only, but for the check of a signature itself (`gare.ledger.dsse`).
"""

from collections.abc import Iterator, Mapping, Sequence

from gare.domain.releases import CLOSED
from gare.errors import GareError, UnexpectedReply
from gare.ledger.bundle import Bundle
from gare.ledger.chain import Event, event_name, holds
from gare.ledger.container import Problem
from gare.ledger.dsse import check_keys, is_signed, read_envelope
from gare.ledger.evidence import (
    INDEX,
    KEYS,
    PROVENANCE,
    SEAL,
    STATION,
    event_line,
    key_rows,
    pretty,
)
from gare.ledger.provenance import SEALED, provenance_statement, seal_statement, station_name
from gare.ledger.replay import Json, Reader, differences, load

_CLOSED = frozenset(state.value for state in CLOSED)


def check_signed(bundle: Bundle) -> Iterator[Problem]:
    """Yield what is wrong with the keys, the seal over the index, and the provenance of the artifacts."""
    keys = bundle.keys
    if bundle.text(KEYS).encode() != pretty(key_rows(keys)):
        yield Problem(KEYS, "it is not spelled as Gare spells it")
    yield from check_keys(keys, KEYS)
    station = station_name(keys[0].id)
    about = {key: bundle.index.any(key) for key in SEALED}
    seal = seal_statement(about, bundle.members[INDEX].sha256, station)
    yield from _check_statement(bundle, SEAL, seal)
    made = provenance_statement(bundle.record, bundle.plan, station)
    if made is not None:
        yield from _check_statement(bundle, PROVENANCE, made)


def _check_statement(bundle: Bundle, name: str, wanted: Json) -> Iterator[Problem]:
    if name not in bundle.members:
        yield Problem(name, "it is missing: the bundle is not signed")
        return
    signer = bundle.keys[-1]
    sealed = read_envelope(bundle.text(name), name)
    if sealed.key_id != signer.id:
        yield Problem(name, f"it names the key {sealed.key_id}, the last of {KEYS} is {signer.id}")
    if not is_signed(sealed, signer.public):
        yield Problem(name, f"its signature is not of {signer.id}")
    try:
        text = sealed.payload.decode()
    except UnicodeDecodeError:
        raise UnexpectedReply("Its payload is no UTF-8.", where=name) from None
    found = load(text, f"{name}: payload")
    for place, what in differences(found, wanted, f"{name}: payload", "the bundle"):
        yield Problem(place, what)


def check_end_of_station(bundle: Bundle) -> Iterator[Problem]:
    """Yield where the station's own stream does not agree with the end of the release's."""
    record, closings = bundle.record, bundle.station
    if bundle.text(STATION) != "".join(map(event_line, closings)):
        yield Problem(STATION, "its lines are not spelled as Gare spells them")
    yield from closing_problems(closings, bundle.events, record.release)


def closing_problems(
    closings: Sequence[Event], events: Sequence[Event], release: Json
) -> Iterator[Problem]:
    """Yield where "release closed" events and the release's own end differ; events after the end may be there."""
    is_closed = release["state"] in _CLOSED
    if is_closed and not closings:
        yield Problem(STATION, f"the station did not note that {release['id']} was closed")
    if len(closings) > 1:
        yield Problem(STATION, f"the station closed {release['id']} {len(closings)} times")
    for event in closings:
        if not holds(event):
            yield Problem(event_name(event), "its content does not match its digest")
        body = Reader(load(event.body, event_name(event)), event_name(event))
        if (event.stream, event.kind, body.text("release")) != (
            "station", "release closed", release["id"],
        ):  # fmt: skip
            yield Problem(event_name(event), f"it is not about the end of {release['id']}")
            continue
        head, state = body.text("head"), body.text("state")
        if not any((e.hash, e.kind) == (head, f"release {state}") for e in events):
            yield Problem(
                event_name(event),
                f"it closed {release['id']} as {state} at {head}, which its events do not hold: "
                "the newest were removed or written anew",
            )
        elif not is_closed:
            yield Problem(event_name(event), f"it closed {release['id']}, which is open")


def compare_keys(
    bundle: Bundle, trusted: Mapping[str, str]
) -> tuple[Sequence[Problem], Sequence[str]]:
    """Compare who signed with keys known from outside: each id with the place it was given at.

    Returns problems and notes. A key counts when it signed, or endorsed a key that leads to the one that signed.
    """
    try:
        chain = [key.id for key in bundle.keys]
        is_sound = not any(True for _ in check_signed(bundle))
    except (GareError, KeyError, RecursionError):
        chain, is_sound = [], False
    if not is_sound:
        places = sorted(set(trusted.values()))
        return [
            Problem(place, "the signatures do not hold, so no key vouches for it")
            for place in places
        ], []
    signer = chain[-1]
    if not trusted:
        return [], [f"signed by {signer}, not compared with a key you trust; --key does that"]
    problems: list[Problem] = []
    notes: list[str] = []
    for place in sorted(set(trusted.values())):
        wanted = [key for key, where in trusted.items() if where == place]
        known = [key for key in reversed(chain) if key in wanted]
        if not known:
            said = ", ".join(wanted)
            problems.append(
                Problem(place, f"it is signed by {signer}, to which {said} does not lead")
            )
        elif known[0] == signer:
            notes.append(f"signed by {signer}, the key of {place}")
        else:
            notes.append(f"signed by {signer}, which follows {known[0]}, the key of {place}")
    return problems, notes

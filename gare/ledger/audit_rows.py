"""Whether the ledger's rows are what its events make of them: releases, their ends, tokens, keys. Changes nothing."""

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import select

from gare.domain.digest import canonical
from gare.errors import GareError
from gare.ledger.audit_view import View
from gare.ledger.chain import Event, event_name
from gare.ledger.container import Problem, lowered
from gare.ledger.contents import asked_row
from gare.ledger.dsse import PublicKey, check_keys
from gare.ledger.keys import succession
from gare.ledger.replay import Json, Reader, Record, differences, in_order, load
from gare.ledger.rows import approval_rows, effect_rows, release_row, step_rows
from gare.ledger.schema import events, keys, releases, streams, tokens
from gare.ledger.signatures import closing_problems

_UNREADABLE = (ValueError, TypeError, KeyError, AttributeError)
"""What reading a row raises that Gare did not write."""


def check_releases(view: View) -> Iterator[Problem]:
    """Yield each place where a release's rows are not what its events say."""
    for row in view.stream(
        select(releases.c.number, releases.c.closed_at).order_by(releases.c.number)
    ):
        view.releases_seen += 1
        place = f"R-{row.number}"
        try:
            yield from _check_release(view, place)
        except GareError as error:
            yield Problem(f"{place}: {error.where}" if error.where else place, lowered(error.what))
        except _UNREADABLE as error:
            yield Problem(place, f"its rows cannot be read: {error}")
        if row.closed_at and row.number not in view.closed:
            yield Problem(place, "the station did not note that it was closed")
    for row in view.stream(select(streams.c.stream).where(streams.c.stream.like("R-%"))):
        digits = row.stream[2:]
        known = (
            select(releases.c.number).where(releases.c.number == int(digits))
            if digits.isdecimal()
            else None
        )
        if known is None or view.connection.execute(known).first() is None:
            yield Problem(f"stream {row.stream}", "it has events, but there is no such release")


def _check_release(view: View, release_id: str) -> Iterator[Problem]:
    record = Record()
    query = select(events).where(events.c.stream == release_id).order_by(events.c.seq)
    for row in view.stream(query):
        try:
            record.take(Event(**row._mapping))
        except GareError as error:
            yield Problem(error.where, lowered(error.what))
    if not record.release:
        yield Problem(release_id, "no event opens it")
        return
    release = view.releases.get(release_id)
    plan = Reader(
        load(view.plans.body(release.plan), f"plan {release.plan}"), f"plan {release.plan}"
    )
    order = [step.text("id") for step in plan.objects("steps")]
    seconds = {
        rule.text("step"): rule.number("expires_after_s") for rule in plan.objects("approvals")
    }
    wanted = [asked_row(row, seconds) for row in in_order(record.approvals, order)]
    pairs: list[tuple[str, Any, Any]] = [
        ("release", release_row(release, plan.text("commit")), record.release),
        ("steps", step_rows(view.releases.steps(release_id), order), in_order(record.steps, order)),
        ("approvals", approval_rows(view, release_id, order), wanted),
        ("effects", effect_rows(view.effects.of(release_id)), _by_intent(record)),
    ]  # fmt: skip
    if release.kind != plan.value.get("kind", "release"):
        yield Problem(
            release_id, f"its kind is {release.kind}, its plan is of a {plan.value.get('kind')}"
        )
    for name, found, made in pairs:
        for place, what in differences(found, made, f"{release_id}: {name}"):
            yield Problem(place, what)


def _by_intent(record: Record) -> list[Json]:
    return sorted(
        record.effects.values(),
        key=lambda row: canonical([row["intent_at"], row["step"], row["target"]]),
    )


def check_station(view: View) -> Iterator[Problem]:
    """Yield each end of a release that the station noted and that the release's own stream does not have."""
    for event, body in of_station(view, "release closed"):
        release_id = body.text("release")
        ends = select(events).where(
            events.c.stream == release_id, events.c.kind.like("release %")
        ).order_by(events.c.seq)  # fmt: skip
        found = [Event(**row._mapping) for row in view.connection.execute(ends)]
        row = view.connection.execute(
            select(releases.c.number, releases.c.state).where(
                releases.c.number == _number(release_id)
            )
        ).first()
        if row is None:
            yield Problem(event_name(event), f"it closed {release_id}, of which there is no row")
            continue
        if row.number in view.closed:
            yield Problem(event_name(event), f"it closed {release_id} a second time")
        view.closed.add(row.number)
        release = {"id": release_id, "state": row.state}
        yield from closing_problems([event], found, release)


def check_tokens(view: View) -> Iterator[Problem]:
    """Yield each token that no event made, or that is valid though an event revoked it."""
    made: dict[str, tuple[str, bool]] = {}
    for event, body in of_station(view, "token made", "tokens revoked"):
        if event.kind == "token made":
            made[body.text("token")] = (body.text("person"), True)
        else:
            person = body.text("person")
            gone = {token: (person, False) for token, (owner, _) in made.items() if owner == person}
            made |= gone
    rows = {
        row.hash[:19]: (row.person, row.revoked_at is None) for row in view.stream(select(tokens))
    }
    for token, found in sorted(rows.items()):
        if token not in made:
            yield Problem(f"token {token}…", f"no event made it for {found[0]}")
        elif found != made[token]:
            person, is_valid = made[token]
            yield Problem(
                f"token {token}…",
                f"it is {_validity(*found)}, the events say {_validity(person, is_valid)}",
            )
    for token in sorted(made.keys() - rows.keys()):
        yield Problem(f"token {token}…", f"an event made it for {made[token][0]}, but it is gone")


def check_keys_of_station(view: View) -> Iterator[Problem]:
    """Yield each key that is not what the events say, or whose endorsement does not hold."""
    made: dict[str, Json] = {}
    for event, body in of_station(view, "key made", "key retired"):
        if event.kind == "key made":
            made[body.text("id")] = {**body.value, "retired_at": None}
        elif body.text("key") in made:
            made[body.text("key")]["retired_at"] = event.at
        else:
            yield Problem(event_name(event), "it retires a key that no event made")
    rows = {row.id: dict(row._mapping) for row in view.stream(select(keys))}
    for place, what in differences(rows, made, "keys"):
        yield Problem(place, what)
    yield from _check_endorsements(rows)
    if sum(row["retired_at"] is None for row in rows.values()) > 1:
        yield Problem("keys", "more than one is current")


def _check_endorsements(rows: Mapping[str, Mapping[str, Any]]) -> Iterator[Problem]:
    known = {
        key_id: PublicKey(*(row[name] for name in PublicKey._fields))
        for key_id, row in rows.items()
    }
    followed = {key.endorsed_by for key in known.values()}
    for key_id in sorted(known.keys() - followed):
        yield from check_keys(succession(known, known[key_id]), "keys")


def of_station(view: View, *kinds: str) -> Iterator[tuple[Event, Reader]]:
    """Yield the events of these kinds in the stream of the station, the oldest first."""
    query = select(events).where(events.c.stream == "station", events.c.kind.in_(kinds))
    for row in view.stream(query.order_by(events.c.seq)):
        event = Event(**row._mapping)
        yield event, Reader(load(event.body, event_name(event)), event_name(event))


def _number(release_id: str) -> int:
    digits = release_id.removeprefix("R-")
    return int(digits) if digits.isdecimal() and len(digits) < 10 else -1


def _validity(person: str, is_valid: bool) -> str:
    return f"{person}'s and {'valid' if is_valid else 'revoked'}"

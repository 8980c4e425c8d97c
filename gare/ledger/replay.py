"""What the events of a release say its record must be: rows recomputed from the chain alone. Pure, standard library.

The record is plain JSON, the shape in which an evidence bundle holds it, so that both can be compared place by place.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from math import isfinite
from typing import Any

from gare.domain.digest import canonical
from gare.domain.releases import CLOSED, ReleaseState, StepState
from gare.errors import UnexpectedReply
from gare.ledger.chain import Event, event_name

Json = dict[str, Any]
MAX_NUMBER = 1e15
_HALF = re.compile(r"\\u[dD][89a-fA-F]|[\ud800-\udfff]")
_CLOSED = frozenset(state.value for state in CLOSED)
_STATES = frozenset(ReleaseState) | {"needs attention"}


class Reader:
    """Reads values of JSON that somebody else wrote: of the wanted type, or an error that names the place."""

    def __init__(self, value: Any, place: str) -> None:
        self.place = place
        self.value: Json = self._of(value, dict, "an object")

    def text(self, key: str) -> str:
        """Return a text."""
        return str(self._of(self._get(key), str, "a text", key))

    def number(self, key: str) -> float:
        """Return a number of sensible size."""
        value = self._get(key)
        if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > MAX_NUMBER:
            raise self._wrong("a number that can be", key)
        return float(value)

    def flag(self, key: str) -> bool:
        """Return true or false."""
        return bool(self._of(self._get(key), bool, "true or false", key))

    def object(self, key: str) -> "Reader":
        """Return an object."""
        return Reader(self._get(key), f"{self.place}: {key}")

    def objects(self, key: str) -> list["Reader"]:
        """Return a list of objects."""
        items = self._of(self._get(key), list, "a list", key)
        return [
            Reader(item, f"{self.place}: {key} {number}") for number, item in enumerate(items, 1)
        ]

    def texts(self, key: str) -> list[str]:
        """Return a list of texts."""
        items = self._of(self._get(key), list, "a list", key)
        return [str(self._of(item, str, "a text", key)) for item in items]

    def any(self, key: str) -> Any:
        """Return a value of any type."""
        return self._get(key)

    def _get(self, key: str) -> Any:
        if key not in self.value:
            raise UnexpectedReply(f"`{key}` is missing.", where=self.place)
        return self.value[key]

    def _of(self, value: Any, kind: Any, name: str, key: str = "") -> Any:
        if not isinstance(value, kind):
            raise self._wrong(name, key)
        return value

    def _wrong(self, name: str, key: str) -> UnexpectedReply:
        return UnexpectedReply(
            f"`{key}` is not {name}." if key else f"it is not {name}.", where=self.place
        )


class Record:
    """The record of one release as it grows event by event."""

    def __init__(self) -> None:
        self.release: Json = {}
        self.steps: dict[str, Json] = {}
        self.approvals: dict[str, Json] = {}
        self.effects: dict[tuple[str, str], Json] = {}
        self.logs: list[Json] = []
        self.overrides: list[Json] = []
        self.former_plans: list[str] = []
        self.unknown: set[str] = set()

    def take(self, event: Event) -> None:
        """Change the record as the event says. Raises UnexpectedReply for an event that cannot be."""
        body = Reader(load(event.body, event_name(event)), event_name(event))
        if (change := _CHANGES.get(event.kind)) is not None:
            change(self, event, body)
        elif event.kind.removeprefix("release ") in _STATES and event.kind.startswith("release "):
            self._move(event, body)
        elif event.kind.startswith("step ") and event.kind.removeprefix("step ") in _STEP_STATES:
            self._end_step(event, body)
        elif event.kind not in UNCHANGING:
            self.unknown.add(event.kind)

    def _open(self, event: Event, body: Reader) -> None:
        if self.release:
            raise UnexpectedReply("It opens the release a second time.", where=body.place)
        self.release = {
            "id": event.stream,
            "project": body.text("project"),
            "version": body.text("version"),
            "commit": body.text("commit"),
            "plan": body.text("plan"),
            "run": body.text("run"),
            "requested_by": body.text("requested_by"),
            "reason": body.text("reason"),
            "state": "running",
            "end": "",
            "opened_at": event.at,
            "closed_at": None,
        }

    def _move(self, event: Event, body: Reader) -> None:
        self._must_be_open(body)
        state = event.kind.removeprefix("release ")
        closed_at = event.at if state in _CLOSED else None
        self.release |= {"state": state, "end": body.text("end"), "closed_at": closed_at}

    def _must_be_open(self, body: Reader) -> None:
        if not self.release:
            raise UnexpectedReply("It is about a release that was not opened.", where=body.place)
        if self.release["state"] in _CLOSED:
            raise UnexpectedReply("It changes a release that has ended.", where=body.place)

    def _replan(self, _event: Event, body: Reader) -> None:
        self._must_be_open(body)
        self._was("plan", body)
        self.former_plans.append(self.release["plan"])
        if "restart" in body.value and body.flag("restart"):
            self.steps = {step: row for step, row in self.steps.items() if step == "plan"}
            self.approvals.clear()
        self.release |= {"plan": body.text("plan"), "version": body.text("version")}
        if "commit" in body.value:
            self.release["commit"] = body.text("commit")

    def _replace_run(self, _event: Event, body: Reader) -> None:
        self._must_be_open(body)
        self._was("run", body)
        self.release["run"] = body.text("run")

    def _was(self, key: str, body: Reader) -> None:
        if body.text("before") != self.release[key]:
            raise UnexpectedReply(
                f"Its {key} before is {body.text('before')}, the release's was {self.release[key]}.",
                where=body.place,
            )

    def _begin_step(self, event: Event, body: Reader) -> None:
        self.steps[body.text("step")] = {
            "step": body.text("step"),
            "state": "running",
            "attempt": int(body.number("attempt")),
            "value": None,
            "error": "",
            "started_at": event.at,
            "ended_at": None,
        }

    def _end_step(self, event: Event, body: Reader) -> None:
        self._known(self.steps, body.text("step"), body, "a step that was not started") .update(
            state=event.kind.removeprefix("step "),
            value=body.any("value"),
            error=body.text("error"),
            ended_at=event.at,
        )  # fmt: skip
        for verdict in waived(body.any("value")):
            self._override(event, body.text("step"), "gate waived", verdict)

    def _override(self, event: Event, step: str, what: str, said: Json) -> None:
        """Keep that a rule was set aside, or that a person's word stands for what could not be checked."""
        self.overrides.append(
            {"what": what, "step": step, "actor": event.actor, "at": event.at, "event": event.seq, "is": said}
        )  # fmt: skip

    def _ask(self, event: Event, body: Reader) -> None:
        self.approvals[body.text("step")] = {
            "step": body.text("step"),
            "manifest": body.text("manifest"),
            "body": body.object("is").value,
            "groups": body.object("groups").value,
            "opened_at": event.at,
            "decision": "pending",
            "decided_at": None,
            "votes": [],
        }

    def _void(self, _event: Event, body: Reader) -> None:
        asked = self._known(
            self.approvals, body.text("step"), body, "an approval that was not asked"
        )
        asked.update(manifest=body.text("manifest"), body=body.object("is").value)

    def _vote(self, event: Event, body: Reader) -> None:
        asked = self._known(
            self.approvals, body.text("step"), body, "an approval that was not asked"
        )
        asked["votes"].append(
            {
                "person": event.actor,
                "groups": body.texts("groups"),
                "answer": event.kind.removeprefix("vote "),
                "manifest": body.text("manifest"),
                "comment": body.text("comment"),
                "at": event.at,
            }
        )

    def _decide(self, event: Event, body: Reader) -> None:
        asked = self._known(
            self.approvals, body.text("step"), body, "an approval that was not asked"
        )
        asked.update(decision=body.text("decision"), decided_at=event.at)

    def _intend(self, event: Event, body: Reader) -> None:
        self.effects[body.text("step"), body.text("target")] = {
            "step": body.text("step"),
            "target": body.text("target"),
            "intent": body.object("wanted").value,
            "intent_at": event.at,
            "receipt": None,
            "receipt_at": None,
            "adopted": False,
        }

    def _withdraw(self, _event: Event, body: Reader) -> None:
        self.effects.pop((body.text("step"), body.text("target")), None)

    def _receive(self, event: Event, body: Reader) -> None:
        key = (body.text("step"), body.text("target"))
        self._known(self.effects, key, body, "an effect that was not intended").update(
            receipt=body.object("receipt").value,
            receipt_at=event.at,
            adopted=event.kind == "effect adopted",
        )
        receipt = body.object("receipt").value
        if "settled_by" in receipt:
            said = {"target": body.text("target"), **receipt}
            self._override(event, body.text("step"), "effect settled by word", said)

    def _override_freeze(self, event: Event, body: Reader) -> None:
        self._must_be_open(body)
        self._override(event, "", "freeze overridden", body.value)

    def _log(self, _event: Event, body: Reader) -> None:
        keys = ("step", "command", "seconds", "log", "log_sha256")
        self.logs.append({key: body.any(key) for key in keys})

    @staticmethod
    def _known(rows: Mapping[Any, Json], key: Any, body: Reader, what: str) -> Json:
        if key not in rows:
            raise UnexpectedReply(f"It is about {what}.", where=body.place)
        return rows[key]


_STEP_STATES = frozenset(StepState)
_CHANGES: Mapping[str, Callable[[Record, Event, Reader], None]] = {
    "release opened": Record._open,
    "step started": Record._begin_step,
    "approval asked": Record._ask,
    "votes void": Record._void,
    "vote approve": Record._vote,
    "vote reject": Record._vote,
    "approval decided": Record._decide,
    "effect intended": Record._intend,
    "effect withdrawn": Record._withdraw,
    "effect done": Record._receive,
    "effect adopted": Record._receive,
    "command done": Record._log,
    "freeze overridden": Record._override_freeze,
    "planned anew": Record._replan,
    "run replaced": Record._replace_run,
}
UNCHANGING = frozenset(
    {
        "gates failed",
        "step repeats",
        "settings taken",
        "verified good",
        "taken back",
        "lock asked",
        "lock granted",
        "lock lost",
        "lock freed",
        "run brought on",
        "departure held",
        "departure resumed",
        "member taken off",
        "station restored",
    }
)
"""Kinds that are part of the record and change no row."""


def waived(value: Any) -> Iterator[Json]:
    """Yield the verdicts of a step's value that somebody waived."""
    verdicts = value.get("verdicts") if isinstance(value, dict) else None
    for verdict in verdicts if isinstance(verdicts, list) else []:
        if isinstance(verdict, dict) and verdict.get("result") == "waived":
            yield verdict


def load(text: str, place: str) -> Any:
    """Read JSON that somebody else wrote. Raises UnexpectedReply; depth and numbers are bounded."""
    try:
        value = _DECODER.decode(text)
        if _HALF.search(text):
            canonical(value).encode()
    except UnicodeEncodeError:
        raise UnexpectedReply("It holds half a character.", where=place) from None
    except RecursionError:
        raise UnexpectedReply("It is nested too deeply.", where=place) from None
    except ValueError as error:
        raise UnexpectedReply(f"It is no JSON: {error}.", where=place) from None
    return value


def replay(events: Iterable[Event]) -> tuple[Record, list[UnexpectedReply]]:
    """Return the record that the events make, and every event that cannot be taken."""
    record, wrong = Record(), list[UnexpectedReply]()
    for event in events:
        try:
            record.take(event)
        except UnexpectedReply as error:
            wrong.append(error)
    return record, wrong


def differences(
    found: Any, wanted: Any, place: str, by: str = "the events"
) -> Iterator[tuple[str, str]]:
    """Yield (place, what) wherever two JSON values differ; `by` names what makes the wanted one."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        for key in sorted(found.keys() | wanted.keys()):
            if key not in found:
                yield f"{place}: {key}", "it is missing"
            elif key not in wanted:
                yield f"{place}: {key}", "it does not belong there"
            else:
                yield from differences(found[key], wanted[key], f"{place}: {key}", by)
    elif isinstance(found, list) and isinstance(wanted, list):
        for number, (one, other) in enumerate(zip(found, wanted, strict=False), 1):
            yield from differences(one, other, f"{place}: {_label(other, number)}", by)
        if len(found) != len(wanted):
            yield place, f"it has {len(found)} entries, {by} make{_s(by)} {len(wanted)}"
    elif type(found) is not type(wanted) or found != wanted:
        yield place, f"it says {_short(found)}, {by} say{_s(by)} {_short(wanted)}"


def _s(by: str) -> str:
    return "" if by.endswith("s") else "s"


def _label(item: Any, number: int) -> str:
    """Name an entry of a list by what it is about."""
    if isinstance(item, dict):
        for key in ("step", "person", "name", "target"):
            if isinstance(item.get(key), str):
                return str(item[key])
    return str(number)


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else text[:79] + "…"


def _finite(text: str) -> float:
    value = float(text)
    if not isfinite(value):
        raise ValueError(f"{text[:20]} is too large a number")
    return value


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def in_order(rows: Mapping[str, Json], order: Sequence[str]) -> list[Json]:
    """Return rows in the order of the plan's steps; those it does not have come last, by name."""
    rank = {step: place for place, step in enumerate(order)}
    return [rows[step] for step in sorted(rows, key=lambda step: (rank.get(step, len(rank)), step))]


_DECODER = json.JSONDecoder(parse_constant=_no_constant, parse_float=_finite)

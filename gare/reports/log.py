"""What happened in a release, told event by event in sentences; and which files hold its commands' output. Pure."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gare.domain.plan import train_of
from gare.ledger.chain import Event

Json = Mapping[str, Any]
_LOG = re.compile(r"(?P<step>.+)-(?P<attempt>\d+)-(?P<name>[^-]*)\.log")


@dataclass(frozen=True, slots=True)
class LogName:
    """What the name of a log file says."""

    step: str
    attempt: int
    name: str


def log_name(file_name: str) -> LogName | None:
    """Read `STEP-ATTEMPT-NAME.log`; None for another file."""
    found = _LOG.fullmatch(file_name)
    return LogName(found["step"], int(found["attempt"]), found["name"]) if found else None


def of_step(events: Iterable[Event], step: str) -> list[Event]:
    """Return the events that are about one step."""
    return [event for event in events if json.loads(event.body).get("step") == step]


def sentence(event: Event) -> str:
    """Tell an event. One that this Gare does not know is told by its kind and body."""
    body = json.loads(event.body)
    tell = _SENTENCES.get(event.kind)
    if tell is not None:
        return tell(body, event.actor)
    if event.kind.startswith("release "):
        return _moved(body, event.kind.removeprefix("release "))
    rest = json.dumps(body, ensure_ascii=False, sort_keys=True)
    return f"{event.kind} {rest if len(rest) <= 200 else rest[:199] + '…'}"


def _moved(body: Json, state: str) -> str:
    more = "; ".join(body.get("waiting", ())) or body.get("end", "")
    return f"the release is {state}" + (f": {more}" if more else "")


def _opened(body: Json, actor: str) -> str:
    reason = f" ({body['reason']})" if body.get("reason") else ""
    if train := train_of(body["project"]):
        return f"{actor} opened the departure of {train} at {body['version']}{reason}"
    return f"{actor} opened the release of {body['project']} {body['version']} at {body['commit'][:12]}{reason}"


def _locks(body: Json) -> str:
    names = [f"environment {lock}" if lock else "the version line" for lock in body["locks"]]
    return ", ".join(names)


def _done(body: Json, _actor: str) -> str:
    value = body.get("value")
    summary = value.get("summary", "") if isinstance(value, dict) else ""
    return f"{body['step']} is done" + (f": {summary}" if summary else "")


def _voted(body: Json, actor: str, word: str) -> str:
    comment = f": {body['comment']}" if body.get("comment") else ""
    return f"{actor} {word} {body['step']}{comment}"


def _receipt(body: Json) -> str:
    return _spelled(body["receipt"])


def _spelled(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _answered(body: Json, actor: str) -> str:
    """Tell what a person said of a fix in a line."""
    fix, line = f"{body['commit'][:12]} ({body['subject']})", body["line"]
    match body["state"]:
        case "waived":
            return f"{actor} lets {line} go without {fix}: {body['detail']}"
        case "merged":
            return f"{actor} says that {body['seen'][:12]} is {fix} in {line}: {body['detail']}"
        case _:
            return f"{actor} takes the waiver back: {line} needs {fix} again"


_SENTENCES: Mapping[str, Callable[[Json, str], str]] = {
    "release opened": _opened,
    "planned anew": lambda b, _: (
        f"planned anew as {b['version']}"
        + (f" at {b['commit'][:12]}" if b["commit"] else "")
        + f": {b['reason']}"
        + ("; its steps begin anew" if b.get("restart") else "")
    ),
    "lock granted": lambda b, _: (
        "it is its turn" + (f": it has the locks of {_locks(b)}" if any(b["locks"]) else "")
    ),
    "lock lost": lambda b, _: (
        f"nobody brought it on: the locks of {_locks(b)} are no longer "
        f"{'its own' if b['was'] == 'held' else 'waited for'}"
    ),
    "lock freed": lambda b, _: (
        f"it gave up the locks of {_locks(b)}"
        + (f" to {b['to']}, which is more urgent" if b["to"] else ": it cannot use them now")
    ),
    "step started": lambda b, _: (
        f"{b['step']} started" + (f" (attempt {b['attempt']})" if b["attempt"] > 1 else "")
    ),
    "step done": _done,
    "step failed": lambda b, _: f"{b['step']} failed: {b['error']}",
    "step waiting": lambda b, _: f"{b['step']} is not through and waits: {b['value']['summary']}",
    "freeze overridden": lambda b, actor: (
        f"{actor} overrides in {b['environment']}: "
        f"{'; '.join(b['freezes'].values())}; because: {b['reason']}"
    ),
    "settings taken": lambda b, _: (
        f"{b['step']} takes from the project's file as it is now: {_spelled(b['settings'])}"
    ),
    "step repeats": lambda b, _: f"{b['step']} is tried again: {b['error']}",
    "command done": lambda b, _: (
        f"{b['step']} ran `{' '.join(b['command'])}` in {b['seconds']} s, log {b['log']}"
    ),
    "gates failed": lambda b, _: (
        "gates said no: " + ", ".join(v["gate"] for v in b["verdicts"] if v["result"] == "failed")
    ),
    "approval asked": lambda b, _: (
        f"{b['step']}: people are asked about manifest {b['manifest'][:19]}…"
    ),
    "votes void": lambda b, _: (
        f"{b['step']}: the manifest changed, the votes are void; now {b['manifest'][:19]}…"
    ),
    "vote approve": lambda b, actor: _voted(b, actor, "approves"),
    "vote reject": lambda b, actor: _voted(b, actor, "rejects"),
    "approval decided": lambda b, _: f"{b['step']} is {b['decision']}",
    "member taken off": lambda b, _: f"{b['member']} was {b['reason']}",
    "departure held": lambda b, _: f"the departure is {b['reason']}",
    "departure resumed": lambda b, actor: (
        (
            f"{actor} lets {b['again']} be tried once more"
            if b.get("again")
            else f"{actor} lets the departure go on"
        )
        + (f": {b['reason']}" if b["reason"] else "")
    ),
    "effect intended": lambda b, _: f"{b['step']} is about to change {b['target']}",
    "effect done": lambda b, _: f"{b['step']} changed {b['target']}: {_receipt(b)}",
    "effect adopted": lambda b, _: f"{b['step']} found {b['target']} as wanted: {_receipt(b)}",
    "effect withdrawn": lambda b, _: f"{b['step']} did not change {b['target']}: {b['error']}",
    "run brought on": lambda b, _: (
        f"the station brings it on (attempt {b['attempt']}): {b['reason']}"
    ),
    "run replaced": lambda _, actor: f"{actor} gave it a new run: the engine had lost the old one",
    "fix stands": _answered,
    "verified good": lambda b, _: f"{b['environment']} runs {b['version']}, verified",
    "taken back": lambda b, actor: (
        f"{actor} took it back from {b['environment']} with {b['by']}, to {b['to']}"
    ),
    "station restored": lambda b, _: (
        f"the station was restored from a backup of {b['backup_made_at']}"
    ),
}

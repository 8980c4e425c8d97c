"""Reads how a release ended: in the world, in the ledger, in the engine, in its evidence.

What belongs to one run alone (names, numbers, times, digests with times in them) is left out, so that two runs of a
scenario that ended alike give the same outcome. Changes nothing.
"""

import hashlib
import json
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from comparing import Outcome

from gare.domain.releases import Release
from gare.ledger.chain import Event
from gare.ledger.evidence import write_bundle
from gare.ledger.keys import Keys
from gare.ledger.tags import read_tag
from gare.ledger.verify import verify_bundle
from gare.wiring import Gare

_SKIPPED = ("record", ".gare", "logs")


@dataclass(frozen=True, slots=True)
class Ended:
    """A release that has ended, and where it left its traces."""

    gare: Gare
    release: Release
    folder: Path
    environments: Sequence[str]
    webhook_keys: Sequence[str]
    texts: Mapping[str, str] = field(default_factory=dict)
    """What to put in place of words that only this run knows."""

    @property
    def has_repository(self) -> bool:
        """Whether it is a project's release; a train has no repository of its own."""
        return (self.folder / "work").exists()

    def plain(self, text: str) -> str:
        """Take out what belongs to this run alone."""
        for word, shown in self.texts.items():
            text = text.replace(word, shown)
        return text


def read_outcome(ended: Ended) -> Outcome:
    """Return everything that is compared, by kind."""
    events = ended.gare.ledger.database.events(ended.release.id)
    bodies = [(event.kind, json.loads(event.body)) for event in events]
    found = dict(_repository(ended))
    for environment in ended.environments:
        found |= _target(ended.folder / environment, environment, ended)
    found |= dict(_messages(ended))
    found |= dict(_record(ended, bodies))
    found |= _engine(ended)
    found["evidence"] = list(_evidence(ended, events))
    return found


def _repository(ended: Ended) -> Iterator[tuple[str, list[str]]]:
    if not ended.has_repository:
        return
    for name, path in (("work", ended.folder / "work"), ("remote", ended.folder / "remote.git")):
        refs = _git(
            path,
            "for-each-ref",
            "--format=%(refname) %(*subject)%(subject)",
            "refs/heads",
            "refs/tags",
        )
        yield f"{name} refs", [ended.plain(line) for line in refs.splitlines()]
        commits = _git(path, "log", "--format=%s", "main")
        yield f"{name} commits", ended.plain(commits).splitlines()
    message = _git(
        ended.folder / "remote.git",
        "for-each-ref",
        "--format=%(contents)",
        f"refs/tags/v{ended.release.version}",
    )
    yield (
        "tag's release",
        [ended.plain(line) for line in message.splitlines() if line.startswith("Gare-Release")],
    )
    yield "kept for later", _git(ended.folder / "work", "for-each-ref", "refs/gare").splitlines()
    yield "uncommitted", _git(ended.folder / "work", "status", "--porcelain").splitlines()


def _target(root: Path, environment: str, ended: Ended) -> dict[str, list[str]]:
    state = json.loads((root / ".gare" / "state.json").read_text())
    live = (root / "current").readlink().name if (root / "current").is_symlink() else "nothing"
    return {
        f"live {environment}": [live],
        f"files {environment}": sorted(_tree(root, ended)),
        f"starts and stops {environment}": _lines(root / "record"),
        f"state {environment}": [f"{key} {state[key]}" for key in ("live", "previous", "settled")],
    }


def _tree(root: Path, ended: Ended) -> Iterator[str]:
    for path in root.rglob("*"):
        name = path.relative_to(root)
        if name.parts[0] in _SKIPPED or (path.is_dir() and not path.is_symlink()):
            continue
        if path.is_symlink():
            yield f"{name} -> {path.readlink()}"
        else:
            text = ended.plain(path.read_text())
            yield f"{name} {hashlib.sha256(text.encode()).hexdigest()[:12]}"


def _messages(ended: Ended) -> Iterator[tuple[str, list[str]]]:
    announced = ended.folder / "announced.md"
    yield (
        "announced",
        [ended.plain(line) for line in _lines(announced) if line.startswith("<!-- gare:")],
    )
    yield "webhook", [ended.plain(key) for key in ended.webhook_keys]
    notes = sorted((ended.folder / "notes").glob("*")) if (ended.folder / "notes").is_dir() else []
    yield (
        "notes",
        [f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()[:12]}" for path in notes],
    )


def _record(ended: Ended, bodies: Sequence[tuple[str, Any]]) -> Iterator[tuple[str, list[str]]]:
    """Yield what the release's own record says."""
    ledger, release = ended.gare.ledger, ended.release

    def steps(*kinds: str) -> list[str]:
        return [ended.plain(body["step"]) for kind, body in bodies if kind in kinds]

    def targets(*kinds: str) -> list[str]:
        return [
            ended.plain(f"{body['step']}: {body['target']}")
            for kind, body in bodies
            if kind in kinds
        ]

    yield "end", [release.state.value]
    yield (
        "opened",
        [ended.plain(body["version"]) for kind, body in bodies if kind == "release opened"],
    )
    yield "releases", [one.kind.value for one in ledger.releases.find(project=release.project)]
    yield "steps done", steps("step done")
    yield "started after done", list(_started_after_done(bodies))
    yield "effects", targets("effect done", "effect adopted")
    withdrawn = Counter(targets("effect withdrawn"))
    yield "intents", sorted((Counter(targets("effect intended")) - withdrawn).elements())
    yield (
        "without receipt",
        [ended.plain(one.target) for one in ledger.effects.of(release.id) if one.receipt is None],
    )
    yield "asked", steps("approval asked", "votes void")
    yield (
        "decided",
        [
            f"{body['step']} {body['decision']}"
            for kind, body in bodies
            if kind == "approval decided"
        ],
    )
    yield (
        "votes",
        [
            f"{body['step']} {kind}"
            for kind, body in bodies
            if kind.startswith("vote ") and "step" in body
        ],
    )
    yield (
        "verified good",
        [
            f"{body['environment']} {body['version']}"
            for kind, body in bodies
            if kind == "verified good"
        ],
    )
    yield (
        "holds",
        [
            f"{hold.environment} {hold.release == release.id}"
            for hold in ledger.holds.all()
            if hold.project == release.project
        ],
    )
    yield "taken back", list(_taken_back(ended))
    fixes = [fix for fix in ledger.fixes.of(release.project) if fix.release == release.id]
    yield "fixes", [ended.plain(f"{fix.line} {fix.state} {fix.commit}") for fix in fixes]
    yield "to check later", [one.step for one in ledger.later.of(release=release.id)]
    built = ledger.releases.steps(release.id).get("build")
    artifacts = (built.value or {}).get("artifacts", []) if built else []
    yield "artifacts", sorted(f"{one['name']} {one['sha256'][:12]}" for one in artifacts)
    yield (
        "needless commands",
        list(_needless(_lines(ended.folder / "commands"), steps("step started"))),
    )


def _taken_back(ended: Ended) -> Iterator[str]:
    """Yield what the records of the releases say that a rollback took back."""
    ledger = ended.gare.ledger
    for release_id in ledger.plans.get(ended.release.plan).details.get("undoes", ()):
        for event in ledger.database.events(release_id):
            if event.kind == "taken back":
                yield json.loads(event.body)["environment"]


def _started_after_done(bodies: Sequence[tuple[str, Any]]) -> Iterator[str]:
    done: set[str] = set()
    for kind, body in bodies:
        if kind == "step done":
            done.add(body["step"])
        elif kind == "step started" and body["step"] in done:
            yield body["step"]


def _needless(ran: Sequence[str], started: Sequence[str]) -> Iterator[str]:
    """Yield each command that ran more often than its step was begun (a build cut off is repeated: that is right)."""
    allowed = Counter(started)
    for step, times in Counter(ran).items():
        if times > allowed[step]:
            yield f"{step}: {times} times in {allowed[step]} attempts"


def _engine(ended: Ended) -> dict[str, list[str]]:
    run = ended.gare.engine.run(ended.release.flow_run_id)
    return {"engine": [f"{run.state_type} {run.state_name}"]}


def _evidence(ended: Ended, events: Sequence[Event]) -> Iterator[str]:
    """Yield what is wrong with the release's bundle, judged as an auditor would: with the tag of the repository."""
    path = ended.folder / "evidence.zip"
    signer = Keys(ended.gare.ledger.database, ended.gare.station.state / "keys").signer()
    made = write_bundle(ended.gare.ledger, ended.gare.store, ended.release.id, path, signer=signer)
    has_tag = any(event.kind.startswith("effect ") and '"tag v' in event.body for event in events)
    tag = read_tag(ended.folder / "work", f"v{ended.release.version}") if has_tag else None
    yield from (
        ended.plain(str(problem))
        for problem in verify_bundle(path, head=made.head, tag=tag).problems
    )
    yield from (ended.plain(f"absent: {name}: {reason}") for name, reason in made.absent.items())


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def _git(path: Path, *words: str) -> str:
    return subprocess.run(
        ["git", "-C", str(path), *words], check=True, capture_output=True, text=True
    ).stdout

"""What must be true at every moment of the year, judged by other means than the product's: its events and its files.

The hash of an event is written down here once more, by hand, as the calendar is in closings.py. Events are judged in
the order in which they were written: the clock stands still while things move.
"""

import hashlib
import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from closings import Closings

OWED_AFTERWARDS = "rollback"
"""A rollback may pass a closed window, and goes back to what was agreed on before."""
LET_THROUGH = (OWED_AFTERWARDS, "train")
"""Of a train, the members look for themselves."""
PART_OF_A_ROLLOUT = ("verify-", "soak-")
"""What a rollout that has begun does to its end: it puts back what does not hold."""
ENDS = {f"release {end}" for end in ("released", "cancelled", "rejected", "expired", "rolled back")}
NOTHING_BEFORE = "sha256:" + "0" * 64


@dataclass
class Approvals:
    """What was asked and answered about one release."""

    asked: dict[str, str] = field(default_factory=dict)
    """What is to go live, as people were shown it, by the digest of the manifest."""
    agreed: set[str] = field(default_factory=set)
    """Manifests that somebody said yes to."""


@dataclass
class Oracle:
    """Reads the ledger's file by itself, event by event."""

    root: Path
    closings: Closings = field(default_factory=Closings)
    problems: list[str] = field(default_factory=list)
    told: Counter[str] = field(default_factory=Counter)
    _seen: int = 0
    _ended: set[str] = field(default_factory=set)
    _heads: dict[str, tuple[int, str]] = field(default_factory=dict)
    _kinds: dict[str, tuple[str, str]] = field(default_factory=dict)
    _in_turn: dict[str, str] = field(default_factory=dict)
    """Who is changing an environment: deployed and not verified yet."""
    _approvals: defaultdict[str, Approvals] = field(default_factory=lambda: defaultdict(Approvals))
    _agreed_live: set[tuple[str, str]] = field(default_factory=set)
    """Project and version of all that may be live."""

    def look(self) -> list[str]:
        """Judge what is new; return the releases that were released since."""
        released = []
        with self.reading() as ledger:
            query = "select rowid, * from events where rowid > ? order by rowid"
            for event in ledger.execute(query, (self._seen,)):
                self._seen = event["rowid"]
                self.told["events"] += 1
                self._chain(event)
                self._judge(ledger, event)
                if event["kind"] == "release released":
                    released.append(event["stream"])
            self._ends_of_chains(ledger)
            self._locks(ledger)
        self._live()
        self.told["looks"] += 1
        return released

    def reading(self) -> closing[sqlite3.Connection]:
        """Open the ledger's file, only to read."""
        file = self.root / ".gare" / "ledger.db"
        ledger = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
        ledger.row_factory = sqlite3.Row
        return closing(ledger)

    def spare(self, release: str, at: datetime) -> None:
        """Remember that a person has let a release pass what is closed now."""
        with self.reading() as ledger:
            self.closings.spare(release, self._about(ledger, release)[1], at)

    def _chain(self, event: sqlite3.Row) -> None:
        """Every event follows the one before it in its stream, and is what its digest says."""
        seq, head = self._heads.get(event["stream"], (0, NOTHING_BEFORE))
        content = [event[name] for name in ("stream", "seq", "at", "kind", "actor", "body", "prev")]
        text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
        digest = "sha256:" + hashlib.sha256(text.encode()).hexdigest()
        if (event["seq"], event["prev"], event["hash"]) != (seq + 1, head, digest):
            self.problems.append(f"{event['stream']}: the chain breaks at event {event['seq']}")
        self._heads[event["stream"]] = (event["seq"], event["hash"])

    def _ends_of_chains(self, ledger: sqlite3.Connection) -> None:
        """The ledger says itself where each chain ends: nothing was taken away there."""
        rows = ledger.execute("select * from streams")
        found = {row["stream"]: (row["seq"], row["head"]) for row in rows}
        if found != self._heads:
            self.problems.append("the table of streams does not say what the events say")

    def _judge(self, ledger: sqlite3.Connection, event: sqlite3.Row) -> None:
        body, stream = json.loads(event["body"]), event["stream"]
        match event["kind"]:
            case "approval asked" | "votes void":
                self._approvals[stream].asked[body["manifest"]] = json.dumps(body["is"])
            case "vote approve":
                self._approvals[stream].agreed.add(body["manifest"])
            case "effect intended" if body["target"].startswith("deploy "):
                self._is_agreed(ledger, stream, body["wanted"])
            case "effect done":
                self._window(ledger, event, body)
            case end if end in ENDS:
                self._ended.add(stream)
            case "step started" if body["step"].startswith("deploy-"):
                self._takes_turn(ledger, stream, body["step"].removeprefix("deploy-"))
            case "step done" | "step failed" if body["step"].startswith("verify-"):
                self._ends_turn(stream)
            case "release closed":
                self._ends_turn(body["release"])

    def _window(self, ledger: sqlite3.Connection, event: sqlite3.Row, body: dict) -> None:
        """Nothing is done outside in a closed window, unless somebody overrode that very time of it."""
        at, release = datetime.fromisoformat(event["at"]).astimezone(UTC), event["stream"]
        kind, project = self._about(ledger, release)
        if kind in LET_THROUGH or body["step"].startswith(PART_OF_A_ROLLOUT):
            return
        if release in self._ended:
            self.told["effects that tell of an end"] += 1
            return
        self.told["outward effects"] += 1
        if not (closed := self.closings.of(project, at)):
            return
        if left := self.closings.unspared(release, project, at):
            why = " and ".join(one.why for one in left)
            self.problems.append(f"{release}: {body['target']} at {at} in {why}")
        else:
            for one in closed:
                self.told[f"outward effects in {one.why}, overridden"] += 1

    def _is_agreed(self, ledger: sqlite3.Connection, release: str, wanted: dict) -> None:
        """What goes live, file by file, is what somebody said yes to; what a rollback brings was live before."""
        kind, project = self._about(ledger, release)
        live = (project, wanted["version"])
        found = self._approvals[release]
        shown = [found.asked.get(manifest, "") for manifest in found.agreed]
        if any(all(digest in text for digest in wanted["files"].values()) for text in shown):
            self._agreed_live.add(live)
        elif kind != OWED_AFTERWARDS or live not in self._agreed_live:
            self.problems.append(f"{release}: {live} goes live without a vote on its manifest")

    def _live(self) -> None:
        for live in live_versions(self.root):
            if live not in self._agreed_live:
                self.problems.append(f"{live} is live, and nobody has agreed to it")

    def _takes_turn(self, ledger: sqlite3.Connection, release: str, environment: str) -> None:
        """No release changes an environment between another one's deployment and its verification."""
        place = f"{self._about(ledger, release)[1]}/{environment}"
        if (before := self._in_turn.get(place, release)) != release:
            self.problems.append(f"{release} and {before} change {place} at once")
        self._in_turn[place] = release

    def _ends_turn(self, release: str) -> None:
        self._in_turn = {place: who for place, who in self._in_turn.items() if who != release}

    def _locks(self, ledger: sqlite3.Connection) -> None:
        query = (
            "select project, environment, count(*) as number from locks where granted_at is not null "
            "group by project, environment having number > 1"
        )
        for row in ledger.execute(query):
            self.problems.append(
                f"{row['number']} releases hold {row['project']}/{row['environment']}"
            )

    def _about(self, ledger: sqlite3.Connection, release: str) -> tuple[str, str]:
        """Return the kind and the project of a release."""
        if release not in self._kinds:
            query = "select kind, project from releases where number = ?"
            [self._kinds[release]] = map(tuple, ledger.execute(query, (int(release[2:]),)))
        return self._kinds[release]


def live_versions(root: Path) -> Iterator[tuple[str, str]]:
    """Yield what runs: project and version, as the links in the directories say."""
    for link in sorted((root / "live").glob("*/current")):
        yield link.parent.name, link.readlink().name

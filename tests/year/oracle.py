"""What must be true at every moment of the year, judged by other means than the product's: its events and its files.

The calendar is written down here once more, by hand, so that an error in the product's is not repeated.
"""

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from world import ZONE

HOLIDAYS = {
    date(2026, 12, 25), date(2027, 1, 1), date(2027, 3, 29), date(2027, 5, 1), date(2027, 5, 6), date(2027, 5, 8),
    date(2027, 5, 17), date(2027, 7, 14), date(2027, 8, 15), date(2027, 11, 1), date(2027, 11, 11), date(2027, 12, 25),
}  # fmt: skip
"""France, from its labour code (L3133-1) and the dates of Easter."""
YEAR_END = (datetime(2026, 12, 18, 18), datetime(2027, 1, 4, 8))
OUTWARD = ("deploy ", "tag ")


@dataclass
class Span:
    """A stop-the-line that a person made; `end` None: not lifted yet."""

    start: datetime
    end: datetime | None = None


@dataclass
class Oracle:
    """Reads the ledger's file by itself, event by event."""

    root: Path
    stops: list[Span] = field(default_factory=list)
    overridden: set[str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)
    effects: int = 0
    overrides_used: int = 0
    _seen: int = 0

    def look(self) -> None:
        """Judge what is new."""
        with sqlite3.connect(
            f"file:{self.root / '.gare' / 'ledger.db'}?mode=ro", uri=True
        ) as ledger:
            ledger.row_factory = sqlite3.Row
            self._windows(ledger)
            self._locks(ledger)
        ledger.close()

    def finish(self) -> None:
        """Judge what needs the whole year."""
        with sqlite3.connect(
            f"file:{self.root / '.gare' / 'ledger.db'}?mode=ro", uri=True
        ) as ledger:
            ledger.row_factory = sqlite3.Row
            self._turns(ledger)
            self._votes(ledger)
        ledger.close()

    def closed(self, at: datetime) -> str:
        """Say why production is closed at an instant; empty when it is open."""
        local = at.astimezone(ZoneInfo(ZONE)).replace(tzinfo=None)
        if local.weekday() == 4 and local.hour >= 15:
            return "Friday afternoon"
        if local.date() in HOLIDAYS:
            return "a public holiday"
        if YEAR_END[0] <= local < YEAR_END[1]:
            return "the end of the year"
        if any(stop.start <= at and (stop.end is None or at < stop.end) for stop in self.stops):
            return "a stop of the line"
        return ""

    def _windows(self, ledger: sqlite3.Connection) -> None:
        query = (
            "select rowid, * from events where rowid > ? and kind = 'effect done' order by rowid"
        )
        for row in ledger.execute(query, (self._seen,)):
            self._seen = row["rowid"]
            target = json.loads(row["body"])["target"]
            if not target.startswith(OUTWARD):
                continue
            self.effects += 1
            at = datetime.fromisoformat(row["at"]).astimezone(UTC)
            number = int(row["stream"][2:])
            [kind] = ledger.execute(
                "select kind from releases where number = ?", (number,)
            ).fetchone()
            if (why := self.closed(at)) and kind != "rollback":
                if row["stream"] in self.overridden:
                    self.overrides_used += 1
                else:
                    self.problems.append(f"{row['stream']}: {target} at {at} in {why}")

    def _locks(self, ledger: sqlite3.Connection) -> None:
        query = (
            "select project, environment, count(*) as number from locks where granted_at is not null "
            "group by project, environment having number > 1"
        )
        for row in ledger.execute(query):
            self.problems.append(
                f"{row['number']} releases hold {row['project']}/{row['environment']}"
            )

    def _turns(self, ledger: sqlite3.Connection) -> None:
        """No release may change an environment between another one's deployment and its verification."""
        last: dict[str, tuple[str, str]] = {}
        query = (
            "select s.*, r.project from steps s join releases r on r.number = s.release "
            "where s.step like 'deploy-%' or s.step like 'verify-%' order by s.started_at, s.release"
        )
        for row in ledger.execute(query):
            before = last.get(row["project"])
            if before and before[0] != row["release"] and row["started_at"] < before[1]:
                self.problems.append(
                    f"R-{row['release']} and R-{before[0]} in {row['project']} at once"
                )
            last[row["project"]] = (row["release"], row["ended_at"] or row["started_at"])

    def _votes(self, ledger: sqlite3.Connection) -> None:
        """What was deployed was voted on: by manifest, with the release's own approval, before it went live."""
        for row in ledger.execute(
            "select * from effects where target like 'deploy %' and receipt is not null"
        ):
            [kind] = ledger.execute(
                "select kind from releases where number = ?", (row["release"],)
            ).fetchone()
            found = ledger.execute(
                "select v.at, a.manifest = v.manifest as same from approvals a join votes v on v.release = a.release "
                "and v.step = a.step where a.release = ? and a.decision = 'approved' and v.answer = 'approve'",
                (row["release"],),
            ).fetchall()
            is_voted = any(vote["same"] and vote["at"] <= row["receipt_at"] for vote in found)
            if kind != "rollback" and not is_voted:
                self.problems.append(f"R-{row['release']} went live without a vote on its manifest")


def live_versions(root: Path) -> Iterator[tuple[str, str]]:
    """Yield what runs: project and version, as the links in the directories say."""
    for link in sorted((root / "live").glob("*/current")):
        yield link.parent.name, link.readlink().name

"""A year, moment by moment: work lands, trains board and depart, people vote, fix, roll back, stop the line.

The clock jumps from one thing to the next; between two jumps everything that can move moves, and is judged.
"""

import hashlib
import heapq
import json
import os
import re
from collections import Counter
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from datetime import UTC, datetime, timedelta
from io import StringIO
from itertools import count
from pathlib import Path
from random import Random

from closings import Span
from engine_room import EngineRoom
from hosting import Vendors
from lines import Lines
from oracle import Oracle, live_versions
from world import MAINTENANCE, TRAINS, Repository

from gare.cli.app import run as gare_command
from gare.domain.plan import Kind
from gare.domain.releases import Release
from gare.domain.standing import good_versions
from gare.domain.waits import Cause
from gare.engine import deployment_of
from gare.errors import GareError
from gare.planning.standing import read_rolled_back
from gare.reconciler import Reconciler
from gare.wiring import Gare

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
STUCK = timedelta(days=45)
"""Longer than all freezes, votes and trains before it take together: a release that is open for longer is stuck."""


def _waits_for_a_freeze(release: Release) -> bool:
    return release.kind is not Kind.TRAIN and " is closed: " in " ".join(release.waiting)


class Year:
    """One simulated year on one station."""

    def __init__(self, gare: Gare, room: EngineRoom, repositories: dict[str, Repository], vendors: Vendors,
                 chance: Random, *, clock: Path, start: datetime, end: datetime, pace: float) -> None:  # fmt: skip
        self.gare, self.room, self.repositories, self.chance = gare, room, repositories, chance
        self.vendors, self.lines = vendors, Lines(repositories)
        self.oracle = Oracle(gare.station.root)
        self.told: Counter[str] = Counter()
        self._clock, self._end, self._pace = clock, end, pace
        self._reconciler = Reconciler(gare, pays_aside=False)
        self._agenda: list[tuple[datetime, int, Callable[[], None]]] = []
        self._numbers = count()
        self._asked: set[tuple[str, str]] = set()
        self._tokens: dict[str, str] = {}
        self._set(start)
        self._tokens = {name: self._token(name) for name in ("alice", "bob")}
        self._plan_year(start, end)

    @property
    def now(self) -> datetime:
        """Return the instant of the simulation."""
        return self.gare.ledger.now()

    def run(self, say: Callable[[str], None]) -> None:
        """Live through it all; say how far it is, month by month."""
        self._say = say
        while self._agenda and (at := self._agenda[0][0]) < self._end:
            self._set(max(at, self.now))
            while self._agenda and self._agenda[0][0] <= self.now:
                heapq.heappop(self._agenda)[2]()
            self._settle()
        self._settle()
        self._nobody_is_stuck()
        for project, hotfix, line in self.lines.missing(self.now):
            self._bring(project, hotfix, line, may_waive=False)
        self._audit()
        for project, hotfix, line in self.lines.missing(self.now):
            self.oracle.problems.append(
                f"{project} {line} ends the year without the fix of {hotfix}"
            )

    def _nobody_is_stuck(self) -> None:
        """Tell of releases that have been under way for longer than all freezes, votes and trains before them take."""
        for release in self._open():
            if self.now - release.opened_at > STUCK:
                waits = "; ".join(release.waiting) or release.state.value
                self.oracle.problems.append(
                    f"{release.id} of {release.project} is stuck since {release.opened_at}: {waits}"
                )

    def _plan_year(self, start: datetime, end: datetime) -> None:
        """Write the year's own events into the agenda; the rest follows from them."""
        day = start
        while day < end:
            for repository in self.repositories.values():
                if self.chance.random() < 0.04 * self._pace:
                    at = day + timedelta(minutes=self.chance.randrange(8 * 60, 17 * 60))
                    self._at(at, lambda own=repository: self._work(own))
            for odds, act in (
                (0.07, self._fix),
                (0.03, self._go_back),
                (0.02, self._stop_the_line),
                (0.15, self._release_a_hold),
                (0.03, self._maintain),
                (0.20, self.vendors.trouble),
            ):
                if self.chance.random() < odds * self._pace:
                    self._at(day + timedelta(minutes=self.chance.randrange(8 * 60, 18 * 60)), act)
            if day.day == 1:
                self._at(day + HOUR, self._audit)
            day += DAY
        for train in TRAINS:
            self._at(start, lambda train=train: self._next_boarding(train))

    # What happens

    def _next_boarding(self, train: str) -> None:
        from gare.config.trains import timetable_of

        timetable = timetable_of(self.gare.station.trains[train].config)
        slot = next(slot for slot in timetable.after(self.now) if slot.boards_at > self.now)
        self._at(slot.boards_at, lambda: self._board(train, slot.name))
        if self.chance.random() < 0.05:
            self._command("train", "skip", train, slot.name, "--reason", "audit week", who="alice")
            self.told["slots skipped"] += 1

    def _board(self, train: str, slot: str) -> None:
        self._start(Kind.TRAIN, {"name": train, "slot": slot}, f"train {train} {slot}")
        self._at(self.now + DAY, lambda: self._next_boarding(train))
        if self.gare.ledger.trains.stopped(train):
            self._command("train", "resume", train, who="alice")
            self.told["schedules resumed"] += 1

    def _work(self, own: Repository) -> None:
        ticket = self.vendors.ticket(own.key, f"Wish {own.number + 1}") if own.key else ""
        own.work(self.chance, self.now, ticket)

    def _fix(self) -> None:
        name = self._somebody_live()
        if not name or self.repositories[name].fixes:
            return
        repository = self.repositories[name]
        commit = repository.fix(repository.versions(self.now)[0], self.now)
        self.told["hotfixes asked"] += 1
        self._start(Kind.HOTFIX, {"project": name, "commits": [commit], "requested_by": "alice"})
        merged = self.now + timedelta(days=self.chance.randrange(1, 20))
        self._at(merged, lambda: self._bring_everywhere(name))

    def _bring_everywhere(self, name: str) -> None:
        """Merge the fix into the branch, and see to the other lines that lack fixes of the project."""
        repository = self.repositories[name]
        branch = repository.fixes.pop(0)
        if repository.key:
            proposed = self.vendors.open_merge_request(name)
            self.vendors.note_merged(name, proposed)
            branch = proposed or branch
        repository.merge(branch, self.now)
        for project, hotfix, line in self.lines.missing(self.now):
            if project == name:
                self._bring(project, hotfix, line)

    def _bring(self, project: str, hotfix: str, line: str, *, may_waive: bool = True) -> None:
        """Merge a hotfix into a line that lacks it, or let the line go without."""
        if may_waive and self.chance.random() < 0.3:
            if self._command("fixes", "waive", hotfix, line, "--reason", "simulated", who="alice"):
                self.lines.waived.add((hotfix, line))
                self.told["fixes waived"] += 1
            return
        commit = self.gare.plan(self.gare.ledger.releases.get(hotfix).plan).commit
        self.repositories[project].merge(commit, self.now, into=line)
        self.told["fixes merged into further lines"] += 1

    def _maintain(self) -> None:
        name = self._somebody_live()
        if not name:
            return
        own = self.repositories[name]
        lines = own.git("branch", "--list", f"{MAINTENANCE}/*", at=self.now)
        version = own.versions(self.now)[-1]
        if not lines:
            own.maintain(version, self.now)
            self.told["maintenance lines"] += 1

    def _override(self, release: str) -> None:
        """Let somebody put a release through the closed window that it waits for; most wait."""
        found = self.gare.ledger.releases.get(release)
        if not _waits_for_a_freeze(found) or self.chance.random() < 0.7:
            return
        if self._command("freeze", "override", release, "--reason", "urgent", who="alice"):
            self.oracle.spare(release, self.now)
            self.told["freezes overridden"] += 1

    def _audit(self) -> None:
        """Let Gare look at its whole record and at all lines, and compare."""
        turns, problems = self.room.turns, len(self.oracle.problems)
        self._say(f"{self.now:%Y-%m-%d}: turns of runs {turns}, problems {problems}")
        self._command("audit", "verify")
        self._command("fixes", "list")
        with self.oracle.reading() as ledger:
            self.oracle.problems += self.lines.untold(ledger, self.now)

    def _somebody_live(self, *, at_least: int = 0) -> str:
        """Return a project that is live, of which so many versions were good at least; empty without one."""
        ledger = self.gare.ledger
        names = [
            name
            for name, _ in live_versions(self.gare.station.root)
            if len(good_versions(ledger.verified_good(name, "production"))) >= at_least
        ]
        return self.chance.choice(names or [""])

    def _go_back(self) -> None:
        name = self._somebody_live(at_least=2) or self._somebody_live()
        if not name:
            return
        self.told["rollbacks asked"] += 1
        self._start(
            Kind.ROLLBACK, {"project": name, "environment": "production", "requested_by": "bob"}
        )
        later = self.now + timedelta(hours=self.chance.randrange(5, 90))
        if self.chance.random() < 0.4:
            self._at(later, lambda: self._go_again(name))

    def _go_again(self, name: str) -> None:
        """Release a version again that was rolled back, if there is one: it was not at fault."""
        for gone in read_rolled_back(self.gare.ledger, name, "production")[-1:]:
            self.told["versions released again, asked"] += 1
            asked = {"project": name, "again": gone.version, "requested_by": "alice"}
            self._start(Kind.RELEASE, asked)

    def _stop_the_line(self) -> None:
        stops, name = self.oracle.closings.stops, "incident"
        if any(stop.end is None for stop in stops):
            return
        if self._command("freeze", "stop", name, "--reason", "incident", "--for", "3d", who="bob"):
            stops.append(Span(self.now))
            self.told["stops of the line"] += 1
            self._at(
                self.now + timedelta(hours=self.chance.randrange(2, 60)), lambda: self._lift(name)
            )

    def _lift(self, name: str) -> None:
        if self._command("freeze", "lift", name, "--reason", "over", who="bob"):
            self.oracle.closings.stops[-1].end = self.now

    def _release_a_hold(self) -> None:
        for hold in self.gare.ledger.holds.all()[:1]:
            self._let_go_on(hold.project, hold.environment)

    def _let_go_on(self, project: str, environment: str) -> None:
        if self.gare.ledger.holds.get(project, environment) is not None:
            self._command(
                "hold", "release", project, environment, "--reason", "looked at", who="bob"
            )
            self.told["holds released"] += 1

    # What follows

    def _settle(self) -> None:
        """Let everything move that can move now, and judge it."""
        for _ in range(200):
            worked = self.room.work()
            if not self._reconciler.round() and not worked:
                break
        else:
            self.oracle.problems.append(f"{self.now}: it did not come to rest")
        self._people_act()
        self._judge()
        wakes = [one.wake_at for one in self._open() if one.wake_at and one.wake_at > self.now]
        if wakes:
            self._at(min(wakes), lambda: None)

    def _judge(self) -> None:
        released = self.oracle.look()
        with self.oracle.reading() as ledger:
            for release in released:
                self.oracle.problems += self.lines.released(ledger, release, self.now)
        self.oracle.problems += self.vendors.look()

    def _people_act(self) -> None:
        """Let people answer what they are asked for some hours later, and end what stands still."""
        for release in self._open():
            if release.is_stopped:
                self._once(release.id, f"{release.changed_at}", 20, self._mend)
                continue
            if _waits_for_a_freeze(release):
                self._once(release.id, "freeze", 12, self._override)
            for wait in release.waits:
                if wait.cause is Cause.ON_HOLD:
                    environment = self.gare.plan(release.plan).step(wait.step).environment
                    self._once(
                        release.id,
                        f"hold {environment}",
                        72,
                        lambda _id, project=release.project, where=environment: self._let_go_on(
                            project, where
                        ),
                    )
            for wait in release.waits if release.kind is Kind.TRAIN else ():
                if found := re.search(
                    rf"resume {release.id} --without (\S+?)`", " ".join(wait.ways)
                ):
                    # Of one member a train may ask more than once: it goes on, and fails again, or on the way back.
                    own = self.gare.ledger.releases.get(wait.release) if wait.release else None
                    self._once(
                        release.id,
                        f"{wait.step} {own and own.changed_at}",
                        30,
                        lambda id_, member=found[1]: self._go_without(id_, member),
                    )
            for step in self.gare.plan(release.plan).approvals:
                asked = self.gare.ledger.approvals.get(release.id, step.step)
                if asked is not None:
                    groups = set(step.groups)
                    who = "bob" if "operations" in groups else "alice"
                    self._once(
                        release.id, asked.manifest, 6, lambda id_, who=who: self._vote(id_, who)
                    )

    def _once(self, release: str, what: str, hours: int, act: Callable[[str], None]) -> None:
        """Let somebody do something once, within so many hours."""
        key = (release, what)
        if key not in self._asked:
            self._asked.add(key)
            at = self.now + timedelta(minutes=self.chance.randrange(1, hours * 60))
            self._at(at, lambda: act(release))

    def _vote(self, release: str, who: str) -> None:
        answer = self.chance.choices(["approve", "reject", ""], [94, 3, 3])[0]
        if answer and self.gare.ledger.releases.get(release).is_moving:
            self._command(answer, release, "--comment", "simulated", who=who)

    def _go_without(self, train: str, member: str) -> None:
        if self.gare.ledger.releases.get(train).is_moving:
            self._command(
                "train", "resume", train, "--without", member, "--reason", "simulated", who="alice"
            )
            self.told["members left behind"] += 1

    def _mend(self, release: str) -> None:
        found = self.gare.ledger.releases.get(release)
        if found.is_stopped:
            again = ("resume", release, "--no-follow")
            words = again if self.chance.random() < 0.4 else ("cancel", release)
            self._command(*words, who="alice")

    def _open(self):
        return self.gare.ledger.releases.find(is_open=True, limit=500)

    def _start(self, kind: Kind, fields: dict[str, object], key: str = "") -> None:
        from gare.requests import request_of

        request = request_of(kind, fields).model_dump(mode="json")
        self.gare.engine.start(request, deployment=deployment_of(kind), idempotency_key=key)

    @property
    def story(self) -> str:
        """Return a digest of what became of every release, and when: the same seed tells the same."""
        told = []
        for one in self.gare.ledger.releases.find(limit=100_000):
            commit = self.gare.plan(one.plan).commit
            times = (str(one.opened_at), str(one.closed_at))
            told.append((one.id, one.kind, one.project, one.version, commit, one.state, *times))
        return hashlib.sha256(json.dumps(sorted(told)).encode()).hexdigest()[:16]

    # Means

    def _at(self, at: datetime, act: Callable[[], None]) -> None:
        heapq.heappush(self._agenda, (at, next(self._numbers), act))

    def _set(self, at: datetime) -> None:
        self._clock.write_text(at.astimezone(UTC).isoformat())
        # The station was up all the while that the clock has jumped over, and renewed what is held.
        self.gare.ledger.locks.renew()

    def _token(self, person: str) -> str:
        output = StringIO()
        with redirect_stdout(output):
            gare_command(["token", "create", person])
        return re.findall(r"gare_\S+|[A-Za-z0-9_-]{30,}", output.getvalue())[0]

    def _command(self, *words: str, who: str = "") -> bool:
        """Type a command as a person does; tell whether it was taken, and keep what went wrong with us."""
        os.environ["GARE_TOKEN"] = self._tokens.get(who, "")
        output = StringIO()
        try:
            with redirect_stdout(output), redirect_stderr(output):
                code = gare_command(list(words))
        except GareError as error:
            code, output = 70, StringIO(str(error))
        if code in (2, 70) or (code and words[0] == "audit"):
            self.oracle.problems.append(f"gare {' '.join(words)}: exit {code}: {output.getvalue()}")
        self.told[f"gare {words[0]}" + ("" if code == 0 else f" (exit {code})")] += 1
        return code == 0

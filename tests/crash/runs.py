"""What the matrix counts: points where everything can be killed, a run for each, and what came out. No I/O."""

from dataclasses import dataclass, field
from enum import Enum, auto

from comparing import Deviation, Outcome, Trouble
from scenarios import Scenario
from stationing import Kill

from gare.boundaries import file_name


@dataclass(frozen=True, slots=True, order=True)
class Point:
    """One place of one scenario where everything can be killed. `passage` counts from 1.

    `boundary` has `@` for the run's name. Of a train it begins with whose boundary it is: `@-api | before act …`.
    """

    scenario: str
    boundary: str
    passage: int = 1

    def __str__(self) -> str:
        return f"{self.scenario} | {self.boundary}" + (
            f" ({self.passage})" if self.passage > 1 else ""
        )


class Phase(Enum):
    """How far a run of the matrix is."""

    NEW = auto()
    GOING = auto()
    STANDING = auto()
    KILLED = auto()
    OVER = auto()


@dataclass(slots=True)
class Run:
    """One release of the matrix: killed at a point, or undisturbed without one."""

    scenario: Scenario
    name: str
    point: Point | None = None
    kind: Kill | None = None
    phase: Phase = Phase.NEW
    flow_run: str = ""
    pid: int = 0
    since: float = 0.0
    failed_since: float = 0.0
    is_missed: bool = False
    outcome: Outcome = field(default_factory=dict)
    deviations: list[Deviation] = field(default_factory=list)

    @property
    def armed(self) -> str:
        """Return the name of its boundary's file."""
        if self.point is None:
            return ""
        boundary = self.point.boundary.replace("@", self.name)
        return file_name(boundary if self.scenario.members else f"{self.name} | {boundary}")

    @property
    def subjects(self) -> tuple[str, ...]:
        """Return what has a release of its own in it; what was asked for first."""
        return self.scenario.subjects(self.name)

    def plain(self, passed: str) -> str:
        """Return a passed boundary, `shop-00001 | before act …`, as points have it."""
        return passed.replace(self.name, "@").removeprefix("@ | ")


@dataclass(slots=True)
class Result:
    """What the matrix found."""

    points: set[Point] = field(default_factory=set)
    runs: int = 0
    troubles: list[tuple[Run, Deviation]] = field(default_factory=list)
    unreached: list[Run] = field(default_factory=list)
    left_to_person: list[str] = field(default_factory=list)
    cpu_s_per_release: float = 0.0

    def count(self, trouble: Trouble) -> int:
        """Return how many deviations of a kind there are."""
        return sum(deviation.trouble is trouble for _, deviation in self.troubles)

    @property
    def summary(self) -> str:
        """Say it in one line."""
        return f"crash points {len(self.points)}, runs {self.runs}, " + ", ".join(
            f"{trouble} {self.count(trouble)}" for trouble in Trouble
        )

    @property
    def is_good(self) -> bool:
        """Whether every run that was wanted was made and none deviates."""
        return not self.troubles and not self.unreached and self.runs > 0

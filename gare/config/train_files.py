"""The trains of a station: reads trains/*.yaml, each against the station and the names of its projects."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from gare.config.document import read_document, read_name
from gare.config.models import StationConfig
from gare.config.parsed import parsed
from gare.config.problems import InvalidFiles, Problem, shown
from gare.config.trains import TrainConfig, members_of, timetable_of, train_problems
from gare.domain.timetable import Timetable

_FILES = "trains/*.y*ml"
Labels = Mapping[str, Collection[str]]
"""The labels of each project, by its name."""


@dataclass(frozen=True, slots=True)
class Train:
    """A train and where it was said. `members` are those listed and those found by label."""

    config: TrainConfig
    file: Path
    members: tuple[str, ...]
    timetable: Timetable


class Trains(Mapping[str, Train]):
    """The trains of a station by name; the files are read when somebody asks for one."""

    def __init__(self, root: Path, station: StationConfig, labels: Callable[[], Labels]) -> None:
        self._root, self._station, self._labels = root, station, labels
        self._found: dict[str, Train] | None = None
        self._problems: list[Problem] = []
        self._broken: dict[str, tuple[Problem, ...]] = {}

    def __getitem__(self, name: str) -> Train:
        return self._read()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Return what is wrong with all of the files."""
        self._read()
        return tuple(self._problems)

    @property
    def broken(self) -> Mapping[str, tuple[Problem, ...]]:
        """Return the trains whose files are wrong, by name, each with what is."""
        self._read()
        return self._broken

    def _read(self) -> dict[str, Train]:
        if self._found is None:
            self._found = {}
            files = sorted(self._root.glob(_FILES))
            for train in self._good(files, self._labels() if files else {}):
                if other := self._found.get(train.config.name):
                    self._problems.append(_twice(train, other))
                self._found.setdefault(train.config.name, train)
        return self._found

    def _good(self, files: Iterable[Path], labels: Labels) -> Iterator[Train]:
        for file in files:
            try:
                yield load_train(file, self._station, labels)
            except InvalidFiles as wrong:
                self._problems += wrong.problems
                self._broken[read_name(file, file.stem)[0]] = tuple(wrong.problems)


def has_trains(root: Path) -> bool:
    """Tell whether a station has files of trains, right or wrong."""
    return next(root.glob(_FILES), None) is not None


def load_train(file: Path, station: StationConfig, labels: Labels) -> Train:
    """Load one train's file. Raises ConfigError with every problem found."""
    document = read_document(file)
    config = parsed(
        document, TrainConfig, lambda train: train_problems(document, train, station, labels)
    )
    return Train(config, file, tuple(members_of(config, labels)), timetable_of(config))


def _twice(train: Train, other: Train) -> Problem:
    return read_document(train.file).problem(
        ("name",),
        f"the train `{train.config.name}` is already in {shown(other.file)}.",
        "Give one of the two another name.",
    )

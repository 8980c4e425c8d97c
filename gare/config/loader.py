"""Finds a station, reads its files and its projects', and says everything that is wrong at once.

Paths in a file are relative to the folder of that file. Reads only; resolves no secret, reaches no network.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import RLock

from pydantic import ValidationError

from gare.config.checks import project_problems, station_problems
from gare.config.document import Document, read_document, read_name
from gare.config.freeze_problems import Known, Lists, is_pattern, projects_problems
from gare.config.models import ProjectConfig, StationConfig
from gare.config.parsed import parsed
from gare.config.problems import InvalidFiles, Problem, listed, nearest, shown
from gare.config.station_file import PROJECT_FILE, station_file
from gare.config.train_files import Train, Trains
from gare.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Project:
    """A project and where it was said. `base` is the folder that its relative paths start from."""

    config: ProjectConfig
    file: Path
    base: Path


@dataclass(frozen=True, slots=True)
class Broken:
    """A project whose file is wrong, and what can be read of it all the same; its name may be a guess."""

    labels: tuple[str, ...]
    problems: tuple[Problem, ...]
    is_named: bool = True


class Projects(Mapping[str, Project]):
    """The projects of a station by name. A file is read when somebody asks for a name that stands in it.

    A run needs one project of many, and reading a file takes longer than everything else that it does at its start.
    """

    def __init__(self, root: Path, document: Document, config: StationConfig) -> None:
        self._config = config
        self._problems: list[Problem] = []
        self._left = list(_project_files(root, document, config, self._problems))
        self._has_lost = bool(self._problems)
        self._found: dict[str, Project] = {}
        self._ambiguous: set[str] = set()
        self._reading = RLock()
        self._broken: dict[str, Broken] = {}

    def __getitem__(self, name: str) -> Project:
        """Return a project. Raises KeyError; then every file has been read."""
        self._read([file for file in self._left if mentions(file, name)])
        if name not in self._found:
            self._read(self._left)
        if name in self._ambiguous:
            raise KeyError(name)
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        self._read(self._left)
        return (name for name in self._found if name not in self._ambiguous)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Return what is wrong with all of the files."""
        self._read(self._left)
        return tuple(self._problems)

    @property
    def broken(self) -> Mapping[str, Broken]:
        """Return the projects whose files are wrong, by name."""
        self._read(self._left)
        return self._broken

    @property
    def names(self) -> Collection[str]:
        """Return the names of all projects, those included whose files are wrong."""
        return _Names(self)

    @property
    def are_named(self) -> bool:
        """Tell whether the names of all projects are known: each file is there, and says its name."""
        return not self._has_lost and all(one.is_named for one in self.broken.values())

    def is_known(self, name: str) -> bool:
        """Tell whether there is a project of this name, right or wrong. When there is, not every file is read."""
        return name in self or name in self._ambiguous or name in self._broken

    @property
    def labels(self) -> dict[str, tuple[str, ...]]:
        """Return the labels of every project by name, those included whose files are wrong."""
        known = {name: project.config.labels for name, project in self.items()}
        return {name: found.labels for name, found in self._broken.items()} | known

    def _read(self, files: Iterable[Path]) -> None:
        with self._reading:  # members of a train are planned side by side
            self._read_left([file for file in files if file in self._left])

    def _read_left(self, files: Iterable[Path]) -> None:
        for file in files:
            self._left.remove(file)
            try:
                project = load_project(file, self._config)
            except InvalidFiles as wrong:
                self._problems += wrong.problems
                name, broken = _broken(file, wrong)
                self._broken.setdefault(name, broken)
                continue
            again = list(_twice(project, self._found))
            self._problems += again
            if again:
                self._ambiguous.add(project.config.name)
            self._found.setdefault(project.config.name, project)


def _broken(file: Path, wrong: InvalidFiles) -> tuple[str, Broken]:
    name, said = read_name(file, file.parent.name if file.name == PROJECT_FILE else file.stem)
    labels = said.get("labels")
    known = (
        [label for label in labels if isinstance(label, str)] if isinstance(labels, list) else ()
    )
    is_named = isinstance(said.get("name"), str)
    return name, Broken(tuple(known), tuple(wrong.problems), is_named)


class _Names(Collection[str]):
    """The names of projects; files are read as somebody asks."""

    def __init__(self, projects: Projects) -> None:
        self._projects = projects

    def __contains__(self, name: object) -> bool:
        return self._projects.is_known(str(name))

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._projects.labels))

    def __len__(self) -> int:
        return len(self._projects.labels)


def mentions(file: Path, name: str) -> bool:
    """Tell whether a file may be the project's: what is unreadable is said by whoever reads all."""
    try:
        return name.encode() in file.read_bytes()
    except OSError:
        return False


@dataclass(frozen=True, slots=True)
class Station:
    """A station with its projects by name. `state` is absolute and need not exist yet."""

    config: StationConfig
    root: Path
    file: Path
    state: Path
    projects: Projects
    trains: Trains

    def project(self, name: str | None = None) -> Project:
        """Return a project; without a name, the only one. Raises ConfigError that names those there are."""
        if name is not None and name in self.projects:
            return self.projects[name]
        if broken := self.projects.broken.get(name or ""):
            raise InvalidFiles(broken.problems)
        if self.projects.problems:
            raise InvalidFiles(self.projects.problems)
        if name is None and len(self.projects) == 1:
            return next(iter(self.projects.values()))
        if not self.projects:
            raise ConfigError(
                "This station has no project.",
                where=shown(self.file),
                hint="Write one with `gare init` in its repository, and list the repository in station.yaml.",
            )
        if name is None:
            raise ConfigError(
                "Which project?",
                where=shown(self.file),
                hint=f"Name one of {listed(self.projects)}.",
            )
        raise ConfigError(
            f"There is no project `{name}`.",
            where=shown(self.file),
            hint=f"{nearest(name, self.projects)}Projects are {listed(self.projects)}.",
        )

    def check_freezes(self) -> None:
        """Raise InvalidFiles when a freeze or calendar of station.yaml is about a project that there is not.

        For what plans and starts: a mistake of one keeps nobody from lifting a freeze, or from ending a release.
        """
        lists = _freezes(self.config)
        said = {name for freezes in lists.values() for one in freezes for name in one.projects}
        names = self.projects.names
        if all(is_pattern(name) or name in names for name in said) or not self.projects.are_named:
            return
        document = read_document(self.file)
        if problems := list(projects_problems(document, lists, Known(projects=names))):
            raise InvalidFiles(problems)

    def problems(self) -> tuple[Problem, ...]:
        """Return what is wrong with all files, and between station.yaml and them; reads every file."""
        return _all_problems(read_document(self.file), self.config, self.projects, self.trains)

    def train(self, name: str) -> Train:
        """Return a train. Raises ConfigError that names those there are."""
        if name in self.trains:
            return self.trains[name]
        if problems := self.trains.broken.get(name) or self.trains.problems:
            raise InvalidFiles(problems)
        raise ConfigError(
            f"There is no train `{name}`.",
            where=shown(self.file),
            hint=f"{nearest(name, self.trains)}Trains are {listed(self.trains)}; each is a file in trains/.",
        )


def load_station(start: Path | None = None, *, leave_out_broken: bool = False) -> Station:
    """Load the station above `start`; without it, the one of GARE_STATION, else the one above the working folder.

    Raises ConfigError with every problem found. With `leave_out_broken` projects are read when they are asked for, and
    one whose file is wrong does not stop the others.
    """
    file = station_file(start)
    document, root = read_document(file), file.parent
    try:
        config = load_station_file(file, document)
    except InvalidFiles as wrong:
        raise InvalidFiles([*wrong.problems, *_strange_projects(document, root)]) from None
    projects = Projects(root, document, config)
    trains = Trains(root, config, lambda: projects.labels)
    if not leave_out_broken and (problems := _all_problems(document, config, projects, trains)):
        raise InvalidFiles(problems)
    return Station(config, root, file, (root / config.state).absolute(), projects, trains)


def _strange_projects(document: Document, root: Path) -> Iterator[Problem]:
    """Yield the projects that freezes of a wrong station.yaml name and that there are not, to be told with the rest."""
    try:
        config = StationConfig.model_validate(document.data)
    except ValidationError:
        return  # where its projects are may be what is wrong
    projects = Projects(root, document, config)
    if projects.are_named:
        yield from projects_problems(document, _freezes(config), Known(projects=projects.names))


def _all_problems(
    document: Document, config: StationConfig, projects: Projects, trains: Trains
) -> tuple[Problem, ...]:
    """Return what is wrong with all files, and between station.yaml and them."""
    found = (*projects.problems, *trains.problems)
    if not projects.are_named:
        return found  # which projects there are is not known
    known = Known(projects=projects.names)
    return (*found, *projects_problems(document, _freezes(config), known))


def _freezes(config: StationConfig) -> Lists:
    return {"freezes": config.freezes, "calendars": config.calendars}


def files_of(station: Station) -> list[Path]:
    """Return the files that a station is read from, those of its repositories whether they are there or not."""
    listed = (station.root / Path(text).expanduser() for text in station.config.repositories)
    own = (*_beside(station.root), *sorted(station.root.glob("trains/*.y*ml")))
    return [station.file, *own, *(folder / PROJECT_FILE for folder in listed)]


def load_station_file(file: Path, document: Document | None = None) -> StationConfig:
    """Load station.yaml alone. Raises ConfigError with every problem found."""
    read = document or read_document(file)
    return parsed(read, StationConfig, lambda station: station_problems(read, station))


def load_project(file: Path, station: StationConfig) -> Project:
    """Load one project's file against a station. Raises ConfigError with every problem found."""
    document = read_document(file)
    config = parsed(
        document, ProjectConfig, lambda project: project_problems(document, project, station)
    )
    return Project(config, file, file.parent)


def _project_files(
    root: Path, document: Document, config: StationConfig, problems: list[Problem]
) -> Iterator[Path]:
    """Yield each project's file once: beside the station, in projects/, in the listed repositories."""
    seen: set[Path] = set()
    for file in (*_beside(root), *_listed(root, document, config, problems)):
        real = file.resolve()
        if real not in seen:
            seen.add(real)
            yield file


def _beside(root: Path) -> Iterator[Path]:
    if (root / PROJECT_FILE).exists():
        yield root / PROJECT_FILE
    yield from sorted(
        file for file in (root / "projects").glob("*.y*ml") if file.suffix in (".yaml", ".yml")
    )


def _listed(
    root: Path, document: Document, config: StationConfig, problems: list[Problem]
) -> Iterator[Path]:
    for place, text in enumerate(config.repositories):
        file = (root / Path(text).expanduser()).resolve() / PROJECT_FILE
        if file.is_file():
            yield file
            continue
        what = f"there is no {PROJECT_FILE} in {file.parent}."
        write = "Run `gare init` there, correct the path, or take the entry out."
        problems.append(document.problem(("repositories", place), what, write))


def _twice(project: Project, known: Mapping[str, Project]) -> Iterator[Problem]:
    if other := known.get(project.config.name):
        document = read_document(project.file)
        yield document.problem(
            ("name",),
            f"the project `{project.config.name}` is already in {shown(other.file)}.",
            "Give one of the two another name.",
        )

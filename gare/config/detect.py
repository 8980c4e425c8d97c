"""Looks at a repository and proposes its gare.yaml and, where no station is above, a station.yaml. Writes nothing.

What cannot be found is written as a commented block that says what to write, and is told in words.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from gare.config.ecosystems import ecosystems_of
from gare.config.ecosystems.found import Ecosystem
from gare.config.loader import load_station_file
from gare.config.names import slug
from gare.config.repository import Repository, look
from gare.config.starter import Place, Someone, project_text, station_text
from gare.config.station_file import PROJECT_FILE, STATION_FILE, find_station
from gare.errors import ConfigError

_PASSED_ON = (
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE",
    "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_CONFIG_FILE", "PIP_CERT",
    "JAVA_HOME", "MAVEN_OPTS", "MAVEN_ARGS", "GRADLE_OPTS", "GRADLE_USER_HOME",
    "NPM_CONFIG_REGISTRY", "NPM_CONFIG_USERCONFIG", "COMPOSER_HOME", "CC", "CXX",
)  # fmt: skip
"""Variables without which a build on this machine may not reach its registry or its compiler."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """What `gare init` would write, and what it has to say about it."""

    project_file: Path
    project_text: str
    station_file: Path
    station_text: str
    """Empty when there is a station above already."""
    found: tuple[str, ...]
    missing: tuple[str, ...]
    """What a person has to write, one sentence each."""
    todo: tuple[str, ...]
    """Further steps before the first release, beside the commands everybody runs."""

    person: str
    """Name of the person in the new station.yaml; empty when Git knows none, or there is a station already."""

    @property
    def has_new_station(self) -> bool:
        """Whether a station.yaml is proposed too."""
        return bool(self.station_text)


def propose(folder: Path, *, name: str = "") -> Proposal:
    """Look at the repository that holds `folder`. Raises ConfigError when there is none, or for a bad name."""
    repository = look(folder)
    everything = ecosystems_of(repository.top)
    chosen, others = (everything[0] if everything else None), everything[1:]
    title = _name(name, chosen, repository)
    station_file = find_station(repository.top)
    someone = _someone(repository)
    place = _place(repository, station_file, title, has_person=someone is not None)
    return Proposal(
        project_file=repository.top / PROJECT_FILE,
        project_text=project_text(title, repository, chosen, place, passed_on(), others),
        station_file=station_file or repository.top / STATION_FILE,
        station_text="" if station_file else station_text(place, someone),
        found=tuple(_found(repository, chosen, others, title, station_file)),
        missing=tuple(_missing(repository, chosen, place, someone, station_file)),
        todo=tuple(_todo(repository, station_file)),
        person=someone.name if someone and not station_file else "",
    )


def passed_on() -> tuple[str, ...]:
    """Return the names of variables set here that a build is likely to need; never their values."""
    return tuple(name for name in _PASSED_ON if os.environ.get(name))


def _name(wanted: str, chosen: Ecosystem | None, repository: Repository) -> str:
    if wanted and slug(wanted) != wanted:
        raise ConfigError(
            f"The name {wanted!r} cannot be used.",
            where="--name",
            hint=f"Write lower-case letters, digits, dots, dashes and underscores, such as `{slug(wanted) or 'shop'}`.",
        )
    return wanted or slug(chosen.name if chosen else "") or slug(repository.top.name) or "project"


def _someone(repository: Repository) -> Someone | None:
    if not repository.email:
        return None
    name = slug(repository.person) or slug(repository.email.partition("@")[0])
    return Someone(name, repository.person, repository.email) if name else None


def _place(
    repository: Repository, station_file: Path | None, title: str, *, has_person: bool
) -> Place:
    """Choose the environment: production of the new station, or the last one of the station above."""
    if station_file is None:
        return Place(
            "production", ".gare/deploy/production", is_asked=has_person, is_own_station=True
        )
    station = load_station_file(station_file)
    name = "production" if "production" in station.environments else ""
    name = name or next(reversed(station.environments), "production")
    known = station.environments.get(name)
    target = station_file.parent / station.state / "deploy" / title / name
    path = Path(os.path.relpath(target, repository.top)).as_posix()
    return Place(name, path, is_asked=bool(known and known.approval), is_own_station=False)


def _found(
    repository: Repository,
    chosen: Ecosystem | None,
    others: list[Ecosystem],
    title: str,
    station_file: Path | None,
) -> list[str]:
    lines = [f"project {title} in {repository.top}"]
    if chosen:
        lines.append(f"{chosen.kind} ({chosen.because})")
        lines += [f"note: {note}" for note in chosen.notes]
    if others:
        lines.append(
            "also found, not used: "
            + ", ".join(f"{other.kind} ({other.because})" for other in others)
        )
    lines.append(f"branch {repository.branch}" if repository.branch else "no branch yet")
    lines.append(
        f"remote {repository.remote}"
        if repository.remote
        else "no remote: the tag stays in this repository"
    )
    if repository.last_tag:
        kind = (
            f"versions are tagged {repository.tag_prefix}X.Y.Z"
            if repository.tag_prefix
            else "tags are plain versions"
        )
        lines.append(f"last version tag {repository.last_tag}: {kind}")
    else:
        lines.append("no version tag: the first release will be 0.1.0, tagged v0.1.0")
    if repository.commits:
        lines.append(
            f"{repository.conventional} of the last {repository.commits} commits are conventional commits"
        )
    if repository.ticket_key:
        lines.append(f"tickets such as {repository.ticket_key}-1 in commit messages")
    if station_file:
        lines.append(f"station {station_file}")
    return lines


def _missing(
    repository: Repository,
    chosen: Ecosystem | None,
    place: Place,
    someone: Someone | None,
    station_file: Path | None,
) -> list[str]:
    lines = []
    if chosen is None:
        lines.append(
            "I know no build tool of this repository: write `build` and `test` in gare.yaml."
        )
    else:
        if not chosen.build:
            lines.append("How it is built: write `build.commands` in gare.yaml.")
        if not chosen.artifacts:
            lines.append("What the build makes: write `build.artifacts` in gare.yaml.")
        if not chosen.test:
            lines.append("How it is tested: write `test` in gare.yaml.")
        elif not chosen.junit:
            lines.append("Where the tests write JUnit XML: write `test.junit` in gare.yaml.")
    if someone is None and station_file is None:
        lines.append(
            "Who you are (git config user.name and user.email): write `people` in station.yaml."
        )
    if not place.is_asked:
        lines.append(f"Who approves {place.name}: nobody is asked until an `approval` is written.")
    if repository.is_shallow:
        lines.append("The clone is shallow: run `git fetch --unshallow --tags` before planning.")
    if repository.is_detached:
        lines.append(
            f"HEAD is detached: check out `{repository.branch or 'a branch'}` before planning."
        )
    if not repository.commits:
        lines.append("There is no commit yet: commit something to release.")
    return lines


def _todo(repository: Repository, station_file: Path | None) -> list[str]:
    if station_file is None or station_file.parent == repository.top:
        return []
    entry = Path(os.path.relpath(repository.top, station_file.parent)).as_posix()
    return [f"add to {station_file}:  repositories: [{entry}]"]

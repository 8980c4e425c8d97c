"""The text of a first gare.yaml and station.yaml, with comments for the person who goes on from there."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from gare.config.ecosystems.found import Ecosystem, Words
from gare.config.repository import Repository

GROUP = "release-managers"
_PLAIN = re.compile(r"\.?[A-Za-z_/][A-Za-z0-9_./@+-]*|\.")
_YAML_WORDS = frozenset(
    {"true", "false", "null", "yes", "no", "on", "off", "y", "n", ".inf", ".nan"}
)


@dataclass(frozen=True, slots=True)
class Someone:
    """The person who runs `gare init`, as Git knows them."""

    name: str
    full_name: str
    email: str


@dataclass(frozen=True, slots=True)
class Place:
    """The first environment. `path` is relative to gare.yaml."""

    name: str
    path: str
    is_asked: bool
    """Whether somebody must approve before it changes."""
    is_own_station: bool


def word(text: str) -> str:
    """Spell a text as one YAML value, quoted where it could be read as something else."""
    if _PLAIN.fullmatch(text) and text.lower() not in _YAML_WORDS:
        return text
    return json.dumps(text, ensure_ascii=not text.isprintable())


def project_text(
    name: str,
    repository: Repository,
    ecosystem: Ecosystem | None,
    place: Place,
    env: Sequence[str],
    others: Sequence[Ecosystem],
) -> str:
    """Return a gare.yaml."""
    parts = [
        _head(name, others),
        _source(repository),
        _env(env),
        _build(ecosystem),
        _test(ecosystem),
        _gates(ecosystem),
        _environments(place, ecosystem),
        _publish(repository),
        _tickets(repository),
    ]
    return "\n".join("\n".join(part) + "\n" for part in parts)


def station_text(place: Place, someone: Someone | None) -> str:
    """Return a station.yaml for one person."""
    return "\n".join(
        "\n".join(part) + "\n"
        for part in (_station_head(), _people(someone), _rule(place, someone))
    )


def _head(name: str, others: Sequence[Ecosystem]) -> Iterator[str]:
    yield "# What Gare knows about this project. Written by `gare init`; every key is in `gare schema project`."
    if others:
        yield f"# Also found here, and not used: {', '.join(other.because for other in others)}."
    yield f"name: {word(name)}"


def _source(repository: Repository) -> Iterator[str]:
    yield "source:"
    yield "  type: git"
    yield f"  branch: {word(repository.branch)}" if repository.branch else "  # branch: main"
    if repository.remote:
        yield f"  remote: {word(repository.remote)}  # where the tag is published"
    else:
        yield '  remote: ""  # none yet: tags stay in this repository; write its name when there is one'
    prefix = repository.tag_prefix if repository.last_tag else "v"
    yield f"  tag_prefix: {word(prefix) if prefix else chr(34) * 2}  # a version is tagged {prefix}1.2.3"


def _env(names: Sequence[str]) -> Iterator[str]:
    yield "# Variables of the worker's environment that commands may see, beside PATH, HOME, LANG and TMPDIR."
    yield f"env: [{', '.join(names)}]" if names else "# env: [HTTPS_PROXY, PIP_INDEX_URL]"


def _commands(commands: Iterable[Words]) -> Iterator[str]:
    for command in commands:
        if all(
            _PLAIN.fullmatch(part) or re.fullmatch(r"-[A-Za-z0-9_./:=+-]*", part)
            for part in command
        ):
            yield f"    - {' '.join(command)}"
        else:
            yield f"    - [{', '.join(word(part) for part in command)}]"


def _globs(key: str, patterns: Sequence[str]) -> str:
    return f"  {key}: [{', '.join(word(pattern) for pattern in patterns)}]"


def _build(ecosystem: Ecosystem | None) -> Iterator[str]:
    yield "# How artifacts are made, in a clean checkout of the released commit. No shell: words, no pipes."
    yield "# Commands see GARE_VERSION, GARE_COMMIT and GARE_PROJECT."
    if ecosystem is None or not ecosystem.build:
        yield "# build:"
        yield "#   commands:"
        yield "#     - make dist"
        yield '#   artifacts: ["dist/*"]  # the files to keep'
        return
    yield "build:"
    yield "  commands:"
    yield from _commands(ecosystem.build)
    if ecosystem.artifacts:
        yield _globs("artifacts", ecosystem.artifacts)
    else:
        yield '  # artifacts: ["dist/*"]  # write here which files to keep'


def _test(ecosystem: Ecosystem | None) -> Iterator[str]:
    yield "# How it is tested, after the build and in the same checkout. A run without a test counts as a failure."
    if ecosystem is None or not ecosystem.test:
        yield "# test:"
        yield "#   commands:"
        yield "#     - make test"
        yield '#   junit: ["reports/*.xml"]       # JUnit XML, needed: executed tests are counted in it'
        yield '#   coverage: ["coverage.xml"]     # Cobertura XML, if there is any'
        return
    yield "test:"
    yield "  commands:"
    yield from _commands(ecosystem.test)
    if ecosystem.junit:
        yield _globs("junit", ecosystem.junit)
    else:
        yield '  # junit: ["reports/*.xml"]  # write here where the tests write JUnit XML: they are counted in it'
    if ecosystem.coverage:
        yield _globs("coverage", ecosystem.coverage)


def _gates(ecosystem: Ecosystem | None) -> Iterator[str]:
    yield "# Gates a release must pass. Without this key: changes, tests and artifacts."
    yield "# gates:"
    for suite in ("changes", "tests", "artifacts"):
        yield f"#   - {{name: {suite}, suite: {suite}}}"
    if ecosystem and ecosystem.coverage:
        yield "#   - {name: coverage, suite: coverage, settings: {minimum_line_rate: 0.8}}"


def _environments(place: Place, ecosystem: Ecosystem | None) -> Iterator[str]:
    yield "environments:"
    yield f"  {word(place.name)}:"
    yield "    target:"
    yield "      type: directory"
    yield "      # A folder of this machine, for a first try inside the station's state folder, which Git ignores."
    yield "      # Take a real one later, such as /srv/shop; relative paths start at this file's folder."
    yield f"      path: {word(place.path)}"
    if ecosystem and ecosystem.strip:
        yield f"      strip: {ecosystem.strip}  # folders to drop from the names inside the archive"
    yield "      # start: [./bin/start]  # how the service is started, in the release's folder"
    yield "      # stop: [./bin/stop]"
    yield "      # health: {url: http://127.0.0.1:8000/health}  # how to ask whether it is well"


def _publish(repository: Repository) -> Iterator[str]:
    yield "publish:"
    yield "  tag: true"
    if repository.remote:
        yield f"  push: true  # to {repository.remote}, once production holds"
    else:
        yield "  push: false  # there is no remote; write true when there is one"
    yield "  # changelog: CHANGELOG.md  # put the notes into this file and commit it"


def _tickets(repository: Repository) -> Iterator[str]:
    key = repository.ticket_key
    yield "# Tickets named in commits. With a tracker, what was planned is compared with what was done."
    if key:
        yield "tickets:"
        yield f"  pattern: '\\b{key}-\\d+\\b'"
        yield "  # tracker: {type: file, path: tickets.yaml}"
    else:
        yield "# tickets:"
        yield "#   pattern: '\\bSHOP-\\d+\\b'"
        yield "#   tracker: {type: file, path: tickets.yaml}"


def _station_head() -> Iterator[str]:
    yield "# One Gare installation. Written by `gare init`; every key is in `gare schema station`."
    yield "name: station"
    yield "state: .gare  # everything the station keeps; Git ignores it"


def _people(someone: Someone | None) -> Iterator[str]:
    yield "# Who may vote. Addresses are matched with commit authors."
    if someone is None:
        yield "# people:"
        yield "#   - name: alice"
        yield "#     full_name: Alice Martin"
        yield "#     email: alice@example.org"
        yield f"#     groups: [{GROUP}]"
        return
    yield "people:"
    yield f"  - name: {word(someone.name)}"
    if someone.full_name:
        yield f"    full_name: {word(someone.full_name)}"
    yield f"    email: {word(someone.email)}"
    yield f"    groups: [{GROUP}]"


def _rule(place: Place, someone: Someone | None) -> Iterator[str]:
    yield "# Where projects run, in the order of promotion."
    yield "environments:"
    if someone is None:
        yield f"  {place.name}: {{}}"
        yield "  # Once there are people above, write instead:"
        lead = "  # "
        yield f"{lead}{place.name}:"
    else:
        lead = "  "
        yield f"{lead}{place.name}:"
    yield f"{lead}  approval:"
    yield f"{lead}    groups: {{{GROUP}: 1}}  # minimum votes per group"
    yield f"{lead}    # You are alone here: turn these two off (false) when a second person joins."
    yield f"{lead}    author_may_vote: true"
    yield f"{lead}    requester_may_vote: true"

"""The demo itself: make the project, start the station, release twice, look what runs, clean up.

Everything is done as its user would do it: Prefect's REST API, `gare` on the command line, HTTP to the shop. What
the end must be is checked on the way; a deviation is a StepFailed that says what was expected and what came.
"""

import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from gare.config.loader import load_station
from gare.demo import rest
from gare.demo.history import HISTORY, NEXT
from gare.demo.people import REQUESTER, Ask, PendingTokens, People, make_tokens
from gare.demo.progress import Follower
from gare.demo.project import (
    FIRST_VERSION,
    NEXT_VERSION,
    PROJECT,
    Demo,
    claim,
    commit_next,
    free_ports,
    make_demo,
    remote_tag,
    subjects,
)
from gare.demo.stage import Outcome, Stage, show_plan, show_question, show_summary
from gare.demo.station import (
    DemoStation,
    call,
    check_nothing_left,
    has_address,
    is_ready,
    refuse_running,
    stop_shops,
)
from gare.domain.releases import Release, ReleaseState
from gare.errors import ConfigError, StepFailed
from gare.requests import ReleaseRequest
from gare.wiring import Gare

Linger = Callable[[Callable[[], bool]], None]
"""Keeps everything up until the person has seen enough, or the station (asked by its argument) is no longer alive."""


class Declined(Exception):
    """The person in the terminal rejected a release."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.words)
        self.outcome = outcome


@dataclass(slots=True)
class Show:
    """One demo under way."""

    demo: Demo
    stage: Stage
    station: DemoStation
    gare: Gare
    people: People
    api_url: str
    outcomes: list[Outcome] = field(default_factory=list)

    def release(self, wanted: ReleaseState, version: str, reason: str) -> Outcome:
        """Release through the REST API, let people decide, and follow to the end, which must be as `wanted`."""
        say, begun = self.stage.say, time.monotonic()
        request = {"project": PROJECT, "requested_by": REQUESTER, "reason": reason}
        post = rest.release_call(self.api_url, request)
        say(f"{REQUESTER} releases, with one REST call:\n{post.curl}")
        run_id = rest.make(post)
        say(f"watch it in Prefect's UI: {self.gare.engine.run_address(run_id)}")
        follower = Follower(self.gare, run_id, say, lambda: self.station.is_alive)
        opened = follower.until_open()
        _expect(f"version of {opened.id}", version, opened.version)
        has_agreed = True
        while True:
            release, asked = follower.until_asked_or_ended(opened.id)
            if asked is None:
                break
            show_question(self.stage, self.gare, release, asked)
            has_agreed = self.people.decide(release.id, asked.environment, say)
        say(f"{release.id} is at its end: {release.end}")
        outcome = Outcome(release, time.monotonic() - begun, self._evidence(release))
        self.outcomes.append(outcome)
        if not has_agreed and release.state is ReleaseState.REJECTED:
            raise Declined(outcome)
        _expect(f"end of {release.id}", wanted, release.state)
        return outcome

    def show_running(self, environment: str, version: str) -> None:
        """Ask the shop itself what runs, as anybody could."""
        url = f"{self.demo.address(environment)}/version"
        answer = rest.ask(url)
        self.stage.say(f"$ curl {url}\n{json.dumps(answer)}")
        _expect(f"version that {environment} answers", version, str(answer.get("version")))

    def show_tag(self, version: str, commit: str) -> None:
        """Look at the remote for the release's tag; an empty `commit` means that there must be none."""
        found, message = remote_tag(self.demo, f"v{version}")
        _expect(f"commit of tag v{version} on the remote", commit or "none", found or "none")
        if found:
            head = next(
                (line for line in message.splitlines() if line.startswith("Gare-Ledger:")), ""
            )
            self.stage.say(
                f"the remote has tag v{version} at {found[:12]}, with the ledger's head in it\n{head}"
            )
        else:
            self.stage.say(f"the remote has no tag v{version}: what did not hold is not published")

    def _evidence(self, release: Release) -> Path:
        file = self.demo.folder / "evidence" / f"{release.id}.zip"
        file.parent.mkdir(exist_ok=True)
        call(self.demo.folder, "evidence", release.id, "-o", str(file))
        words = ["evidence", "verify", str(file)]
        if release.state is ReleaseState.RELEASED:
            words += ["--repository", str(self.demo.remote)]
        said = call(self.demo.folder, *words)
        self.stage.say(f"$ gare {' '.join(words)}\n{said.splitlines()[-1]}")
        return file


def run_demo(
    folder: Path,
    stage: Stage,
    *,
    ask: Ask | None,
    is_fresh: bool,
    linger: Linger | None,
) -> list[Outcome]:
    """Show the whole demo in `folder` and return how the two releases ended; nothing is left running.

    `ask` puts a question to the person in the terminal; None: the demo's persons vote by themselves. `linger` is
    called at the end, while everything is still up. Raises GareError for any deviation, Declined when the person
    rejected a release.
    """
    _check_tools()
    folder = folder.absolute()
    _claim(folder, is_fresh=is_fresh)
    station = DemoStation(folder)
    tokens: list[PendingTokens] = []
    with free_ports() as ports, _cleared(folder, station, tokens, stage):
        stage.head("A project")
        demo = make_demo(folder, ports)
        authors = len({commit.author for commit in HISTORY})
        stage.say(
            f"{PROJECT}, a small web shop: {len(HISTORY)} commits by {authors} people, last release v1.2.0\n"
            f"{demo.repository}, its remote is {demo.remote}"
        )
        stage.head("A station")
        station.start()
        tokens.append(make_tokens(folder))
        show = _open(demo, stage, station, tokens[0], ask)
        _release_twice(show)
        shown = {"Prefect's UI": show.gare.engine.ui_url}
        shown |= {place: demo.address(place) for place in ("staging", "production")}
        show_summary(stage, show.outcomes, shown)
        if linger is not None:
            linger(lambda: station.is_alive)
    return show.outcomes


def _open(
    demo: Demo, stage: Stage, station: DemoStation, tokens: PendingTokens, ask: Ask | None
) -> Show:
    """Show the plan while the station starts, and return when it is ready."""
    record = station.wait(has_address)
    stage.say(f"Prefect's server is starting; its UI will be at {record.ui_url}")
    gare = Gare(load_station(demo.folder))
    _, plan = gare.make_plan(ReleaseRequest(project=PROJECT))
    stage.say(
        f"meanwhile, what a release would do ($ gare --station {demo.folder} plan {PROJECT}):"
    )
    show_plan(stage, plan)
    _expect("planned version", FIRST_VERSION, plan.version)
    people = People(demo.folder, tokens.wait(), ask)
    record = station.wait(is_ready)
    stage.say(f"the station is up: {record.ui_url}")
    return Show(demo, stage, station, gare, people, record.api_url)


def _release_twice(show: Show) -> None:
    stage, demo = show.stage, show.demo
    stage.head(f"Release {FIRST_VERSION}")
    show.release(ReleaseState.RELEASED, FIRST_VERSION, "prices and green teas for the spring")
    show.show_running("production", FIRST_VERSION)
    show.show_tag(FIRST_VERSION, demo.head)
    stage.head(f"Release {NEXT_VERSION}, which will not hold")
    head = commit_next(demo)
    listed = "\n".join(f"  {subject}" for subject in subjects(NEXT))
    stage.say(f"{len(NEXT)} more commits are pushed, {head[:12]} is the newest:\n{listed}")
    stage.say(
        "its tests pass, and staging runs it well; but only production's settings have a key `version`,\n"
        "and that is what this version answers when it is asked for its own"
    )
    show.release(ReleaseState.ROLLED_BACK, NEXT_VERSION, "a discount")
    show.show_running("staging", NEXT_VERSION)
    show.show_running("production", FIRST_VERSION)
    show.show_tag(NEXT_VERSION, "")


@contextmanager
def _cleared(
    folder: Path, station: DemoStation, tokens: list[PendingTokens], stage: Stage
) -> Iterator[None]:
    """End everything that the block started, however it ends."""
    try:
        yield
    finally:
        with suppress(
            OSError
        ):  # whoever reads our output may have gone; what runs must end all the same
            stage.head("End")
        for pending in tokens:
            pending.stop()
        # The station first: a deployment under way would start a shop again.
        station.stop()
        stop_shops(folder)
        check_nothing_left(folder)
        with suppress(OSError):
            stage.say(
                f"station and shops have ended, nothing is left running; the folder stays: {folder}"
            )


def _claim(folder: Path, *, is_fresh: bool) -> None:
    refuse_running(folder)
    if is_fresh and folder.is_dir():
        stop_shops(folder)
    claim(folder, is_fresh=is_fresh)


def _check_tools() -> None:
    for tool, why in (
        ("git", "the project's history is Git's"),
        ("python3", "the project is built and run by it"),
    ):
        if shutil.which(tool) is None:
            raise ConfigError(
                f"`{tool}` is not installed here: {why}.",
                where="PATH",
                hint="Install it and try again.",
            )


def _expect(what: str, wanted: str, got: str) -> None:
    if wanted != got:
        raise StepFailed(f"{what}: expected {wanted}, got {got}.", where="gare demo")

"""The demo itself: make the projects, start the station, show act after act, look what runs, clean up.

Everything is done as its user would do it: Prefect's REST API, `gare` on the command line, HTTP to the shop and to the
simulated GitLab and Jira, which this process serves. What the end must be is checked on the way; a deviation is a
StepFailed that says what was expected and what came.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from gare.config.loader import load_station
from gare.demo import acts, rest
from gare.demo.crockery import Crockery
from gare.demo.history import HISTORY, NEXT
from gare.demo.people import REQUESTER, Ask, PendingTokens, People, make_tokens
from gare.demo.project import (
    FIRST_VERSION,
    NEXT_VERSION,
    PROJECT,
    Demo,
    claim,
    commit_more,
    free_ports,
    make_demo,
    subjects,
)
from gare.demo.shops import check_nothing_left, refuse_running, stop_shops
from gare.demo.show import Declined, Show, expect
from gare.demo.stage import Outcome, Stage, show_plan, show_summary
from gare.demo.vendors import Vendors, listed, served
from gare.domain.releases import ReleaseState
from gare.errors import ConfigError
from gare.own_station import OwnStation, has_address, is_ready
from gare.requests import ReleaseRequest
from gare.wiring import Gare

__all__ = ["Declined", "run_demo"]

Linger = Callable[[Callable[[], bool]], None]
"""Keeps everything up until the person has seen enough, or the station (asked by its argument) is no longer alive."""


def run_demo(
    folder: Path,
    stage: Stage,
    *,
    ask: Ask | None,
    is_fresh: bool,
    is_quick: bool,
    linger: Linger | None,
) -> list[Outcome]:
    """Show the demo in `folder` and return how its releases ended; nothing is left running. `is_quick`: the first only.

    `ask` puts a question to the person in the terminal; None: the demo's persons vote by themselves. `linger` is
    called at the end, while everything is still up. Raises GareError for any deviation, Declined when the person
    rejected a release.
    """
    _check_tools()
    folder = folder.absolute()
    _claim(folder, is_fresh=is_fresh)
    station = OwnStation(folder)
    tokens: list[PendingTokens] = []
    with free_ports() as ports, ExitStack() as until_end:
        stage.head("A project, in GitLab and Jira")
        demo = make_demo(folder, ports)
        Crockery(folder).make()
        hosted = until_end.enter_context(served(demo))
        until_end.enter_context(_cleared(folder, station, tokens, stage))
        authors = len({commit.author for commit in HISTORY})
        stage.say(
            f"{PROJECT}, a small web shop: {len(HISTORY)} commits by {authors} people, last release v1.2.0\n"
            f"{demo.repository}, its remote is {demo.remote}"
        )
        lines = [f"GitLab and Jira before, simulated at {hosted.url}:", *listed(hosted.look())]
        stage.say("\n".join(lines))
        stage.head("A station")
        station.start()
        tokens.append(make_tokens(folder))
        show = _open(demo, stage, station, tokens[0], ask, hosted)
        _release_once(show)
        if not is_quick:
            _release_what_does_not_hold(show)
            acts.depart(show)
            acts.fix(show)
            acts.go_back(show, FIRST_VERSION)
        shown = {"Prefect's UI": show.gare.engine.ui_url}
        shown |= {place: demo.address(place) for place in ("staging", "production")}
        shown |= {"GitLab, Jira": f"{hosted.url}/_sandbox/requests"}
        show_summary(stage, show.outcomes, shown)
        if linger is not None:
            linger(lambda: station.is_alive)
    return show.outcomes


def _open(
    demo: Demo,
    stage: Stage,
    station: OwnStation,
    tokens: PendingTokens,
    ask: Ask | None,
    hosted: Vendors,
) -> Show:
    """Show the plan while the station starts, and return when it is ready."""
    record = station.wait(has_address)
    stage.say(f"Prefect's server is starting; its UI will be at {record.ui_url}")
    gare = Gare(load_station(demo.folder))
    _, plan = gare.drafting.make(ReleaseRequest(project=PROJECT))
    stage.say(
        f"meanwhile, what a release would do ($ gare --station {demo.folder} plan {PROJECT}):"
    )
    show_plan(stage, plan)
    expect("planned version", FIRST_VERSION, plan.version)
    people = People(demo.folder, tokens.wait(), ask)
    record = station.wait(is_ready)
    stage.say(f"the station is up: {record.ui_url}")
    return Show(demo, stage, station, gare, people, hosted, record.api_url, record.gateway_url)


def _release_once(show: Show) -> None:
    stage, demo = show.stage, show.demo
    stage.head(f"Release {FIRST_VERSION}")
    _release(show, ReleaseState.RELEASED, FIRST_VERSION, "prices and green teas for the spring")
    show.show_running("production", FIRST_VERSION)
    show.show_tag(FIRST_VERSION, demo.head)
    show.show_vendors(
        {
            "release v1.3.0": "out",
            "version 1.3.0": "released",
            "TEA-12": "Released, in 1.3.0, 1 comment",
            "TEA-16": "To Do, in 1.3.0",
            "OPS-1": "Deployed",
        }
    )


def _release_what_does_not_hold(show: Show) -> None:
    stage, demo = show.stage, show.demo
    stage.head(f"Release {NEXT_VERSION}, which will not hold")
    head = commit_more(demo, NEXT)
    listed = "\n".join(f"  {subject}" for subject in subjects(NEXT))
    stage.say(f"{len(NEXT)} more commits are pushed, {head[:12]} is the newest:\n{listed}")
    stage.say(
        "its tests pass, and staging runs it well; but only production's settings have a key `version`,\n"
        "and that is what this version answers when it is asked for its own"
    )
    _release(show, ReleaseState.ROLLED_BACK, NEXT_VERSION, "a discount")
    show.show_running("staging", NEXT_VERSION)
    show.show_running("production", FIRST_VERSION)
    show.show_tag(NEXT_VERSION, "")
    show.show_vendors(
        {"version 1.4.0": "unreleased", "TEA-30": "Done, in 1.4.0", "OPS-2": "Stopped, 1 comment"}
    )


def _release(show: Show, wanted: ReleaseState, version: str, reason: str) -> None:
    """Release through Prefect's REST API and follow it."""
    request = {"project": PROJECT, "requested_by": REQUESTER, "reason": reason}
    post = rest.release_call(show.api_url, request)
    show.stage.say(f"{REQUESTER} releases, with one REST call:\n{post.curl}")
    show.follow(rest.make(post), version, wanted)


@contextmanager
def _cleared(
    folder: Path, station: OwnStation, tokens: list[PendingTokens], stage: Stage
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

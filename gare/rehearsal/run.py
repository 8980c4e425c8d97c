"""A rehearsal from its plan to its end: read the real systems, stand in for them, release there, tell, clean up.

Nothing outside the folder is changed; of the real station only the plan is stored, as `gare plan` does.
"""

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from gare.config.loader import load_station
from gare.domain.counts import counted
from gare.domain.plan import Plan
from gare.own_station import OwnStation, Say, is_ready
from gare.planning.dag import plan_steps
from gare.rehearsal.folder import Backstage
from gare.rehearsal.people import check_votes
from gare.rehearsal.play import Play
from gare.rehearsal.stand_in import StandIn
from gare.rehearsal.story import Story, step_stories
from gare.requests import ReleaseRequest
from gare.sandbox.host import Sandbox
from gare.sandbox.sockets import serving
from gare.wiring import Gare


def rehearse(
    gare: Gare, request: ReleaseRequest, say: Say, *, contracts: Path | None, keeps: bool
) -> Story:
    """Rehearse what is asked for and tell how it went. Nothing is left behind but the folder, when it is kept.

    With the vendors' API descriptions in `contracts`, every request is checked. Raises GareError when it could not be
    carried out; a release that did not hold is no error, its story says so.
    """
    begun = time.monotonic()
    digest, plan = gare.drafting.make(request)
    people = [gare.voter(person.name) for person in gare.station.config.people]
    check_votes(plan, people, request.requested_by)
    say(
        f"{plan.project} {plan.headline}: {counted(len(plan.commits), 'commit')}, plan {digest[:19]}…"
    )
    with _folder(keeps=keeps) as folder:
        backstage = Backstage(gare, gare.project(plan.project), plan, folder)
        readings = backstage.read()
        for name in readings:
            say(f"{name} is read")
        seed = {"vendors": {name: reading.seed for name, reading in readings.items()}}
        sandbox = Sandbox(seed, descriptions=contracts)
        with serving(sandbox.app) as url:
            stood_in = backstage.write(readings, url)
            story = _play(folder, plan, stood_in, sandbox, request.requested_by, say)
    notes = [note for reading in readings.values() for note in reading.notes]
    return replace(
        story,
        plan=digest,
        notes=[*_freezes(gare, plan), *stood_in.notes, *notes],
        seconds=round(time.monotonic() - begun, 1),
        folder=str(folder) if keeps else "",
    )


def _play(
    folder: Path, plan: Plan, stood_in: StandIn, sandbox: Sandbox, requester: str, say: Say
) -> Story:
    """Release on the throw-away station, which is up for as long as that takes."""
    station = OwnStation(folder)
    station.start()
    try:
        gare = Gare(load_station(folder))
        digest = gare.ledger.plans.store(_rehearsed(gare, plan))
        station.wait(is_ready)
        say("a throw-away station is up")
        # Opened again: now it is known where the engine is.
        release = Play(Gare(gare.station), station, sandbox, say).to_the_end(digest, requester)
        records = gare.ledger.releases.steps(release.id)
        events = gare.ledger.database.events(release.id)
    finally:
        station.stop()
    entries = sandbox.journal.entries()
    steps, unplaced = step_stories(plan, records, events, entries, stood_in.replaced)
    return Story(
        project=plan.project,
        version=plan.version,
        state=release.state,
        end=release.end,
        steps=steps,
        unplaced=unplaced,
    )


def _rehearsed(gare: Gare, plan: Plan) -> Plan:
    """Return the real plan with the stand-ins in its steps; commits, tickets, notes and order are the real ones."""
    project = gare.project(plan.project).config
    steps, approvals = plan_steps(
        project, gare.station.config, version=plan.version, tag=plan.tag, tickets=plan.tickets
    )
    source = project.source.model_dump(mode="json") | {"branch": plan.branch}
    return replace(plan, source=source, steps=steps, approvals=approvals)


def _freezes(gare: Gare, plan: Plan) -> Iterator[str]:
    """Say what the real release would wait for now: a rehearsal does not."""
    for one in gare.freezes.ahead(plan):
        if not one.clearance.is_open:
            yield f"{one.clearance}; the real release would wait, a rehearsal does not"


@contextmanager
def _folder(*, keeps: bool) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="gare-rehearsal-")).resolve()
    try:
        yield folder
    finally:
        if not keeps:
            shutil.rmtree(folder, ignore_errors=True)

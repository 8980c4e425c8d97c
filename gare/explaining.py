"""Gathers what is known of a release, from the ledger, the station and the engine, and says why it does not move."""

from gare.command_logs import logs_by_step
from gare.departures import held_by, kept_now
from gare.domain.journey import holds, why_back
from gare.domain.plan import Kind, Plan
from gare.domain.releases import Release
from gare.domain.standing import Hold
from gare.errors import GareError, NotFound
from gare.lookup import as_now, asked, owed_by
from gare.reports.why import explain
from gare.reports.why_view import EngineState, Explanation, Queued, View
from gare.wiring import Gare


def explanation(gare: Gare, release: Release) -> Explanation:
    """Return why a release stands where it stands."""
    release, plan = as_now(gare.ledger, release), gare.plan(release.plan)
    place = gare.ledger.locks.place(release.id) if release.is_moving else None
    queued = None
    if place is not None:
        # Who holds locks does not wait for any: this goes one step deep.
        ids = [holder.release for holder in place.holders]
        before = [gare.ledger.releases.get(release_id) for release_id in ids]
        queued = Queued(place, {one.id: explanation(gare, one) for one in before})
    records = gare.ledger.releases.steps(release.id)
    states = {step: record.state for step, record in records.items()}
    view = View(
        release=release,
        plan=plan,
        records=records,
        asked=asked(gare, release, plan),
        people=[gare.voter(person.name) for person in gare.station.config.people],
        engine=_engine_state(gare, release),
        now=gare.ledger.now(),
        logs=logs_by_step(gare.logs_folder, release.id),
        queued=queued,
        holds=_holds(gare, release, plan),
        ways=gare.freezes.ahead(plan, states, release.id) if release.is_moving else (),
        owed=owed_by(gare.ledger, release) if release.is_closed else (),
        others=_others(gare, release),
        may_come_again=_may_come_again(gare, release),
        kept=kept_now(gare.ledger, release, plan) if release.kind is Kind.TRAIN else None,
        goes_back=why_back(plan, records) if release.kind is Kind.TRAIN else "",
        held=held_by(gare.ledger, release) if release.kind is Kind.TRAIN else "",
    )
    return explain(view)


def _may_come_again(gare: Gare, release: Release) -> bool:
    """Tell whether the train of a member stands for it, and neither has ended nor goes on, or back, without it."""
    if not release.train or not release.is_stopped:
        return False
    train = gare.ledger.releases.get(release.train)
    records = gare.ledger.releases.steps(train.id)
    return not train.is_closed and holds(gare.plan(train.plan), records, release)


def _others(gare: Gare, release: Release) -> dict[str, Explanation]:
    """Return why the releases that a train waits for stand where they stand; they are no trains: one step deep."""
    ids = [wait.release for wait in release.waits if wait.release and release.is_moving]
    return {one: explanation(gare, gare.ledger.releases.get(one)) for one in ids}


def _holds(gare: Gare, release: Release, plan: Plan) -> dict[str, Hold]:
    if release.is_closed:
        return {}
    found = {name: gare.ledger.holds.get(plan.project, name) for name in plan.environments}
    return {name: hold for name, hold in found.items() if hold and hold.keeps(release)}


def _engine_state(gare: Gare, release: Release) -> EngineState:
    if release.is_closed:
        return EngineState()
    try:
        run = gare.engine.run(release.flow_run_id)
    except NotFound:
        if release.is_stopped:
            return EngineState()
        return EngineState(problem="it does not know the run; is this the right station?")
    except GareError as error:
        return EngineState(problem=error.what)
    return EngineState(run.state_type, run.state_name, run.state_message)

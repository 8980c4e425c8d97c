"""The steps of a departure, of who boards in which order. Pure: reads nothing."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gare.config.trains import OnFailure, TrainConfig
from gare.domain.plan import DEPARTURE, Json, Plan, PlannedEffect, PlannedStep, Reversibility
from gare.domain.timetable import Slot

_DAY_S = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Ready:
    """A member that can depart: its own stored plan, and the plan's digest."""

    digest: str
    plan: Plan


@dataclass(frozen=True, slots=True)
class Candidate:
    """A member at the end of boarding: ready, or why not. `is_empty`: it has nothing to release."""

    project: str
    ready: Ready | None = None
    reason: str = ""
    is_empty: bool = False
    warnings: tuple[str, ...] = ()
    version: "Named | None" = None


@dataclass(frozen=True, slots=True)
class Named:
    """The version by which a train boards, as one tracker calls it; `tracker` are its settings."""

    name: str
    tracker: Json


@dataclass(frozen=True, slots=True)
class Boarding:
    """Who departs, each with the members that must arrive before, and who is left out for which reason."""

    members: Mapping[str, tuple[str, ...]]
    left_out: Mapping[str, str]


def steps_of(
    train: TrainConfig,
    slot: Slot,
    boarding: Boarding,
    plans: Mapping[str, Ready],
    versions: Mapping[str, Named | None],
    refusal: str,
) -> Iterable[PlannedStep]:
    """Yield the steps in an order in which they can be done."""
    places = [place.model_dump(mode="json") for place in train.announce]
    departs = {"at": slot.departs_at.isoformat(), "places": places}
    yield PlannedStep("plan", "plan", "Board")
    before: tuple[str, ...] = ("plan",)
    if train.notice is not None and places and not refusal:
        settings = {"places": places, "at": (slot.departs_at - train.notice).isoformat()}
        yield PlannedStep("notice", "notice", "Announce the departure", before, settings=settings)
    if train.go is not None and not refusal:
        yield PlannedStep("go", "approve", "Go or no go", before, environment=DEPARTURE)
        before = ("go",)
    if train.notice is not None and places and not refusal:
        before = (*before, "notice") if before != ("plan",) else ("notice",)
    yield PlannedStep("leave", "leave", "Depart", before, settings=departs)
    last = ["leave"]
    for step in () if refusal else _members(train, boarding, plans):
        last.append(step.id)
        yield step
    if trackers := [] if refusal else _trackers(versions):
        asked = train.board.version.replace("{date}", slot.name[:10]) if train.board else ""
        yield PlannedStep(
            "version", "version", f"Release {asked} where tickets live", tuple(last), retries=2,
            settings={"version": asked, "trackers": trackers},
            effects=tuple(
                PlannedEffect(f"release version {one['version']}", _place(one), Reversibility.REVERSIBLE)
                for one in trackers
            ),
            reversibility=Reversibility.REVERSIBLE,
        )  # fmt: skip
        last = ["version"]
    yield PlannedStep("arrival", "arrival", "Arrive", tuple(last), settings={"places": places})
    yield PlannedStep("close", "close", "Close", ("arrival",))


def _place(tracker: Json) -> str:
    """Name the tracker that a version is released in, and whose tickets are there."""
    members = ", ".join(tracker["members"])
    project = tracker["settings"].get("project", "")
    return f"Jira {project}, for {members}" if project else members


def _trackers(versions: Mapping[str, Named | None]) -> list[Json]:
    """Return each version of a tracker once, with the members that have tickets in it."""
    found: list[Json] = []
    for name, version in versions.items():
        if version is None:
            continue
        same = {"version": version.name, "settings": version.tracker}
        there = next((one for one in found if same.items() <= one.items()), None)
        if there is None:
            found.append({**same, "members": [name]})
        else:
            there["members"].append(name)
    return found


def _members(
    train: TrainConfig, boarding: Boarding, plans: Mapping[str, Ready]
) -> Iterable[PlannedStep]:
    for name, needs in boarding.members.items():
        member = {"member": name, "needs": list(needs), "plan": plans[name].digest}
        effect = _effect(plans[name].plan)
        yield PlannedStep(
            f"depart-{name}", "depart", f"{name} departs", ("leave", *(f"arrive-{n}" for n in needs)),
            settings=member, retries=2, effects=(effect,), reversibility=effect.reversibility,
        )  # fmt: skip
        yield PlannedStep(
            f"arrive-{name}", "arrive", f"{name} arrives", (f"depart-{name}",),
            settings=member, retries=2, timeout_s=_DAY_S,
        )  # fmt: skip
    if train.on_failure is OnFailure.ROLL_BACK:
        yield from _way_back(boarding, plans)


def _way_back(boarding: Boarding, plans: Mapping[str, Ready]) -> Iterable[PlannedStep]:
    """Yield a step for each member: it goes back when a member has failed, after those that need it."""
    settled = tuple(f"arrive-{name}" for name in boarding.members)
    yield PlannedStep("turn", "turn", "Go back if a member has failed", settled)
    for name in reversed(list(boarding.members)):
        needing = [other for other, needs in boarding.members.items() if name in needs]
        environments = list(reversed(plans[name].plan.environments))
        yield PlannedStep(
            f"return-{name}", "return", f"{name} goes back if a member fails",
            ("turn", *(f"return-{other}" for other in needing)),
            settings={"member": name, "environments": environments}, retries=2,
        )  # fmt: skip


def _effect(plan: Plan) -> PlannedEffect:
    ranks = list(Reversibility)
    worst = max(
        (effect.reversibility for effect in plan.effects), key=ranks.index, default=ranks[0]
    )
    return PlannedEffect(
        f"release {plan.project} {plan.version}", ", ".join(plan.environments), worst,
        f"{len(plan.effects)} changes outside, by its own plan",
    )  # fmt: skip

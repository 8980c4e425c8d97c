"""Shows a train's members in the engine's UI; anew whenever its run has looked at them and goes to sleep or ends."""

from prefect.logging import get_run_logger

from gare.domain.journey import journey, why_back
from gare.domain.releases import Release
from gare.errors import ConnectorError
from gare.reports.train import train_page
from gare.wiring import Gare

_shown: dict[str, str] = {}
"""The page that this process has shown last, by release: looking twice shows nothing twice."""


def show_train(gare: Gare, release: Release) -> None:
    """Show where the members stand; a train does not fail for a page that cannot be shown."""
    plan, releases = gare.plan(release.plan), gare.ledger.releases
    records = releases.steps(release.id)
    members = journey(
        plan,
        records,
        releases.members(release.id),
        release.waits,
        gare.ledger.locks.places(),
        is_over=release.is_closed,
    )
    page = train_page(release, plan, members, why_back(plan, records))
    if _shown.get(release.id) == page:
        return
    key, title = f"{release.id.lower()}-train", "Members of the train"
    try:
        gare.engine.publish(release.flow_run_id, key, page, title)
    except ConnectorError as error:
        get_run_logger().warning("The members are shown later: %s", error)
        return
    _shown[release.id] = page

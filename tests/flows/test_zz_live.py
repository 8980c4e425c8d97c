import json
from datetime import UTC, datetime, timedelta

import pytest
from test_train import Train, make_train  # noqa: F401
from waiting import wait_until

from gare.domain.releases import ReleaseState

pytestmark = pytest.mark.engine


def test_live(make_train):  # noqa: F811
    train = make_train("api", "web")
    at = datetime.now(UTC) + timedelta(minutes=3)
    train.write(
        f"schedule: {{cron: '{at.minute} {at.hour} * * *', zone: UTC}}\ncut_off: 2m\nnotice: 1m\n"
        "go: {groups: {managers: 1}}\n"
        f"announce: [{{type: file, path: {train.name}.md}}]\n"
    )
    print(train.run("apply"))
    print(train.run("list"))
    print(train.run("status", train.name))
    wait_until(lambda: train.departures(), timeout_s=240)
    departure = train.departures()[0].id
    print(datetime.now(UTC), departure, train.departures()[0])
    wait_until(lambda: train.release(departure).state is ReleaseState.WAITING)
    print(train.release(departure).waiting)
    print(train.first.run("why", departure))
    train.first.run("approve", departure, person="alice", code=None)
    train.wait_for(departure, ReleaseState.RELEASED)
    print(train.first.run("status", departure))
    print(train.run("status", departure))
    print((train.first.root / f"{train.name}.md").read_text())
    print(json.dumps(train.first.gare().ledger.releases.steps(departure)["arrival"].value, indent=1))
    opened = {one.opened_at for one in train.first.gare().ledger.releases.members(departure)}
    assert min(opened) >= at.replace(second=0, microsecond=0)

"""What the engine makes of a train's timetable: its own schedule objects board at our instants, in both nights."""

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest
from prefect.server.schemas.schedules import CronSchedule, RRuleSchedule

from gare.config.loader import load_station
from gare.timetables import apply_timetables, schedule_of
from gare.wiring import Gare

TRAIN = (
    "name: {name}\nmembers: [shop]\ncut_off: {cut_off}\nschedule: {{zone: Europe/Paris, {rule}}}\n"
)
NIGHTS = (datetime(2026, 3, 26, tzinfo=UTC), datetime(2026, 10, 22, tzinfo=UTC))


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "station.yaml").write_text("name: station\n")
    (tmp_path / "gare.yaml").write_text("name: shop\nsource: {type: git}\n")
    (tmp_path / "trains").mkdir()
    return tmp_path


def write(root, name: str, rule: str, cut_off: str = "2h") -> None:
    (root / "trains" / f"{name}.yaml").write_text(
        TRAIN.format(name=name, rule=rule, cut_off=cut_off)
    )


@pytest.mark.parametrize(
    ("rule", "cut_off"),
    [
        ("cron: 0 18 * * *", "2h"),
        ("cron: 30 0 * * *", "90m"),
        ("cron: 30 3 * * SUN", "2d 2h"),
        ("rrule: FREQ=WEEKLY;INTERVAL=2, start: '2026-01-04T12:00'", "9h"),
        ("rrule: FREQ=WEEKLY;INTERVAL=3;BYDAY=SU, start: '2026-01-04T01:30'", "3h"),
        ("rrule: FREQ=MONTHLY;BYDAY=-1SU, start: '2026-01-25T18:00'", "12h"),
        ("rrule: FREQ=MONTHLY;BYDAY=-1SU, start: '2026-01-25T18:00'", "1d"),
        ("cron: 0 1 1 * *", "2h"),
    ],
)
def test_the_engine_boards_at_our_instants_on_both_clock_changes(root, rule, cut_off):
    write(root, "night", rule, cut_off)
    gare = Gare(load_station(root))
    train = gare.station.train("night")
    when = schedule_of(gare, train)["schedule"]
    schedule = (CronSchedule if "cron" in when else RRuleSchedule)(**when)
    for night in NIGHTS:
        ours = [
            slot.boards_at
            for slot in islice(train.timetable.after(night + train.config.cut_off), 5)
            if slot.boards_at > night
        ]
        theirs = asyncio.run(schedule.get_dates(n=5, start=night + timedelta(seconds=1)))
        assert [at.astimezone(UTC) for at in theirs][: len(ours)] == ours
        assert len(ours) > 3


class Server:
    """The schedules of one deployment, as the engine keeps them."""

    def __init__(self) -> None:
        self.kept: dict[str, dict] = {}

    def keep_schedules(self, deployment, wanted, *, anew=""):
        assert deployment == "train/gare"
        self.kept = dict(wanted)
        return sorted(wanted)


def test_each_train_with_a_timetable_has_one_schedule_with_its_own_parameters(root):
    write(root, "weekly", "cron: 0 10 * * 2")
    (root / "trains" / "by-hand.yaml").write_text("name: by-hand\nmembers: [shop]\n")
    gare, server = Gare(load_station(root)), Server()
    gare.__dict__["engine"] = server
    gare.ledger.trains.stop("weekly", "R-1: shop failed", actor="gare")
    assert apply_timetables(gare) == ["weekly"]
    assert server.kept["weekly"] == {
        "schedule": {"cron": "0 8 * * TUE", "timezone": "Europe/Paris"},
        "active": False,
        "parameters": {
            "request": {
                "name": "weekly",
                "slot": "timetable",
                "plan": "",
                "requested_by": "",
                "reason": "",
            }
        },
    }

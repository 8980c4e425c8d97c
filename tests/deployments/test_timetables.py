"""What the engine makes of a train's timetable: its own schedule objects board at our instants, in both nights."""

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest
from prefect.server.schemas.schedules import CronSchedule, RRuleSchedule

from gare.config.loader import load_station
from gare.engine import Schedule
from gare.errors import NotFound, Refused
from gare.timetables import apply_timetables, differences, restore_schedules, wanted_of
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
    when = wanted_of(gare, train).when
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
    """The schedules of one deployment, as the engine keeps them: it forgets parameters that are not sent along."""

    def __init__(self) -> None:
        self.kept: dict[str, dict] = {}
        self.said = ""

    def schedules(self, deployment):
        assert deployment == "train/gare"
        return [
            Schedule(
                slug, slug, one["schedule"] | {"day_or": True}, one["parameters"], one["active"]
            )
            for slug, one in self.kept.items()
        ]

    def make_schedule(self, deployment, slug, fields):
        assert slug not in self.kept
        self.kept[slug] = dict(fields)

    def change_schedule(self, schedule, *, active, parameters):
        self.kept[schedule.slug] |= {"active": active, "parameters": parameters}

    def drop_schedule(self, schedule):
        del self.kept[schedule.slug]

    def add_to_description(self, deployment, heading, text):
        self.said = text

    def turn(self, slug: str, *, active: bool) -> None:
        """Pause it, or let it go on, as a person does in the engine's UI."""
        self.kept[slug] |= {"active": active, "parameters": {}}


class Wired:
    """A station with its trains and an engine's server; the files are read afresh each time, as a command does."""

    def __init__(self, root) -> None:
        self.root, self.server = root, Server()

    def gare(self) -> Gare:
        gare = Gare(load_station(self.root, leave_out_broken=True))
        gare.__dict__["engine"] = self.server
        return gare

    def apply(self, anew: str = "") -> list[str]:
        return apply_timetables(self.gare(), anew=anew)

    def stands(self, slug: str = "weekly") -> tuple[bool, str]:
        """Tell whether a schedule is active, and for which train it starts a run."""
        one = self.server.kept[slug]
        return one["active"], one["parameters"].get("request", {}).get("name", "")


@pytest.fixture
def wired(root) -> Wired:
    write(root, "weekly", "cron: 0 10 * * 2")
    made = Wired(root)
    made.apply()
    return made


def test_each_train_with_a_timetable_has_one_schedule_with_its_own_parameters(root, wired):
    (root / "trains" / "by-hand.yaml").write_text("name: by-hand\nmembers: [shop]\n")
    assert wired.apply() == []
    assert wired.server.kept == {
        "weekly": {
            "schedule": {"cron": "0 8 * * TUE", "timezone": "Europe/Paris"},
            "active": True,
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
    }
    assert wired.server.said == (
        "- **weekly**: `0 10 * * TUE` in Europe/Paris, boarding ends 2h before"
    )


def test_a_train_that_stands_still_has_its_schedule_paused_with_all_that_it_starts(wired):
    wired.gare().ledger.trains.stop("weekly", "R-1: shop failed", actor="gare")
    assert wired.apply() == ["weekly paused"]
    assert wired.stands() == (False, "weekly")
    wired.gare().ledger.trains.resume("weekly", person="alice")
    assert wired.apply() == ["weekly goes on"]
    assert wired.stands() == (True, "weekly")


def test_a_schedule_that_a_person_has_paused_in_the_engine_stays_paused_and_keeps_its_train(wired):
    wired.server.turn("weekly", active=False)
    assert wired.apply() == []
    assert wired.stands() == (False, "weekly")
    wired.gare().ledger.trains.stop("weekly", "R-1: shop failed", actor="gare")
    wired.apply()
    wired.gare().ledger.trains.resume("weekly", person="alice")
    assert wired.apply() == []
    assert wired.stands() == (False, "weekly")
    assert list(differences(wired.gare())) == [("weekly", "is paused in the engine")]
    assert wired.apply(anew="weekly") == ["weekly registered"]
    assert wired.stands() == (True, "weekly")


def test_a_schedule_that_a_person_lets_go_on_in_the_engine_knows_its_train_again(wired):
    wired.server.turn("weekly", active=True)
    assert wired.stands() == (True, "")
    assert restore_schedules(wired.gare()) == ["the schedule of weekly knows its train again"]
    assert wired.stands() == (True, "weekly")
    assert restore_schedules(wired.gare()) == []


def test_another_timetable_does_not_let_a_schedule_go_on_that_a_person_has_paused(root, wired):
    wired.server.turn("weekly", active=False)
    write(root, "weekly", "cron: 0 11 * * 2")
    assert wired.apply() == ["weekly registered"]
    assert wired.stands() == (False, "weekly")
    assert wired.server.kept["weekly"]["schedule"]["cron"] == "0 9 * * TUE"


def test_a_train_whose_file_is_wrong_keeps_its_last_good_schedule_and_one_that_is_gone_loses_it(
    root, wired
):
    write(root, "weekly", "cron: 0 10 * *")
    assert wired.apply() == []
    assert wired.stands() == (True, "weekly")
    assert list(differences(wired.gare())) == []
    (root / "trains" / "weekly.yaml").unlink()
    assert list(differences(wired.gare())) == [
        ("weekly", "has a schedule in the engine, and no file any more")
    ]
    assert wired.apply() == ["weekly removed"]


def test_a_wrong_key_in_a_members_file_takes_no_schedule_away(root, wired):
    (root / "gare.yaml").write_text("name: shop\nsource: {type: git}\nbiuld: {}\n")
    assert wired.apply() == []
    assert list(wired.gare().station.trains) == ["weekly"]


def test_a_schedule_that_the_engine_lost_is_told(wired):
    wired.server.kept.clear()
    assert list(differences(wired.gare())) == [("weekly", "has no schedule in the engine")]


class Raced(Server):
    """The engine of somebody whose schedules another apply has made in between, by a timetable of its own."""

    def __init__(self, cron: str) -> None:
        super().__init__()
        self.cron = cron

    def make_schedule(self, deployment, slug, fields):
        self.kept[slug] = {**fields, "schedule": {**fields["schedule"], "cron": self.cron}}
        raise Refused("Cannot make the schedule: Data integrity conflict.")


def test_two_that_apply_the_same_files_at_once_both_have_done_it(wired):
    wired.server = Raced("0 8 * * TUE")
    assert wired.apply() == ["weekly registered"]
    assert wired.apply() == []


def test_who_meets_another_apply_of_other_files_is_asked_to_do_it_again(wired):
    wired.server = Raced("0 9 * * TUE")
    with pytest.raises(Refused, match="another `gare train apply` is under way") as caught:
        wired.apply()
    assert caught.value.hint == "Do it again."


def test_a_schedule_that_another_apply_has_taken_away_is_gone(root, wired):
    class Gone(Server):
        def drop_schedule(self, schedule):
            raise NotFound("Cannot remove the schedule: the Prefect server does not know it.")

    gone = Gone()
    gone.kept = wired.server.kept
    wired.server = gone
    (root / "trains" / "weekly.yaml").unlink()
    assert wired.apply() == ["weekly removed"]

"""What `gare train` says with the station down: trains, slots, holds, members of a departure."""

import json
import subprocess
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from departing import Engine
from weekly import STATION, TRAIN

from gare.cli.app import run
from gare.cli.train_members import release_again
from gare.config.loader import load_station
from gare.doctor.check import Site, Status
from gare.doctor.trains import timetables
from gare.domain.releases import ReleaseState, StepState
from gare.requests import BOARDING, TrainRequest
from gare.wiring import Gare


@pytest.fixture
def departure(station: Gare) -> str:
    """Board the train; its first member has departed and its release stands still."""
    request = TrainRequest(name="weekly")
    digest, plan = station.drafting.make(request)
    releases = station.ledger.releases
    opened = releases.open(digest, plan, "run-1", "alice", "", request.model_dump())
    for step in ("plan", "leave", "depart-api"):
        releases.begin_step(opened.id, step, actor="test")
        releases.end_step(opened.id, step, StepState.DONE, value={"run": "run-2"}, actor="test")
    member = plan.details["members"][0]
    own = releases.open(
        member["plan"], station.plan(member["plan"]), "run-2", "", "", {"train": opened.id}
    )
    releases.mark(own.id, ReleaseState.FAILED, actor="gare", end="step build failed: no")
    return opened.id


def next_slots(say) -> list[str]:
    page = json.loads(say("status", "weekly", "--json")[1])
    return [one["slot"] for one in page["departures"]]


def slots_ahead(station: Gare, count: int) -> list[str]:
    timetable = station.station.train("weekly").timetable
    return [slot.name for slot in islice(timetable.after(station.ledger.now()), count)]


def test_a_train_is_listed_with_its_next_departure(say):
    slot = next_slots(say)[0]
    code, said = say("list")
    assert code == 0
    assert f"weekly  2        {slot} Europe/Paris" in said


def test_a_plan_tells_who_departs_in_which_order(say):
    code, said = say("plan", "weekly")
    assert code == 0
    assert said.index("api     0.1.0") < said.index("web     0.1.0")
    assert "a member that fails: hold; at once: 10" in said
    assert "gare train depart weekly --plan sha256:" in said


ALL_DAY = "[monday, tuesday, wednesday, thursday, friday, saturday]"


def test_a_freeze_over_the_departure_is_told_by_the_plan_and_by_the_status(say, station):
    with (station.station.root / "station.yaml").open("a") as file:
        file.write(f"freezes: [{{name: fair, days: {ALL_DAY}, projects: [web]}}]\n")
    code, said = say("plan", "weekly")
    assert code == 0
    assert said.startswith(
        "at the departure: web: production is closed: the freeze fair in station.yaml; opens "
    )
    [told] = json.loads(say("plan", "weekly", "--json")[1])["freezes"]
    assert told["members"] == ["web"]
    page = json.loads(say("status", "weekly", "--json")[1])
    assert [one["closed_by"] for one in page["departures"]] == ["fair"] * 3
    assert "closed by" in say("status", "weekly")[1]


def test_a_slot_is_skipped_and_restored(say):
    slot = next_slots(say)[1]
    assert say("skip", "weekly", slot, "--reason", "a fair") == (
        0,
        f"weekly does not depart at {slot}.\n",
    )
    assert "skipped by alice: a fair" in say("status", "weekly")[1]
    assert (
        "it does not depart: skipped by alice: a fair" in say("plan", "weekly", "--slot", slot)[1]
    )
    assert say("unskip", "weekly", slot) == (0, f"weekly departs at {slot}.\n")
    code, said = say("unskip", "weekly", slot)
    assert (code, f"{slot} of weekly is not skipped." in said) == (3, True)


def test_the_list_names_the_departure_after_those_that_are_skipped(say):
    first, second, third = next_slots(say)
    for slot in (first, second):
        say("skip", "weekly", slot)
    [line] = [one for one in say("list")[1].splitlines() if one.startswith("weekly")]
    assert line.split()[2] == third
    assert f"({first}, {second} are skipped)" in line


def test_a_train_that_stands_still_is_a_short_line_with_the_reason_below(say, station):
    station.ledger.trains.stop("weekly", "R-1: api failed: no\nbroken file is here", actor="gare")
    [line, below] = [one for one in say("list")[1].splitlines() if one.startswith("weekly")]
    assert line.split(maxsplit=2)[2].strip() == "stands still"
    assert below == "weekly stands still: R-1: api failed: no …; gare train resume weekly"


def test_a_slot_may_be_written_otherwise_and_is_skipped_as_the_train_knows_it(say, station):
    slot = next(one for one in slots_ahead(station, 60) if one[8] == "0" or one[5] == "0")
    odd = slot.replace("-0", "-")
    assert say("skip", "weekly", odd) == (0, f"weekly does not depart at {slot}.\n")
    assert list(station.ledger.trains.skips("weekly")) == [slot]
    assert say("unskip", "weekly", odd) == (0, f"weekly departs at {slot}.\n")


@pytest.mark.parametrize("word", ["skip", "unskip"])
def test_the_word_of_a_schedule_is_no_departure(say, word):
    code, said = say(word, "weekly", "timetable")
    assert (code, "timetable is no time of a departure." in said) == (2, True)


@pytest.fixture
def boarding_ended(station: Gare) -> str:
    """Let boarding of the next departure have ended, a minute before it; return the departure."""
    now = station.ledger.now()
    # Not where clocks change: no departure is planned for that hour.
    zone = "Asia/Tokyo" if now.hour < 5 else "UTC"
    at = (now + timedelta(minutes=30)).astimezone(ZoneInfo(zone))
    rule = f"rrule: FREQ=DAILY, start: '{at:%Y-%m-%dT%H:%M}', zone: {zone}"
    text = TRAIN.replace("cron: 0 10 * * 2, zone: Europe/Paris", rule) + "cut_off: 1h\n"
    (station.station.root / "trains" / "weekly.yaml").write_text(text)
    return at.strftime("%Y-%m-%dT%H%M")


def test_a_slot_restored_after_boarding_has_ended_says_that_nobody_has_boarded(say, boarding_ended):
    say("skip", "weekly", boarding_ended)
    code, said = say("unskip", "weekly", boarding_ended)
    assert code == 0
    assert said == (
        f"Nobody has boarded for {boarding_ended}: boarding ended meanwhile. "
        f"`gare train board weekly --slot {boarding_ended}` boards now.\n"
    )


def test_a_schedule_that_goes_on_after_boarding_has_ended_says_that_nobody_has_boarded(
    say, boarding_ended
):
    say("hold", "weekly")
    said = say("resume", "weekly")[1]
    assert "weekly departs by its timetable." in said
    assert "Nobody has boarded for " in said


class Runs(ThreadingHTTPServer):
    """An engine that has the train's deployment, with these schedules and runs under way."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Asked)
        self.runs: list[dict] = []
        self.schedules: list[dict] = []
        self.made: list[str] = []


class _Asked(BaseHTTPRequestHandler):
    server: Runs

    def do_GET(self) -> None:
        there = self.server.schedules
        self._answer({"id": "d-1", "schedules": there, "description": ""})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path.endswith("/schedules"):
            self.server.made += [one["slug"] for one in body]
        self._answer(self.server.runs if self.path.endswith("/flow_runs/filter") else {})

    do_PATCH = do_POST

    def _answer(self, body: object) -> None:
        text = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def runs(station, monkeypatch) -> Iterator[Runs]:
    """Let an engine be up."""
    with Runs() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("PREFECT_API_URL", f"http://127.0.0.1:{server.server_port}/api")
        yield server
        server.shutdown()


def has_nobody(say) -> tuple[list[str], str]:
    """Return the departures for which nobody has boarded, and the next one."""
    [line], _ = json.JSONDecoder().raw_decode(say("list", "--json")[1])
    return line["unboarded"], line["next"]


def test_a_train_that_came_after_its_boarding_says_so_and_departs_at_the_slot_after_it(
    say, station, boarding_ended
):
    after = slots_ahead(Gare(load_station(station.station.root)), 2)[1]
    todo = f"nobody has boarded for {boarding_ended}: `gare train board weekly --slot {boarding_ended}`"
    assert has_nobody(say) == ([boarding_ended], after)
    code, said = say("list")
    assert (code, after in said, f"weekly: {todo}" in said) == (0, True, True)
    said = say("status", "weekly")[1]
    assert todo in said
    assert [line.count("nobody has boarded") for line in said.splitlines()[2:4]] == [1, 0]


@pytest.mark.parametrize("what", ["skip", "hold", "release"])
def test_a_departure_that_people_keep_or_that_has_boarded_is_not_said_to_have_nobody(
    say, boarding_ended, what
):
    gare = Gare(load_station())
    if what == "skip":
        say("skip", "weekly", boarding_ended)
    elif what == "hold":
        say("hold", "weekly")
    else:
        digest, plan = gare.drafting.make(TrainRequest(name="weekly", slot=boarding_ended))
        gare.ledger.releases.open(digest, plan, "run-1", "", "")
    assert has_nobody(say)[0] == []


@pytest.mark.parametrize(
    ("name", "train", "is_boarding"),
    [
        ("train:weekly SLOT", "weekly", True),
        ("gracious-owl", "weekly", True),
        ("train:weekly 2026-01-06T1000", "weekly", False),
        ("gracious-owl", "other", False),
    ],
)
def test_a_run_of_the_train_that_is_under_way_may_still_board(
    say, boarding_ended, runs, name, train, is_boarding
):
    named = name.replace("SLOT", boarding_ended)
    runs.runs = [{"name": named, "parameters": {"request": {"name": train}}}]
    assert has_nobody(say)[0] == ([] if is_boarding else [boarding_ended])


def test_the_doctor_warns_of_a_departure_for_which_nobody_has_boarded(
    station, boarding_ended, runs
):
    class Up(Site):
        record = object()

    found = list(timetables(Up(load_station())))
    assert f"Nobody has boarded the train weekly for {boarding_ended}" in [
        one.what for one in found
    ]


def test_what_is_good_is_listed_and_applied_though_another_file_is_wrong(say, station, runs):
    (station.station.root / "trains" / "odd.yaml").write_text("name: odd\nmembres: [web]\n")
    for word in ("list", "apply"):
        code, said = say(word)
        assert code == 2
        assert "odd has no timetable until its file is right: trains/odd.yaml:2: membres: " in said
        assert "weekly" in said
    assert runs.made == ["weekly"]
    runs.schedules = [schedule_of("odd", "0 10 * * TUE"), schedule_of("weekly", "0 10 * * TUE")]
    code, said = say("apply")
    assert code == 2
    assert "odd keeps its last good timetable: trains/odd.yaml:2: membres: this key" in said


def test_the_timetable_of_a_wrong_file_is_not_guessed_while_the_station_is_down(say, station):
    (station.station.root / "trains" / "odd.yaml").write_text("name: odd\nmembres: [web]\n")
    code, said = say("list")
    assert (code, "timetable" in said.partition("odd ")[2].partition(":")[0]) == (2, False)
    assert "odd is left as it is in the engine: trains/odd.yaml:2: membres: " in said


def schedule_of(name: str, cron: str) -> dict:
    """A schedule as the engine tells it, with the parameters that ours have."""
    request = TrainRequest(name=name, slot=BOARDING).model_dump(mode="json")
    return {
        "id": f"s-{name}", "slug": name, "active": True, "parameters": {"request": request},
        "schedule": {"cron": cron, "timezone": "Europe/Paris"},
    }  # fmt: skip


def test_an_apply_says_that_it_changed_nothing_and_which_trains_have_no_timetable(
    say, station, runs
):
    (station.station.root / "trains" / "hand.yaml").write_text("name: hand\nmembers: [web]\n")
    hand = "hand has no timetable: `gare train depart hand` departs.\n"
    assert say("apply") == (0, f"weekly registered\n{hand}")
    runs.schedules = [schedule_of("weekly", "0 10 * * TUE")]
    nothing = "The schedules are those of the files already: nothing was changed.\n"
    assert say("apply") == (0, f"{nothing}{hand}")


def test_the_doctor_does_not_call_the_timetable_of_a_train_good_that_stands_still(
    say, station, runs
):
    class Up(Site):
        record = object()

    runs.schedules = [schedule_of("weekly", "0 10 * * TUE")]
    assert [one.what for one in timetables(Up(load_station()))] == ["Timetables of weekly"]
    station.ledger.trains.stop("weekly", "R-4: api failed: build failed: 1\nTraceback", actor="x")
    [found] = timetables(Up(load_station()))
    assert (found.status, found.what, found.todo) == (
        Status.WARN,
        "The train weekly stands still: R-4: api failed: build failed: 1",
        "`gare train resume weekly`.",
    )


def test_instants_are_told_in_the_trains_zone_with_utc_in_brackets(say, station):
    plan = say("plan", "weekly", "--slot", "2026-11-24T1000")[1]
    at = "2026-11-24 10:00 Europe/Paris (09:00 UTC)"
    assert f"boarding ends {at}, departure {at}" in plan
    slot = slots_ahead(station, 1)[0]
    day, utc = slot[:10], " UTC)"
    [line] = [one for one in say("status", "weekly")[1].splitlines() if one.startswith(slot)]
    assert f"{day} 10:00 Europe/Paris (0" in line
    assert utc in line
    night = TRAIN.replace("0 10 * * 2", "30 0 * * 2")
    (station.station.root / "trains" / "weekly.yaml").write_text(night)
    plan = say("plan", "weekly", "--slot", "2026-11-24T0030")[1]
    assert "departure 2026-11-24 00:30 Europe/Paris (2026-11-23 23:30 UTC)" in plan


def test_a_train_without_a_timetable_has_nothing_to_board_for(say, station):
    hand = station.station.root / "trains" / "hand.yaml"
    hand.write_text("name: hand\nmembers: [web]\n")
    code, said = say("board", "hand")
    assert code == 3
    assert "`gare train depart hand` boards and departs at once." in said


def test_a_timetable_that_has_ended_is_not_called_by_hand(say, station):
    old = station.station.root / "trains" / "old.yaml"
    rule = "FREQ=DAILY;UNTIL=20200201"
    old.write_text(
        f"name: old\nmembers: [web]\nschedule: {{rrule: {rule}, start: '2020-01-01T10:00', zone: UTC}}\n"
    )
    assert "none ahead: its timetable has ended" in say("list")[1]


def test_a_train_that_stands_still_can_be_planned_all_the_same(say):
    say("hold", "weekly", "--reason", "a strike")
    code, said = say("plan", "weekly")
    assert code == 0
    assert "it does not depart: the schedule stands still: held by alice: a strike" in said
    assert said.index("api     0.1.0") < said.index("web     0.1.0")


def test_trains_whose_files_are_wrong_are_no_reason_to_say_that_there_are_none(say, station):
    (station.station.root / "trains" / "weekly.yaml").write_text(TRAIN + "cutoff: 2h\n")
    code, said = say("list")
    assert code == 2
    assert "cutoff: this key is not known" in said
    assert "no train yet" not in said


def test_a_member_whose_file_is_wrong_is_left_out_with_file_and_line(say, station):
    with (station.station.root / "api" / "gare.yaml").open("a") as file:
        file.write("biuld: {}\n")
    code, said = say("plan", "weekly")
    assert code == 0
    assert "left out: api: api/gare.yaml:4: biuld: this key is not known." in said
    assert "left out: web: needs api, which does not board" in said
    assert "api boards no train: api/gare.yaml:4: biuld" in say("list")[1]


@pytest.mark.parametrize("slot", ["2020-01-07T1000", "2026-12-24T1000"])
def test_only_departures_ahead_of_the_timetable_are_skipped(say, slot):
    code, said = say("skip", "weekly", slot)
    assert code == 3
    assert f"weekly has no departure at {slot} ahead." in said
    assert next_slots(say)[0] in said


def test_a_schedule_is_held_and_goes_on_though_the_engine_is_away(say):
    code, said = say("hold", "weekly", "--reason", "a strike")
    assert code == 0
    assert "weekly does not depart by its timetable." in said
    assert "follows at the next start" in said
    assert "stands still: held by alice: a strike" in say("list")[1]
    assert "weekly departs by its timetable." in say("resume", "weekly")[1]
    assert "stands still" not in say("list")[1]


def test_a_train_without_a_timetable_is_not_said_to_depart_by_it(station, say):
    (station.station.root / "trains" / "weekly.yaml").write_text("name: weekly\nmembers: [api]\n")
    said = say("resume", "weekly")[1]
    assert "weekly has no timetable: `gare train depart weekly` departs. It did not stand" in said


def test_the_members_of_a_departure_are_told(say, departure):
    code, said = say("status", departure)
    assert code == 0
    assert "0 of 2 members have arrived" in said
    assert "api     0.1.0    held     R-2      R-2 failed: step build failed: no" in said
    assert "web     0.1.0    boarded" in said


@pytest.mark.parametrize(
    ("words", "reason", "undo"),
    [
        (("skip", "weekly", "SLOT", "--reason", "a fair"), "skipped by alice: a fair", "unskip weekly SLOT"),
        (("hold", "weekly"), "the schedule stands still: held by alice", "resume weekly"),
    ],
)  # fmt: skip
def test_a_train_that_has_boarded_and_is_kept_from_its_departure_says_so(
    say, station, capsys, words, reason, undo
):
    request = TrainRequest(name="weekly", slot=next_slots(say)[0])
    digest, plan = station.drafting.make(request)
    boarded = station.ledger.releases.open(
        digest, plan, "run-1", "alice", "", request.model_dump()
    ).id
    assert "does not depart" not in say("status", boarded)[1]
    assert say(*(word.replace("SLOT", plan.version) for word in words))[0] == 0
    undo = f"gare train {undo.replace('SLOT', plan.version)}"
    assert f"does not depart: {reason}; {undo}\n" in say("status", boarded)[1]
    run(["why", boarded])
    why = capsys.readouterr().out
    assert f"1. It does not depart: {reason}\n" in why
    assert f"do:   `{undo}`" in why
    station.ledger.releases.begin_step(boarded, "leave", actor="test")
    station.ledger.releases.end_step(boarded, "leave", StepState.DONE, actor="test")
    assert "does not depart" not in say("status", boarded)[1]


def test_who_was_on_board_of_a_cancelled_train_did_not_depart(say, station, departure):
    station.ledger.releases.mark(
        departure, ReleaseState.CANCELLED, actor="alice", end="cancelled by alice: a fair"
    )
    said = say("status", departure)[1]
    assert said.splitlines()[0].endswith(": cancelled by alice: a fair")
    assert "web     0.1.0    did not depart" in said


def test_a_member_that_did_not_fail_is_neither_left_out_nor_released_again(say, departure):
    for option in ("--without", "--again"):
        code, said = say("resume", departure, option, "web")
        assert code == 3
        assert f"web is boarded of {departure}, which is running." in said


def test_a_member_that_is_on_its_way_is_not_released_again(say, departure, station):
    station.ledger.releases.mark("R-2", ReleaseState.RUNNING, actor="alice")
    code, said = say("resume", departure, "--again", "api")
    assert code == 3
    assert "R-2 of api is on its way." in said


def test_each_time_a_member_is_asked_for_again_is_a_run_of_its_own(station, departure):
    engine = Engine()
    station.__dict__["engine"] = engine
    train = station.ledger.releases.get(departure)
    for reason in ("mended", "mended", "really mended"):
        release_again(station, train, "api", person="alice", reason=reason)
    keys = [one["key"] for one in engine.started]
    assert keys == [f"train {departure} api again {number}" for number in (1, 2, 3)]


def test_what_is_still_wrong_with_a_member_is_said_before_it_is_released_again(
    say, departure, station
):
    subprocess.run(["git", "tag", "v0.1.0"], cwd=station.station.root / "api", check=True)
    code, said = say("resume", departure, "--again", "api")
    assert code == 3
    assert "Nothing to release: there is no commit since 0.1.0." in said
    assert station.ledger.releases.get("R-2").state is ReleaseState.FAILED


def test_a_release_of_a_project_is_no_train(say, departure):
    code, said = say("status", "R-2")
    assert code == 3
    assert "R-2 is a release of api, no train." in said


def test_holding_needs_a_name(say, monkeypatch):
    monkeypatch.delenv("GARE_TOKEN")
    code, said = say("hold", "weekly")
    assert code == 4
    assert "GARE_TOKEN" in said


def test_a_slot_that_cannot_be_is_said_with_its_option(say):
    code, said = say("plan", "weekly", "--slot", "tomorrow")
    assert code == 2
    assert "--slot 'tomorrow' cannot be used." in said


RIGHTS = "rights: {train: [conductors], release: [managers]}\n"


@pytest.fixture
def ruled(station, monkeypatch):
    """Let trains be for conductors, and releases for managers; give the way to be somebody."""
    people = (
        "  - {name: bob, email: bob@example.org}\n"
        "  - {name: carol, email: carol@example.org, groups: [conductors]}\n"
        "  - {name: dan, email: dan@example.org, groups: [conductors, managers]}\n"
    )
    text = STATION.replace("environments:", people + RIGHTS + "environments:", 1)
    (station.station.root / "station.yaml").write_text(text)

    def act_as(name: str) -> None:
        if not name:
            monkeypatch.delenv("GARE_TOKEN")
            return
        monkeypatch.setenv("GARE_TOKEN", station.ledger.tokens.create(name, actor="test"))

    return act_as


@pytest.mark.parametrize(
    "words",
    [
        ("hold", "weekly"),
        ("resume", "weekly"),
        ("hold", "R-1"),
        ("resume", "R-1", "--without", "api"),
        ("resume", "R-1", "--again", "api"),
        ("depart", "weekly"),
        ("board", "weekly"),
    ],
)
def test_only_who_may_steer_trains_does(say, departure, ruled, words):
    ruled("bob")
    code, said = say(*words)
    assert code == 4
    assert "bob may not steer trains." in said
    assert "station.yaml: rights.train" in said


def test_who_may_steer_trains_skips_and_holds(say, ruled):
    ruled("carol")
    assert say("hold", "weekly")[0] == 0
    assert say("skip", "weekly", next_slots(say)[0])[0] == 0


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "Who has no token in GARE_TOKEN may not steer trains."),
        ("carol", "carol may not start a release of web."),
        ("dan", "No station is up here."),
    ],
)
def test_a_departure_asks_for_the_right_to_release_every_member(say, ruled, name, said):
    ruled(name)
    for word in ("depart", "board"):
        assert said in say(word, "weekly")[1]


def test_a_departure_that_has_ended_is_not_held(say, station, departure):
    station.ledger.releases.mark(departure, ReleaseState.CANCELLED, actor="alice")
    code, said = say("hold", departure)
    assert (code, "R-1 has ended: cancelled." in said) == (3, True)

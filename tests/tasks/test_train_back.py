"""A train that goes back: each member by its rollback's own release, and nothing below one that stays."""

import pytest
from departing import Departure

from gare.cli.train_members import go_without, roll_back_again
from gare.cli.train_pages import departure_page, show_departure
from gare.departures import going_back
from gare.domain.journey import HOTFIX_FIRST, turns_back
from gare.domain.plan import Kind
from gare.domain.releases import ReleaseState, StepState
from gare.domain.waits import Cause
from gare.errors import Refused
from gare.explaining import explanation
from tasks.arrival import welcome
from tasks.step import AskAgain
from tasks.turn_back import bring_back

BACK = "run-of-train-R-1-{}-back-production"


@pytest.fixture
def departure(tmp_path, story):
    """A train of three, each needing the one before; the last one has failed."""
    made = Departure(
        tmp_path, story, "api", "web", "app", on_failure="roll back",
        needs={"web": ["api"], "app": ["web"]},
    )  # fmt: skip
    made.ledger.set_verified(made.open("web", "run-0").id, "web", "production", "0.1.0")
    for name in ("api", "web"):
        made.arrive(name)
    made.fail("app")
    yield made
    made.ledger.close()


def begin(departure: Departure, name: str):
    """Do the step once, as the conductor does; return what it said."""
    found = bring_back(departure.work(f"return-{name}"))
    if isinstance(found, AskAgain):
        again = {"summary": found.reason, "again_at": found.at.isoformat(), **found.more}
        departure.end(f"return-{name}", StepState.WAITING, **again)
    else:
        departure.done(f"return-{name}", **found)
    return found


def go_back(departure: Departure, name: str):
    """Let a member go back well."""
    begin(departure, name)
    back = departure.open(name, BACK.format(name), kind=Kind.ROLLBACK)
    departure.ledger.set_verified(back.id, name, "production", "0.1.0")
    departure.mark(back, ReleaseState.RELEASED)
    return begin(departure, name)


def overtaken(tmp_path, story, rule: str) -> Departure:
    """A train of two whose first member gave way to a hotfix and stands still."""
    departure = Departure(tmp_path, story, "api", "web", on_failure=rule)
    departure.done("leave", summary="")
    departure.done("depart-api", run="run-api")
    own = departure.open("api", "run-api")
    departure.mark(own, ReleaseState.FAILED, f"{HOTFIX_FIRST}1.4.0 would lose 4f2c9e1.")
    return departure


def test_a_train_that_rolls_back_stands_for_a_member_that_gave_way_to_a_hotfix(tmp_path, story):
    departure = overtaken(tmp_path, story, "roll back")
    wait = departure.look("arrive-api")
    assert (wait.said.cause, wait.said.release) == (Cause.FAILED, "R-2")
    assert wait.said.ways == (
        "`gare resume R-2`",
        "`gare train resume R-1 --again api`",
        "`gare train resume R-1 --without api` (the train goes back)",
    )
    assert wait.said.what.startswith(
        "api has failed and the train is held: R-2 failed: a hotfix went first: "
    )
    assert departure.look("depart-web").said.what == (
        "R-2 of api, which a hotfix overtook: the train may have to go back"
    )
    mark = departure.ledger.releases.mark
    mark("R-1", ReleaseState.WAITING, actor="gare")
    mark("R-2", ReleaseState.RUNNING, actor="bob")
    assert departure.ledger.releases.get("R-1").wake_at is not None
    assert departure.look("arrive-api").said.cause is Cause.MEMBERS
    assert departure.look("depart-web") is None


def test_what_is_advised_for_such_a_member_is_done(tmp_path, story):
    departure = overtaken(tmp_path, story, "roll back")
    wait = departure.look("arrive-api")
    departure.mark(departure.release, ReleaseState.WAITING, waiting=[wait.said])
    again = "gare train resume R-1 --again api"
    [blocker] = explanation(departure.gare, departure.ledger.releases.get("R-2")).blockers
    assert again in blocker.do
    train = departure.ledger.releases.get("R-1")
    said = go_without(departure.gare, train, "api", person="bob", reason="")
    assert said == "R-1 goes back without api."
    assert turns_back(departure.plan, departure.ledger.releases.steps("R-1"))
    assert departure.ledger.releases.get("R-2").state is ReleaseState.CANCELLED


@pytest.mark.parametrize("rule", ["drop", "roll back"])
def test_no_member_is_waited_for_by_a_train_that_drops_it_or_goes_back(tmp_path, story, rule):
    departure = overtaken(tmp_path, story, rule)
    if rule == "roll back":
        departure.fail("web")
    assert departure.look("arrive-api") is None
    [blocker] = explanation(departure.gare, departure.ledger.releases.get("R-2")).blockers
    assert "--again" not in blocker.do


def test_nobody_goes_back_when_nobody_has_failed(tmp_path, story):
    departure = Departure(tmp_path, story, "api", on_failure="roll back")
    departure.arrive("api")
    assert bring_back(departure.work("return-api")) == {"summary": "not needed"}
    assert departure.engine.started == []


def test_a_member_is_back_when_its_rollback_is_and_not_before(departure):
    assert isinstance(begin(departure, "web"), AskAgain)
    [started] = departure.engine.started
    assert (started["deployment"], started["environment"]) == ("rollback/gare", "production")
    assert (started["train"], started["to"]) == ("R-1", "0.1.0")
    assert departure.look("return-web").said.what == "the rollback of web in production begins"
    back = departure.open("web", BACK.format("web"), kind=Kind.ROLLBACK)
    wait = departure.look("return-web")
    assert wait.said.what == f"{back.id}, the rollback of web in production, is running"
    assert (wait.said.cause, wait.said.release) == (Cause.MEMBERS, back.id)
    departure.ledger.set_verified(back.id, "web", "production", "0.1.0")
    departure.mark(back, ReleaseState.RELEASED)
    assert departure.look("return-web") is None
    assert begin(departure, "web") == {
        "back": {"production": "0.1.0"},
        "summary": "production is back at 0.1.0",
    }
    assert len(departure.engine.started) == 1


def test_the_end_of_a_rollback_wakes_its_train(departure):
    begin(departure, "web")
    back = departure.open("web", BACK.format("web"), kind=Kind.ROLLBACK)
    departure.mark(departure.release, ReleaseState.WAITING)
    departure.mark(back, ReleaseState.RELEASED)
    assert departure.ledger.releases.get("R-1").wake_at is not None


def test_a_rollback_that_fails_lets_the_train_stand_and_names_it(departure):
    begin(departure, "web")
    back = departure.open("web", BACK.format("web"), kind=Kind.ROLLBACK)
    departure.mark(back, ReleaseState.FAILED, "step undo-migrate failed")
    wait = departure.look("return-web")
    assert (wait.said.cause, wait.said.release, wait.wake_at) == (Cause.FAILED, back.id, None)
    assert wait.said.ways[0] == f"`gare resume {back.id}`"
    assert f"{back.id} failed: step undo-migrate failed" in wait.reason


def test_a_rollback_that_is_refused_lets_the_train_stand_with_the_reason(departure):
    begin(departure, "web")
    departure.engine.put(BACK.format("web"), "FAILED", "drop-old-columns has run.")
    wait = departure.look("return-web")
    assert wait.said.cause is Cause.FAILED
    assert wait.said.ways == (
        "`gare train resume R-1 --again web`",
        "`gare train resume R-1 --without web` (it stays, with what it needs)",
    )
    assert "its rollback is refused: drop-old-columns has run." in wait.reason


def test_what_a_member_needs_stays_when_that_member_stays(departure):
    departure.done("return-app", summary="nothing to take back")
    departure.done("return-web", stays="left as it is by bob", summary="web stays")
    assert begin(departure, "api") == {
        "stays": "it is needed by web, which stays",
        "summary": "api stays: it is needed by web, which stays",
    }
    assert departure.engine.started == []
    welcome(departure.work("arrival"))
    ended = departure.ledger.releases.get("R-1")
    assert ended.state is ReleaseState.ROLLED_BACK
    assert ended.end == (
        "went back: nobody; not: api (it is needed by web, which stays), web (left as it is by bob); "
        "app failed: it is bad"
    )


def test_the_end_names_who_went_back_and_who_failed(departure):
    departure.done("return-app", summary="nothing to take back")
    for name in ("web", "api"):
        go_back(departure, name)
    welcome(departure.work("arrival"))
    assert departure.ledger.releases.get("R-1").end == "went back: api, web; app failed: it is bad"


def test_what_a_person_has_brought_back_by_hand_is_back(departure):
    begin(departure, "web")
    departure.engine.put(BACK.format("web"), "FAILED", "drop-old-columns has run.")
    by_hand = departure.open("web", "by-hand", kind=Kind.ROLLBACK, is_of_train=False)
    departure.ledger.set_verified(by_hand.id, "web", "production", "0.1.0")
    assert departure.look("return-web") is None


def test_a_step_that_died_while_its_rollback_ended_still_knows_of_it(departure):
    bring_back(departure.work("return-web"))  # dies before it is written down
    back = departure.open("web", BACK.format("web"), kind=Kind.ROLLBACK)
    departure.ledger.set_verified(back.id, "web", "production", "0.1.0")
    departure.mark(back, ReleaseState.FAILED, "step announce failed")
    begin(departure, "web")
    assert f"`gare resume {back.id}`" in departure.look("return-web").said.ways


def test_what_cannot_be_taken_back_is_not_called_unchanged(departure):
    step = departure.plan.step("return-web")
    step.settings["environments"].clear()
    said = "it has no environment, and what it has published stays"
    assert begin(departure, "web") == {
        "untouched": said,
        "summary": f"nothing to take back: {said}",
    }
    departure.done("return-api", back={"production": "0.1.0"}, summary="production is back")
    welcome(departure.work("arrival"))
    assert departure.ledger.releases.get("R-1").end == (
        f"went back: api; not: web ({said}); app failed: it is bad"
    )


def test_while_a_train_goes_back_that_is_said_first_and_who_failed_is_not_called_dropped(
    departure, capsys
):
    departure.mark(departure.release, ReleaseState.WAITING)
    train = departure.ledger.releases.get("R-1")
    page = departure_page(departure.gare, train)
    show_departure(page)
    assert capsys.readouterr().out.splitlines()[1] == "goes back because of app (it is bad)"
    assert {one["project"]: one["state"] for one in page["members"]} == {
        "api": "arrived",
        "web": "arrived",
        "app": "failed",
    }
    said = explanation(departure.gare, train).sentence
    assert said == "R-1 goes back because of app (it is bad)."


def test_who_puts_something_on_a_member_hears_that_its_train_takes_it_back(departure):
    told = "R-1 goes back and takes 1.4.0 of web back"
    assert list(going_back(departure.gare, "web")) == [told]
    assert list(going_back(departure.gare, "app")) == [], "it has not arrived"
    departure.done("return-app", summary="")
    go_back(departure, "web")
    assert list(going_back(departure.gare, "web")) == []
    assert len(list(going_back(departure.gare, "api"))) == 1


def hotfix(departure: Departure, name: str, version: str = "1.4.1"):
    """Let somebody release a hotfix on what a member has brought."""
    own = departure.open(name, f"hotfix-{name}", kind=Kind.HOTFIX, is_of_train=False)
    departure.ledger.set_verified(own.id, name, "production", version)
    return departure.mark(own, ReleaseState.RELEASED)


def test_a_member_that_a_hotfix_was_put_on_is_not_called_untouched_and_people_say_what_becomes(
    departure,
):
    fix = hotfix(departure, "web")
    assert isinstance(begin(departure, "web"), AskAgain)
    assert departure.engine.started == []
    wait = departure.look("return-web")
    assert (wait.said.cause, wait.said.step) == (Cause.FAILED, "return-web")
    assert f"{fix.id} has brought 1.4.1 there since, on top of its 1.4.0" in wait.reason
    assert wait.said.ways == (
        "`gare train resume R-1 --again web`",
        "`gare train resume R-1 --without web` (it stays, with what it needs)",
    )


def test_a_hotfix_on_a_member_goes_back_with_it_when_a_person_says_so(departure):
    hotfix(departure, "web")
    begin(departure, "web")
    departure.mark(
        departure.release, ReleaseState.WAITING, waiting=[departure.look("return-web").said]
    )
    train = departure.ledger.releases.get("R-1")
    [run] = roll_back_again(departure.gare, train, "web", person="bob", reason="")
    [started] = departure.engine.started
    assert (started["environment"], started["to"]) == ("production", "0.1.0")
    back = departure.open("web", run.id, kind=Kind.ROLLBACK)
    assert departure.look("return-web").said.release == back.id
    departure.ledger.set_verified(back.id, "web", "production", "0.1.0")
    departure.mark(back, ReleaseState.RELEASED)
    assert departure.look("return-web") is None
    assert begin(departure, "web")["back"] == {"production": "0.1.0"}


def test_a_hotfix_on_a_first_version_has_nothing_to_go_back_to(departure):
    departure.done("return-web", summary="")
    hotfix(departure, "api")
    begin(departure, "api")
    departure.mark(
        departure.release, ReleaseState.WAITING, waiting=[departure.look("return-api").said]
    )
    train = departure.ledger.releases.get("R-1")
    with pytest.raises(Refused, match=r"1\.4\.0 was the first version of api in production"):
        roll_back_again(departure.gare, train, "api", person="bob", reason="")
    assert departure.engine.started == []


def test_a_member_goes_back_once_the_hotfix_on_it_was_taken_away(departure):
    hotfix(departure, "web")
    begin(departure, "web")
    by_hand = departure.open("web", "by-hand", kind=Kind.ROLLBACK, is_of_train=False)
    departure.ledger.set_verified(by_hand.id, "web", "production", "1.4.0")
    assert departure.look("return-web") is None
    begin(departure, "web")
    [started] = departure.engine.started
    assert (started["project"], started["to"]) == ("web", "0.1.0")


def test_what_was_taken_back_by_hand_before_the_train_turned_has_gone_back(departure):
    by_hand = departure.open("web", "by-hand", kind=Kind.ROLLBACK, is_of_train=False)
    departure.ledger.set_verified(by_hand.id, "web", "production", "0.1.0")
    assert begin(departure, "web")["back"] == {"production": "0.1.0"}
    assert departure.engine.started == []


def test_a_hotfix_that_comes_while_a_rollback_was_refused_is_not_told_as_back(departure):
    begin(departure, "web")
    departure.engine.put(BACK.format("web"), "FAILED", "drop-old-columns has run.")
    hotfix(departure, "web")
    assert "has brought 1.4.1 there since" in departure.look("return-web").reason

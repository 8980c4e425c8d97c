"""What a person says about a member: nothing of it goes on that was left out, and asking again never runs out."""

import pytest
from departing import Departure

from gare.cli.train_members import go_without, roll_back_again
from gare.domain.plan import Kind
from gare.domain.releases import ReleaseState, StepState
from gare.domain.waits import Cause, Waited
from gare.errors import Refused
from tasks.train_back import look_back
from tasks.wait import Sight


@pytest.fixture
def departure(tmp_path, story):
    made = Departure(tmp_path, story, "api", "web", needs={"web": ["api"]}, on_failure="roll back")
    yield made
    made.ledger.close()


def without(departure: Departure, member: str) -> str:
    train = departure.ledger.releases.get("R-1")
    return go_without(departure.gare, train, member, person="bob", reason="not now")


def step(departure: Departure, name: str):
    return departure.ledger.releases.steps("R-1")[name]


def test_before_the_departure_the_train_boards_anew_without_it(departure):
    said = without(departure, "web")
    assert said == "R-1 boards anew without web; where it needs a go, it needs a new one."
    assert departure.look("leave").said.what == "it boards anew without web"
    with pytest.raises(Refused, match="shop is no member of R-1"):
        without(departure, "shop")


def test_a_run_that_has_not_opened_its_release_is_ended_with_it(departure):
    departure.done("leave", summary="")
    departure.done("depart-api", run="run-api")
    assert without(departure, "api") == "R-1 goes back without api."
    assert departure.engine.cancelled == ["run-api"]
    assert step(departure, "arrive-api").value["left"] == "left out by bob: not now"


def test_a_release_that_opens_just_then_ends_too(departure):
    departure.done("leave", summary="")
    departure.done("depart-api", run="run-api")
    cancel = departure.engine.cancel

    def cancel_late(run_id: str, *, has_process: bool = True) -> None:
        departure.open("api", "run-api")
        cancel(run_id, has_process=has_process)

    departure.engine.cancel = cancel_late
    without(departure, "api")
    own = departure.ledger.releases.of_run("run-api")
    assert (own.state, own.end) == (ReleaseState.CANCELLED, "left out by bob: not now")


def test_a_member_that_is_on_its_way_is_not_left_out(departure):
    departure.done("leave", summary="")
    departure.done("depart-api", run="run-api")
    own = departure.open("api", "run-api")
    with pytest.raises(Refused, match=f"{own.id} of api is on its way"):
        without(departure, "api")


def going_back(departure: Departure) -> None:
    """Let the second member fail, and the rollback of the first be refused."""
    departure.done("leave", summary="")
    departure.arrive("api")
    departure.fail("web")
    value = {"summary": "", "again_at": departure.now.isoformat(), "runs": {"production": "run-b"}}
    departure.end("return-api", StepState.WAITING, **value)
    departure.engine.put("run-b", "FAILED", "the old columns are gone")
    wait = look_back(
        Sight(departure.gare, departure.release), departure.plan, departure.plan.step("return-api")
    )
    departure.mark(departure.release, ReleaseState.WAITING, waiting=[wait.said])


def test_one_that_cannot_go_back_stays_by_a_persons_word(departure):
    going_back(departure)
    assert without(departure, "api") == "api stays as it is, with what it needs."
    assert step(departure, "return-api").value["stays"] == "left as it is by bob: not now"


def test_one_that_was_refused_is_brought_back_once_more(departure):
    going_back(departure)
    train = departure.ledger.releases.get("R-1")
    [run] = roll_back_again(departure.gare, train, "api", person="bob", reason="")
    [started] = departure.engine.started
    assert (started["environment"], started["train"]) == ("production", "R-1")
    assert started["key"] == "train R-1 api back production again 1"
    back = departure.open("api", run.id, kind=Kind.ROLLBACK)
    assert departure.look("return-api").said.release == back.id


def test_a_rollback_that_stands_still_ends_when_its_member_stays(departure):
    going_back(departure)
    back = departure.open("api", "run-b", kind=Kind.ROLLBACK)
    departure.mark(back, ReleaseState.FAILED, "step verify-production failed")
    stands = Waited("it stands", Cause.FAILED, "return-api", back.id)
    departure.mark(departure.release, ReleaseState.WAITING, waiting=[stands])
    without(departure, "api")
    assert departure.ledger.releases.get(back.id).state is ReleaseState.CANCELLED

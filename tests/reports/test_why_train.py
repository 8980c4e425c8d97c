"""Why a train does not depart: everything in the way, with the command that helps."""

from gare.reports.why_train import explain_train


def page(**changes: object) -> dict:
    return {
        "name": "weekly",
        "stopped": "",
        "next": "2026-11-24T1000",
        "has_timetable": True,
        "departures": [],
        "last": [],
        **changes,
    }


def departure(**changes: object) -> dict:
    return {
        "slot": "2026-11-24T1000",
        "skipped": "",
        "has_nobody": False,
        "closed_by": "",
        **changes,
    }


def told(**changes: object) -> tuple[str, list[tuple[str, str]]]:
    answer = explain_train(page(**changes), "2026-11-24T1000 UTC")
    return answer.sentence, [(one.what, one.do) for one in answer.blockers]


def test_a_train_that_nobody_keeps_departs_next():
    assert told(departures=[departure()]) == ("weekly departs next at 2026-11-24T1000 UTC.", [])
    by_hand = "weekly has no timetable: it departs by `gare train depart weekly`."
    assert told(next="", has_timetable=False) == (by_hand, [])


def test_a_schedule_that_stands_still_is_told_with_what_lets_it_go_on():
    assert told(stopped="R-4: api failed: no compiler") == (
        "weekly does not depart by its timetable.",
        [
            (
                "The schedule stands still: R-4: api failed: no compiler",
                "`gare train resume weekly`.",
            )
        ],
    )


def test_slots_that_are_skipped_frozen_or_without_anybody_are_told():
    found = told(
        departures=[
            departure(skipped="skipped by bob: a fair"),
            departure(slot="2026-12-01T1000", has_nobody=True),
            departure(slot="2026-12-08T1000", closed_by="fridays"),
        ]
    )[1]
    assert [what for what, _ in found] == [
        "2026-11-24T1000 is skipped by bob: a fair",
        "Nobody has boarded for 2026-12-01T1000: boarding has ended.",
        "2026-12-08T1000 is in a freeze for some of its members: fridays",
    ]
    assert found[0][1] == "`gare train unskip weekly 2026-11-24T1000`, before the departure."
    assert found[1][1] == "`gare train board weekly --slot 2026-12-01T1000`."


def test_what_is_under_way_is_told_and_what_has_ended_is_not():
    last = [
        {"release": "R-5", "slot": "2026-11-24T1000", "state": "waiting", "is_held": True},
        {"release": "R-4", "slot": "2026-11-17T1000", "state": "released", "is_held": False},
    ]
    [(what, do)] = told(last=last)[1]
    assert what.startswith("R-5 of 2026-11-24T1000 is waiting and held")
    assert do == "`gare why R-5`."

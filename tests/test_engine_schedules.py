"""Changes of a schedule: what the engine is asked, and in which order."""

import pytest

from gare.engine import Engine, Schedule

WEEKLY = Schedule("/deployments/d1/schedules/s1", "weekly", {}, {}, is_active=True)


class Recorder:
    """An API that answers nothing and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def call(self, method, path, body=None, *, what, reads=False):
        self.asked.append(f"{method} {path}")
        assert path != "/deployments/d1/schedule" or body["start_time"]
        return {"id": "d1", "description": "", "schedules": []}


@pytest.mark.parametrize(
    ("change", "asked"),
    [
        (
            lambda engine: engine.change_schedule(WEEKLY, active=False, parameters={}),
            "PATCH /deployments/d1/schedules/s1",
        ),
        (lambda engine: engine.drop_schedule(WEEKLY), "DELETE /deployments/d1/schedules/s1"),
        (
            lambda engine: engine.make_schedule("train/gare", "weekly", {}),
            "POST /deployments/d1/schedules",
        ),
        (
            lambda engine: engine.add_to_description("train/gare", "## Departures", "weekly"),
            "PATCH /deployments/d1",
        ),
    ],
)
def test_runs_are_planned_anew_at_once_when_the_engine_has_removed_them(change, asked):
    engine = Engine("http://127.0.0.1:4200/api")
    engine.api = Recorder()
    change(engine)
    assert engine.api.asked[-2:] == [asked, "POST /deployments/d1/schedule"]

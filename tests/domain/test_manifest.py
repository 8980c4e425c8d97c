"""What a vote is about."""

from gare.domain.digest import digest
from gare.domain.manifest import manifest_of
from gare.domain.plan import PlannedStep

STEPS = [
    PlannedStep("build", "build", ""),
    PlannedStep("test", "test", "", ("build",)),
    PlannedStep("scan", "run", "", ("build",)),
    PlannedStep("approve", "approve", "", ("test",)),
    PlannedStep("deploy", "deploy", "", ("approve", "scan")),
]
VALUES = {
    "build": {"artifacts": [{"name": "a.whl", "sha256": "1" * 64}], "seconds": 3.2},
    "test": {"evidence": {"passed": 3}, "summary": "3 passed"},
}


def made(values, plan="sha256:plan"):
    return manifest_of(STEPS, plan, "approve", values)


def test_it_names_the_plan_the_artifacts_and_the_evidence_before_it():
    assert made(VALUES).as_json() == {
        "plan": "sha256:plan",
        "artifacts": {"a.whl": "1" * 64},
        "evidence": {"test": digest({"passed": 3})},
    }


def test_what_differs_every_time_does_not_matter():
    slower = {**VALUES, "build": {**VALUES["build"], "seconds": 99.0}}
    assert made(slower).digest == made(VALUES).digest


def test_steps_beside_and_after_it_do_not_matter():
    more = {
        **VALUES,
        "scan": {"evidence": {"found": 1}},
        "deploy": {"artifacts": [{"name": "x", "sha256": "2" * 64}]},
    }
    assert made(more).digest == made(VALUES).digest


def test_another_plan_artifact_or_result_is_another_manifest():
    other = [
        made(VALUES, plan="sha256:other"),
        made({**VALUES, "build": {"artifacts": [{"name": "a.whl", "sha256": "2" * 64}]}}),
        made({**VALUES, "test": {"evidence": {"passed": 2}}}),
        made({"build": VALUES["build"]}),
    ]
    assert len({one.digest for one in other} | {made(VALUES).digest}) == 5


def test_steps_without_a_value_are_passed_over():
    assert made({"build": None, "test": {}}).as_json() == {
        "plan": "sha256:plan",
        "artifacts": {},
        "evidence": {},
    }

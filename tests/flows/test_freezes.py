"""What a release does in a closed environment: it waits without a process, goes on by itself, or is refused."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from waiting import wait_until

from gare.domain.releases import ReleaseState, StepState

pytestmark = pytest.mark.engine

RIGHTS = "rights: {override: [managers]}\n"
CLOSED_FOR_YEARS = (
    "freezes:\n"
    "  - {name: for-years, start: 2020-01-01, end: 2090-12-31, environments: [production], "
    "reason: the data centre moves, owner: carol%s}\n"
)


@contextmanager
def stopped_line(shop) -> Iterator[str]:
    """Stop the line for the shop; whatever happens, it is lifted at the end."""
    name = f"stop-{shop.name}"[:63]
    said = shop.run(
        "freeze",
        "stop",
        name,
        "--project",
        shop.name,
        "--reason",
        "the database is down",
        person="bob",
    )
    assert "the line is stopped, until somebody lifts it" in said
    try:
        yield name
    finally:
        shop.run("freeze", "lift", name, person="bob", code=None)


def test_a_release_sleeps_while_the_line_is_stopped_and_goes_on_when_it_is_lifted(shop):
    with stopped_line(shop) as name:
        shop.release()
        release = shop.wait_for(ReleaseState.WAITING)
        [reason] = release.waiting
        assert reason == (
            f"deploy-production: production is closed: bob stopped the line, {name}: "
            "the database is down; opens nobody knows when"
        )
        wait_until(lambda: shop.gare().engine.run(release.flow_run_id).is_suspended)
        assert not shop.production.exists()
        preview = shop.run("freeze", "preview", name)
        assert (
            f"hits {release.id} ({shop.name} 1.1.0): deploy-production, publish; production closed"
            in preview
        )
        said = shop.run("why", release.id)
        assert "bob stopped the line" in said
        assert "who:  bob" in said
        assert f"gare freeze override {release.id} --env production" in said
        shop.run("freeze", "lift", name, "--reason", "it is up again", person="bob")
        shop.wait_for(ReleaseState.RELEASED)
    shop.assert_once()


def test_an_override_lets_one_release_through_with_its_reason_in_the_evidence(shop):
    shop.configure(RIGHTS + CLOSED_FOR_YEARS % "")
    shop.release()
    release = shop.wait_for(ReleaseState.WAITING)
    assert release.waiting[0].endswith("opens not within two years")
    words = ("freeze", "override", release.id, "--reason", "customers cannot pay")
    said = shop.run(*words, person="bob", code=4)
    assert "bob may not override freezes." in said
    assert shop.last().state is ReleaseState.WAITING
    said = shop.run(*words, person="alice")
    assert said == f"{release.id} goes on in production in spite of for-years, on alice's word.\n"
    shop.wait_for(ReleaseState.RELEASED)
    shop.assert_once()
    verified = shop.run("evidence", "verify", str(shop.root / f"{release.id}.zip"), "--json")
    assert '"reason": "customers cannot pay"' in verified
    assert '"what": "freeze overridden"' in verified
    shop.run("audit", "verify")


def test_a_window_that_refuses_ends_the_release(shop):
    shop.configure(CLOSED_FOR_YEARS % ", on_closed: refuse")
    shop.release(code=3)
    release = shop.last()
    assert release.state is ReleaseState.CANCELLED
    assert release.end.startswith(
        "refused at deploy-production: production is closed: the freeze for-years in "
        f"{shop.name}.yaml: the data centre moves; opens not within two years"
    )
    assert not shop.production.exists()


def test_a_step_that_is_tried_again_in_a_closed_window_waits_and_has_not_failed(shop):
    shop.commit(
        "chore: a step that waits and fails once",
        "migrate.py",
        "import pathlib, sys, time\n"
        f"here = pathlib.Path({str(shop.root)!r})\n"
        f"if (here / 'frozen-{shop.name}').exists(): sys.exit(0)\n"
        f"(here / 'tried-{shop.name}').touch()\n"
        f"while not (here / 'frozen-{shop.name}').exists(): time.sleep(0.05)\n"
        "sys.exit(1)\n",
    )
    shop.configure(
        "steps:\n"
        "  - {id: migrate, type: run, command: python3 migrate.py, environment: production, retries: 2, "
        "backoff: 1s, needs: [validate], before: [deploy-production]}\n"
    )
    shop.run("release", shop.name, "--no-follow", person="alice")
    wait_until((shop.root / f"tried-{shop.name}").exists)
    with stopped_line(shop) as name:
        (shop.root / f"frozen-{shop.name}").touch()
        release = shop.wait_for(ReleaseState.WAITING)
        assert release.waiting[0].startswith("migrate: production is closed: bob stopped the line")
        migrate = shop.gare().ledger.releases.steps(release.id)["migrate"]
        assert migrate.state is StepState.WAITING
        assert "step failed" not in shop.events()
        shop.run("freeze", "lift", name, person="bob")
        shop.wait_for(ReleaseState.RELEASED)
    shop.assert_once()


def test_a_rollout_that_has_begun_finishes_in_a_freeze_and_the_next_step_waits(shop):
    begun, frozen = shop.root / f"begun-{shop.name}", shop.root / f"frozen-{shop.name}"
    shop.configure()
    file = shop.root / "projects" / f"{shop.name}.yaml"
    start = f'start: [sh, -c, "touch {begun}; while [ ! -e {frozen} ]; do sleep 0.05; done"]'
    file.write_text(file.read_text().replace("{type: directory,", f"{{type: directory, {start},"))
    shop.run("release", shop.name, "--no-follow", person="alice")
    wait_until(begun.exists)
    with stopped_line(shop) as name:
        frozen.touch()
        release = shop.wait_for(ReleaseState.WAITING)
        states = shop.gare().ledger.releases.step_states(release.id)
        assert states["deploy-production"] is states["verify-production"] is StepState.DONE
        assert [reason.partition(":")[0] for reason in release.waiting] == ["publish"]
        assert shop.git("ls-remote", "--tags", "origin", "v1.1.0") == ""
        shop.run("freeze", "lift", name, person="bob")
        shop.wait_for(ReleaseState.RELEASED)
    shop.assert_once()

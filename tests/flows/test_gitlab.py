"""A release in which GitLab takes part: its pipeline, its package registry, its release page, its environments."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.request import Request, urlopen

import httpx
import pytest
from sandbox import Served, sandboxed
from waiting import wait_until

from gare.domain.releases import ReleaseState
from gare.files import write_atomic
from gare.sandbox.clock import Clock

pytestmark = pytest.mark.engine

TAKING_PART = """
gitlab: {connection: CONNECTION, project: shop/web/app}
publish: {gitlab_release: true, gitlab_packages: true, links: {Site: "https://shop.example.org"}}
steps:
  - {id: ci, type: pipeline, needs: [plan], before: [validate], every: 1s, variables: {COLOUR: green}}
"""


@contextmanager
def hosted(shop, **jobs) -> Iterator[Served]:
    """Serve the shop's repository as a GitLab project, and connect the station to it."""
    project = {
        "repository": str(shop.remote),
        "members": {"gare": "maintainer"},
        "pipeline": {"jobs": jobs},
    }
    seed = {"tokens": {"glpat-flow": {"user": "gare"}}, "projects": {"shop/web/app": project}}
    file = shop.root / "station.yaml"
    before = file.read_text()
    write_atomic(shop.root / "gitlab.token", "glpat-flow\n")
    with sandboxed({"gitlab": seed}, clock=Clock()) as up:
        line = f"  {shop.name[:60]}: {{type: gitlab, url: {up.url}/gitlab, token: 'file:gitlab.token'}}\n"
        write_atomic(file, f"{before}connections:\n{line}")
        try:
            configure(shop)
            yield up
        finally:
            # Other tests load the whole station: no project may name a connection that is gone.
            shop.configure()
            write_atomic(file, before)


def configure(shop) -> None:
    shop.configure(TAKING_PART.replace("CONNECTION", shop.name[:60]))
    file = shop.root / "projects" / f"{shop.name}.yaml"
    file.write_text(
        file.read_text().replace("  production:\n", "  production:\n    gitlab_environment: live\n")
    )


def by_hand(up: Served, control: str, **fields: str) -> None:
    address = f"{up.url}/_sandbox/vendors/gitlab/{control}"
    body = json.dumps({"project": "shop/web/app", **fields}).encode()
    urlopen(Request(address, body, method="POST"), timeout=10).close()


def test_gitlab_takes_part_and_every_lost_answer_is_found_again(shop):
    jobs = {
        "unit": {"takes_s": 1, "tests": {"passed": 4}},
        "review": {"when": "manual", "allow_failure": False, "takes_s": 1},
    }
    with hosted(shop, **jobs) as up:
        for method, path in (
            ("POST", "*/pipeline"),
            ("PUT", "*/packages/generic/*"),
            ("POST", "*/releases"),
            ("POST", "*/deployments"),
        ):
            up.fail("lost reply", method=method, path=path)
        shop.release()
        wait_until(lambda: "somebody to start in GitLab: review" in str(shop.last().waiting))
        assert "/-/jobs/" in shop.run("why", shop.last().id)
        by_hand(up, "play", job="review")
        # Each lost answer costs a wait of some seconds before it is looked up.
        shop.wait_for(ReleaseState.RELEASED, timeout_s=180)
        shop.assert_once()
        project = up.sandbox.vendors["gitlab"].projects[0]
        (pipeline,) = project.kept["pipelines"].values()
        variables = {one["key"]: one["value"] for one in pipeline.variables}
        assert (variables["COLOUR"], variables["GARE_VERSION"]) == ("green", "1.1.0")
        (release,) = project.kept["releases"].values()
        assert release["tag_name"] == "v1.1.0"
        assert "add the second thing" in release["description"]
        assert [link["name"] for link in release["links"]] == ["Site", "app.tar.gz"]
        assert len(project.kept["files"]) == 1
        (deployment,) = project.kept["deployments"]
        assert (deployment.environment, deployment.status) == ("live", "success")
        assert up.invalid() == []
        told = shop.gare().ledger.releases.steps(shop.last().id)["ci"].value["summary"]
        assert told.endswith("succeeded, 4 of 4 tests passed")


def test_a_failed_job_is_told_with_its_log_and_retried_in_gitlab(shop):
    log = "collecting tea\nassert cups == 3"
    with hosted(shop, unit={"takes_s": 1, "fails": "once", "log": log}) as up:
        shop.release(code=None)
        release = shop.wait_for(ReleaseState.FAILED)
        assert "failed: unit (script failure)" in release.end
        assert f"gare resume {release.id}" in release.end
        by_hand(up, "retry", job="unit")
        shop.run("resume", release.id)
        shop.wait_for(ReleaseState.RELEASED)
        assert len(up.sent("POST", "/pipeline")) == 1


def test_a_release_waits_while_gitlab_is_away(shop):
    with hosted(shop, unit={"takes_s": 1}) as up:
        up.fail("status", status=503, count=None)
        shop.release()
        release = shop.wait_for(ReleaseState.WAITING)
        assert "GitLab cannot be used now: it answered 503" in str(release.waiting)
        up.sandbox.faults.clear()
        shop.run("resume", release.id)
        shop.wait_for(ReleaseState.RELEASED)
        wait_until(lambda: logged(shop, release.flow_run_id, "Again in "))
        told = logged(shop, release.flow_run_id, "Again in ")
        assert re.search(r"it answered 503\. \(GitLab .*, request \w{32}\) Again in \d", told)


def logged(shop, run_id: str, part: str) -> str:
    """Return the line of a run's log that holds a text; empty without one."""
    wanted = {"logs": {"flow_run_id": {"any_": [run_id]}}, "limit": 200}
    found = httpx.post(f"{shop.gare().engine.url}/logs/filter", json=wanted, trust_env=False)
    return next((one["message"] for one in found.json() if part in one["message"]), "")

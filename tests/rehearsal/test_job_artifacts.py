"""What a rehearsed pipeline's jobs make, where the release takes their artifacts."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from company import Company, company
from gitlab_project import connected
from sandbox import sandboxed

from gare.connectors.artifacts import collect
from gare.rehearsal.folder import Backstage
from gare.rehearsal.job_artifacts import made_up
from gare.requests import ReleaseRequest

STEP = "\n  - {id: ci, type: pipeline, needs: [plan], before: [validate], artifacts: {package: ['dist/*']}}"


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Company]:
    with company(tmp_path / "company") as made:
        made.configure(steps=STEP)
        yield made


@pytest.fixture
def tmp_path(tmp_path: Path) -> Path:
    (tmp_path / "company").mkdir()
    return tmp_path


def read(shop: Company, folder: Path):
    """Read GitLab for a rehearsal."""
    _, plan = shop.gare.drafting.make(ReleaseRequest(project="shop"))
    folder.mkdir()
    return Backstage(shop.gare, shop.gare.project("shop"), plan, folder).read()["forge"]


def jobs_of(reading) -> dict:
    return reading.seed["projects"]["shop/web/app"]["pipeline"]["jobs"]


def run_pipeline(shop: Company, **jobs: dict) -> None:
    """Have a real pipeline with these jobs run to its end."""
    shop.served.sandbox.vendors["forge"].projects[0].seed["pipeline"]["jobs"] = jobs
    start = f"{shop.served.url}/forge/api/v4/projects/shop%2Fweb%2Fapp/pipeline"
    headers = {"private-token": "glpat-real"}
    httpx.post(start, json={"ref": "main"}, headers=headers).raise_for_status()
    shop.served.sandbox.clock.advance(timedelta(minutes=1))
    shop.served.sandbox.journal.clear()


def test_a_job_makes_what_it_made_in_the_last_pipeline_whatever_it_is(shop, tmp_path):
    content = b"\x1f\x8b\x00\xff tea"
    run_pipeline(shop, package={"takes_s": 1, "artifacts": {"dist/app.gz": content}})
    reading = read(shop, tmp_path / "rehearsal")
    assert jobs_of(reading)["package"]["artifacts"] == {"dist/app.gz": content}
    assert "GitLab: the artifacts of job package are those of the last pipeline" in reading.notes
    assert shop.writes() == []


@pytest.mark.parametrize(
    ("jobs", "note"),
    [
        ({"package": {"takes_s": 1}}, ""),
        ({"unit": {"takes_s": 1}}, "GitLab: no pipeline of main has had job package: made up"),
    ],
)
def test_what_is_not_there_is_made_up_and_said(shop, tmp_path, jobs, note):
    run_pipeline(shop, **jobs)
    reading = read(shop, tmp_path / "rehearsal")
    assert jobs_of(reading)["package"]["artifacts"] == {"dist/rehearsal": b"rehearsed\n"}
    assert "GitLab: the artifacts of job package are made up" in reading.notes
    assert note in ("", *reading.notes)


def test_a_project_without_any_pipeline_gets_one_with_the_jobs_that_the_release_names(
    shop, tmp_path
):
    forge = shop.served.sandbox.vendors["forge"]
    forge.pipelines_of(forge.projects[0]).clear()
    steps = STEP.replace("artifacts:", "play: [ship], artifacts:")
    shop.configure(steps=steps)
    jobs = jobs_of(read(shop, tmp_path / "rehearsal"))
    assert list(jobs) == ["build", "test", "package", "ship"]
    assert jobs["ship"]["when"] == "manual"


@pytest.mark.parametrize(
    "pattern",
    ["dist/*", "dist/*.tar.gz", "**/shop-?.whl", "out/**/*.zip", "a[bc]/x*", "app.txt", "./dist/*"],
)
def test_a_made_up_file_is_one_that_the_pattern_takes(tmp_path, pattern):
    files = tmp_path / "files"
    for name, content in made_up([pattern]).items():
        (files / name).parent.mkdir(parents=True, exist_ok=True)
        (files / name).write_bytes(content)
    assert len(collect(files, [pattern], tmp_path / "store")) == 1


def test_the_sandbox_gives_the_files_as_they_are(shop, tmp_path):
    content = b"\x1f\x8b\x00\xff tea"
    run_pipeline(shop, package={"takes_s": 0, "artifacts": {"dist/app.gz": content}})
    reading = read(shop, tmp_path / "rehearsal")
    with sandboxed({"gitlab": reading.seed}) as served:
        (token,) = reading.seed["tokens"]
        ci = connected(served.url, token=token, project="shop/web/app").ci
        made = ci.start("main", shop.git("rev-parse", "main"), "key", {})
        served.sandbox.clock.advance(timedelta(minutes=1))
        archive = tmp_path / "made.zip"
        ci.artifacts(ci.jobs(made.id)[0].id, archive)
        assert b"PK" in archive.read_bytes()[:2]
        assert content in archive.read_bytes()

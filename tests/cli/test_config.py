"""`gare init` and `gare schema` as people run them."""

import json
import os
import subprocess
import sys

import jsonschema
import pytest
from ruamel.yaml import YAML


@pytest.fixture
def repository(tmp_path, monkeypatch):
    monkeypatch.delenv("GARE_STATION", raising=False)
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(name, os.devnull)
    folder = tmp_path / "shop"
    folder.mkdir()
    for words in (
        ("init", "-q", "-b", "main"),
        ("config", "user.name", "Alice Martin"),
        ("config", "user.email", "alice@example.org"),
        ("commit", "-q", "--allow-empty", "-m", "feat: begin"),
    ):
        subprocess.run(["git", "-C", str(folder), *words], check=True)
    (folder / "Makefile").write_text("dist:\n\tmkdir dist\ntest:\n\t./run-tests\n")
    monkeypatch.chdir(folder)
    return folder


def gare(*words):
    return subprocess.run(
        [sys.executable, "-c", "from gare.cli.app import main; main()", *words],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def test_init_writes_what_loads_and_says_what_it_found_and_what_comes_next(repository):
    done = gare("init")
    assert (done.returncode, done.stderr) == (0, "")
    assert (
        done.stdout
        == f"""\
wrote gare.yaml
wrote station.yaml

Found
  project shop in {repository}
  Makefile (Makefile)
  note: `make test` must write JUnit XML: the test step counts executed tests.
  branch main
  no remote: the tag stays in this repository
  no version tag: the first release will be 0.1.0, tagged v0.1.0
  1 of the last 1 commits are conventional commits

Not found: please write
  Where the tests write JUnit XML: write `test.junit` in gare.yaml.

Next
  git add gare.yaml station.yaml && git commit  keep the configuration in Git
  gare doctor                                   what is reachable, what is missing
  gare token create alice-martin                your token, for voting: export GARE_TOKEN
  gare plan                                     what a release would do
  gare up                                       start the station, in a terminal of its own
  gare release                                  release, and follow it
  gare approve R-…                              vote when it waits for you
"""
    )
    status = subprocess.run(
        ["git", "status", "--porcelain"], capture_output=True, text=True, check=True
    )
    assert status.stdout.split() == ["??", "Makefile", "??", "gare.yaml", "??", "station.yaml"]


@pytest.mark.parametrize("name", ["gare.yaml", "station.yaml"])
def test_init_overwrites_nothing(repository, name):
    (repository / name).write_text("name: mine\n")
    if name == "station.yaml":
        (repository / "gare.yaml").write_text("name: mine\n")
        name = "gare.yaml"
    before = {file.name: file.read_text() for file in repository.iterdir() if file.is_file()}
    done = gare("init")
    assert done.returncode == 3
    assert done.stderr == (
        f"gare: error: {name} exists already; nothing was written.\n"
        f"  where: {repository / name}\n"
        "  hint: Edit it, move it away, or print a new one with `gare init --stdout`.\n"
    )
    assert {
        file.name: file.read_text() for file in repository.iterdir() if file.is_file()
    } == before


def test_init_does_not_write_through_a_link(repository, tmp_path):
    (repository / "gare.yaml").symlink_to(tmp_path / "elsewhere")
    assert gare("init").returncode == 3
    assert not (tmp_path / "elsewhere").exists()


def test_init_prints_only_the_file_when_asked_to(repository):
    done = gare("init", "--stdout", "--name", "web")
    assert YAML(typ="safe").load(done.stdout)["name"] == "web"
    assert "Found" in done.stderr
    assert sorted(path.name for path in repository.iterdir()) == [".git", "Makefile"]


def test_init_outside_a_repository(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    done = gare("init", str(tmp_path))
    assert done.returncode == 2
    assert done.stderr == (
        f"gare: error: This is no Git repository.\n  where: {tmp_path}\n"
        "  hint: Go to the project's repository, or make one: `git init`, then commit.\n"
    )


def schema_and_file(repository, kind):
    gare("init")
    schema = json.loads(gare("schema", kind).stdout)
    name = "station.yaml" if kind == "station" else "gare.yaml"
    return schema, YAML(typ="safe").load((repository / name).read_text())


@pytest.mark.parametrize("kind", ["station", "project"])
def test_schema_accepts_what_init_writes_and_refuses_unknown_keys(repository, kind):
    schema, data = schema_and_file(repository, kind)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    checker = jsonschema.Draft202012Validator(schema)
    checker.check_schema(schema)
    checker.validate(data)
    assert [error.message for error in checker.iter_errors({**data, "nmae": 1})] == [
        "Additional properties are not allowed ('nmae' was unexpected)"
    ]


def test_schema_refuses_unknown_keys_and_values_below(repository):
    schema, data = schema_and_file(repository, "project")
    checker = jsonschema.Draft202012Validator(schema)
    for broken in (
        {"build": {"command": ["x"]}},
        {"steps": [{"id": "a", "type": "rum"}]},
        {"announce": [{"type": "mial"}]},
        {"environments": {"production": {"target": {"type": "directory"}}}},
    ):
        assert not checker.is_valid({**data, **broken}), broken


def test_schema_explains_every_key_that_has_an_explanation():
    schema = json.loads(gare("schema", "project").stdout)
    told = schema["$defs"]["Build"]["properties"]["artifacts"]["description"]
    assert told == "Glob patterns of the files to keep, relative to the checkout."


def test_schema_is_the_projects_by_default():
    assert gare("schema").stdout == gare("schema", "project").stdout
    assert gare("schema", "trane").returncode == 2

"""`gare init` looks at real repositories of every kind, and what it writes loads."""

# ruff: noqa: E501 - tables of whole messages, one row each

import json
import subprocess

import pytest

from gare.config.detect import propose
from gare.config.loader import load_station
from gare.errors import ConfigError

PYPROJECT = '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n[project]\nname = "My_Shop"\nversion = "1"\n'
POM = """<project><parent><artifactId>parent</artifactId></parent><artifactId>shop</artifactId>
<packaging>war</packaging><dependencies><dependency><artifactId>junit</artifactId></dependency></dependencies></project>"""


def git(folder, *words):
    subprocess.run(["git", "-C", str(folder), *words], check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """Return a function that makes a repository of files."""
    monkeypatch.delenv("GARE_STATION", raising=False)
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(name, "/dev/null")
    for variable in ("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "PIP_INDEX_URL"):
        monkeypatch.delenv(variable, raising=False)

    def make(files, *, person="Alice Martin", email="alice@example.org", name="shop"):
        folder = tmp_path / name
        folder.mkdir()
        git(folder, "init", "-q", "-b", "main")
        if person:
            git(folder, "config", "user.name", person)
            git(folder, "config", "user.email", email)
        for path, text in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
        identity = ("-c", "user.name=x", "-c", "user.email=x@example.org")
        git(folder, "add", "-A")
        git(
            folder,
            *(() if person else identity),
            "commit",
            "-q",
            "--allow-empty",
            "-m",
            "feat: begin",
        )
        return folder

    return make


def written(folder):
    """Write what is proposed for a folder, load it, and return the station with the proposal."""
    proposal = propose(folder)
    proposal.project_file.write_text(proposal.project_text)
    if proposal.has_new_station:
        proposal.station_file.write_text(proposal.station_text)
    return load_station(folder), proposal


VENV = ("python3", "-m", "venv", ".gare/venv")
PYTHON = ".gare/venv/bin/python"
PYTEST = (PYTHON, "-m", "pytest", "--junitxml=reports/junit.xml")
COVERAGE = "--cov-report=xml:reports/coverage.xml"
CMAKE = [("cmake", "-S", ".", "-B", "build", "-DCMAKE_BUILD_TYPE=Release"), ("cmake", "--build", "build", "--config", "Release", "--parallel")]  # fmt: skip
CTEST = (
    "ctest",
    "--test-dir",
    "build",
    "-C",
    "Release",
    "--output-on-failure",
    "--output-junit",
    "junit.xml",
)
NPM_CI = ("npm", "ci", "--no-audit", "--no-fund")
WHEEL = (PYTHON, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", "dist", ".")


def installs(*words):
    return (PYTHON, "-m", "pip", "install", "--quiet", *words, "pytest", "pytest-cov")


KINDS = {
    "python with an extra": (
        {"pyproject.toml": PYPROJECT + '[project.optional-dependencies]\ntest = ["x"]\n', "src/my_shop/__init__.py": "", "tests/test_a.py": ""},
        "my_shop", [VENV, WHEEL], ("dist/*.whl",),
        [VENV, installs("--editable", ".[test]"), (*PYTEST, "--cov=my_shop", COVERAGE)], ("reports/junit.xml",),
    ),
    "python with requirements": (
        {"setup.py": "", "setup.cfg": "[metadata]\nname = old\n", "requirements-dev.txt": "x", "test_a.py": ""},
        "old", [VENV, WHEEL], ("dist/*.whl",),
        [VENV, installs("--editable", ".", "--requirement", "requirements-dev.txt"), (*PYTEST, "--cov", COVERAGE)], ("reports/junit.xml",),
    ),
    "python with a dependency group": (
        {"pyproject.toml": PYPROJECT + '[dependency-groups]\ndev = ["x"]\n[tool.coverage.run]\nbranch = true\n', "a/__init__.py": "", "tests/test_a.py": ""},
        "my_shop", [VENV, WHEEL], ("dist/*.whl",),
        [VENV, (PYTHON, "-m", "pip", "install", "--quiet", "--upgrade", "pip>=25.1"), installs("--editable", ".", "--group", "dev"), (*PYTEST, "--cov", COVERAGE)], ("reports/junit.xml",),
    ),
    "python with poetry": (
        {"pyproject.toml": '[build-system]\nrequires = ["poetry-core"]\n[tool.poetry]\nname = "poem"\n[tool.poetry.group.dev.dependencies]\nresponses = "^1"\nlocal = {path = "x"}\n', "tests/test_a.py": ""},
        "poem", [VENV, WHEEL], ("dist/*.whl",),
        [VENV, installs("--editable", ".", "responses"), (*PYTEST, "--cov", COVERAGE)], ("reports/junit.xml",),
    ),
    "python without tests": ({"pyproject.toml": PYPROJECT}, "my_shop", [VENV, WHEEL], ("dist/*.whl",), [], ()),
    "python application": (
        {"app.py": "", "requirements.txt": "x", "tests/test_a.py": "", "pyproject.toml": "[tool.ruff]\n"},
        "shop", [("python3", "-m", "tarfile", "-c", "app.tar.gz", "app.py", "pyproject.toml", "requirements.txt")], ("app.tar.gz",),
        [VENV, installs("--requirement", "requirements.txt"), (*PYTEST, "--cov", COVERAGE)], ("reports/junit.xml",),
    ),
    "maven": (
        {"pom.xml": POM}, "shop", [("mvn", "-B", "-ntp", "-DskipTests", "package")], ("target/*.war",),
        [("mvn", "-B", "-ntp", "test")], ("target/surefire-reports/TEST-*.xml",),
    ),
    "gradle with a wrapper": (
        {"build.gradle.kts": "", "settings.gradle.kts": 'rootProject.name = "Shop API"\ninclude("a")\n', "gradlew": ""},
        "shop-api", [("./gradlew", "--no-daemon", "--console=plain", "assemble")], ("**/build/libs/*.jar",),
        [("./gradlew", "--no-daemon", "--console=plain", "test")], ("**/build/test-results/test/*.xml",),
    ),
    "cmake with install rules": (
        {"CMakeLists.txt": "project(tool CXX) # x\nenable_testing()\nadd_executable(tool a.c)\ninstall(TARGETS tool)\n"},
        "tool", [*CMAKE, ("cmake", "--install", "build", "--config", "Release", "--prefix", "dist")], ("dist/**/*",),
        [*CMAKE, CTEST], ("build/junit.xml",),
    ),
    "cmake without": (
        {"CMakeLists.txt": "project(tool)\nadd_executable(tool a.c)\nadd_executable(unit_tests t.c)\n"},
        "tool", CMAKE, ("build/**/tool",), [], (),
    ),
    "composer": (
        {"composer.json": json.dumps({"name": "acme/shop-api", "require-dev": {"phpunit/phpunit": "^11"}})},
        "shop-api",
        [("composer", "install", "--no-interaction", "--no-progress", "--no-dev", "--optimize-autoloader"), ("composer", "archive", "--format=tar", "--dir=dist", "--file=shop-api")],
        ("dist/*.tar",),
        [("composer", "install", "--no-interaction", "--no-progress"), ("vendor/bin/phpunit", "--log-junit", "reports/junit.xml")], ("reports/junit.xml",),
    ),
    "npm with vitest": (
        {"package.json": json.dumps({"name": "@acme/web", "scripts": {"build": "vite build"}, "devDependencies": {"vitest": "1"}}), "package-lock.json": "{}"},
        "web", [NPM_CI, ("npm", "run", "build"), ("npm", "pack")], ("*.tgz",),
        [NPM_CI, ("npx", "vitest", "run", "--reporter=junit", "--outputFile=junit.xml")], ("junit.xml",),
    ),
    "node's own tests": (
        {"package.json": json.dumps({"name": "web", "scripts": {"test": "node --test"}})},
        "web", [("npm", "install", "--no-audit", "--no-fund"), ("npm", "pack")], ("*.tgz",),
        [("npm", "install", "--no-audit", "--no-fund"), ("node", "--test", "--test-reporter=junit", "--test-reporter-destination=junit.xml")], ("junit.xml",),
    ),
    "makefile": (
        {"Makefile": "VERSION := 1\nall: x\ndist: all\n\ttar cf x\ncheck:\n\t./t\n"},
        "shop", [("make", "dist")], ("dist/*",), [("make", "check")], (),
    ),
    "nothing": ({"README": "hello"}, "shop", [], (), [], ()),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_loads_and_says_how_to_build_and_test(repository, kind):
    files, name, build, artifacts, test, junit = KINDS[kind]
    station, proposal = written(repository(files))
    project = station.project().config
    assert project.name == name
    assert list(project.build.commands) == build
    assert project.build.artifacts == artifacts
    assert list(project.test.commands) == test
    assert project.test.junit == junit
    assert ("Where the tests write JUnit XML" in " ".join(proposal.missing)) == bool(
        test and not junit
    )


def test_the_one_person_can_release_alone_and_is_told_to_change_that(repository):
    station, proposal = written(
        repository({"pyproject.toml": PYPROJECT}, person="Émile O'Neil", email="e@example.org")
    )
    (person,) = station.config.people
    assert (person.name, person.full_name, person.email) == (
        "emile-o-neil",
        "Émile O'Neil",
        "e@example.org",
    )
    rule = station.config.environments["production"].approval
    assert rule is not None
    assert rule.groups == {"release-managers": 1}
    assert rule.author_may_vote
    assert rule.requester_may_vote
    assert "when a second person joins" in proposal.station_text
    assert (
        station.project().config.environments["production"].target.path == ".gare/deploy/production"
    )


def test_without_a_git_identity_nobody_is_asked_and_that_is_said(repository):
    station, proposal = written(repository({"pyproject.toml": PYPROJECT}, person=""))
    assert station.config.people == ()
    assert station.config.environments["production"].approval is None
    assert (
        "Who you are (git config user.name and user.email): write `people` in station.yaml."
        in proposal.missing
    )


HARD_NAMES = [
    "yes",
    "1.5",
    "~",
    "a: b",
    "# x",
    "- x",
    "[x]",
    '"x"',
    "O'Neil\\",
    "été",
    "x" * 100,
    "\u202e\x7f",
]


@pytest.mark.parametrize("name", HARD_NAMES)
def test_any_name_of_a_person_survives_the_file(repository, name):
    station, _ = written(repository({}, person=name, email="x@example.org"))
    assert station.config.people[0].full_name == name


TAGS = [
    ([], "v", ""),
    (["v1.2.0"], "v", "v1.2.0"),
    (["1.2.0", "1.10.0"], "", "1.10.0"),
    (["shop-v2.0.0-rc.1"], "shop-v", "shop-v2.0.0-rc.1"),
    (["release/3.0.1", "nightly", "2024"], "release/", "release/3.0.1"),
    (["web2-1.0.0", "@acme/x@2.0.0"], "web2-", "web2-1.0.0"),
]


@pytest.mark.parametrize(("tags", "prefix", "last"), TAGS)
def test_prefix_of_version_tags(repository, tags, prefix, last):
    folder = repository({})
    for tag in tags:
        git(folder, "tag", tag)
    station, proposal = written(folder)
    assert station.project().config.source.tag_prefix == prefix
    assert (f"last version tag {last}" in " ".join(proposal.found)) == bool(last)


def test_branch_and_remote_are_the_remotes_own(repository, tmp_path):
    folder = repository({})
    git(folder, "checkout", "-q", "-b", "develop")
    git(folder, "clone", "-q", "--bare", str(folder), str(tmp_path / "remote.git"))
    git(folder, "remote", "add", "origin", str(tmp_path / "remote.git"))
    git(folder, "fetch", "-q", "origin")
    git(folder, "remote", "set-head", "origin", "develop")
    git(folder, "checkout", "-q", "-b", "feature/1.5")
    station, _ = written(folder)
    project = station.project().config
    assert (project.source.branch, project.source.remote, project.publish.push) == (
        "develop",
        "origin",
        True,
    )


def test_without_a_remote_the_tag_stays_here(repository):
    station, proposal = written(repository({}))
    project = station.project().config
    assert (project.source.remote, project.publish.push) == ("", False)
    assert "no remote: the tag stays in this repository" in proposal.found


def test_tickets_are_recognised_in_commits(repository):
    folder = repository({})
    for number in (1, 2):
        git(folder, "commit", "-q", "--allow-empty", "-m", f"fix: UTF-8 (SHOP-{number})")
    station, _ = written(folder)
    assert station.project().config.tickets.pattern == r"\bSHOP-\d+\b"


def test_the_most_specific_build_file_is_taken_and_the_others_named(repository):
    folder = repository(
        {"Makefile": "test:\n", "package.json": '{"name": "x"}', "pyproject.toml": PYPROJECT}
    )
    _, proposal = written(folder)
    assert "Python (pyproject.toml)" in proposal.found
    assert (
        "also found, not used: JavaScript (npm) (package.json), Makefile (Makefile)"
        in proposal.found
    )


def test_a_version_that_comes_from_the_tag_is_told_to_the_build(repository):
    text = PYPROJECT.replace('"hatchling"]', '"hatchling", "hatch-vcs"]')
    station, _ = written(repository({"pyproject.toml": text}))
    command = station.project().config.build.commands[1]
    assert command[:2] == ("python3", "-c")
    assert command[3] == "SETUPTOOLS_SCM_PRETEND_VERSION"
    script = 'import os; print(os.environ["SETUPTOOLS_SCM_PRETEND_VERSION"])'
    done = subprocess.run(
        [*command[:4], "python3", "-c", script],
        env={"GARE_VERSION": "1.2.3", "PATH": "/usr/bin:/bin:/usr/local/bin"}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout == "1.2.3\n"


def test_proxies_and_registries_set_here_are_passed_on_by_name(repository, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "https://user:hunter22@example.org/simple")
    station, proposal = written(repository({}))
    assert "PIP_INDEX_URL" in station.project().config.env
    assert "hunter22" not in proposal.project_text


def test_in_a_station_above_its_environment_is_taken(repository, tmp_path):
    (tmp_path / "station.yaml").write_text(
        "environments: {staging: {}, live: {}}\nrepositories: [shop]\n"
    )
    folder = repository({})
    station, proposal = written(folder)
    assert not proposal.has_new_station
    assert station.root == tmp_path
    assert station.project().config.environments["live"].target.path == "../.gare/deploy/shop/live"
    assert proposal.todo == (f"add to {tmp_path / 'station.yaml'}:  repositories: [shop]",)


def test_places_that_are_no_repository(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    with pytest.raises(ConfigError) as caught:
        propose(tmp_path)
    assert str(caught.value) == (
        f"This is no Git repository. ({tmp_path}) "
        "Go to the project's repository, or make one: `git init`, then commit."
    )
    subprocess.run(["git", "init", "-q", "--bare", str(tmp_path / "x.git")], check=True)
    with pytest.raises(ConfigError) as caught:
        propose(tmp_path / "x.git")
    assert caught.value.what == "This repository has no working tree."
    with pytest.raises(ConfigError) as caught:
        propose(tmp_path / "absent")
    assert caught.value.what == "There is no such folder."


def test_a_repository_without_a_commit_says_so(tmp_path):
    subprocess.run(["git", "init", "-q", "-b", "main", str(tmp_path / "new")], check=True)
    proposal = propose(tmp_path / "new")
    assert "There is no commit yet: commit something to release." in proposal.missing


def test_a_shallow_clone_says_so(repository, tmp_path):
    folder = repository({})
    git(folder, "commit", "-q", "--allow-empty", "-m", "fix: more")
    git(tmp_path, "clone", "-q", "--depth", "1", folder.as_uri(), str(tmp_path / "clone"))
    missing = propose(tmp_path / "clone").missing
    assert "The clone is shallow: run `git fetch --unshallow --tags` before planning." in missing


def test_a_name_that_cannot_be_used(repository):
    with pytest.raises(ConfigError) as caught:
        propose(repository({}), name="My Shop")
    assert str(caught.value) == (
        "The name 'My Shop' cannot be used. (--name) "
        "Write lower-case letters, digits, dots, dashes and underscores, such as `my-shop`."
    )

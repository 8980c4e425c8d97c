"""Python: a package that pip can build, or an application that is shipped as it is."""

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from gare.config.ecosystems.found import (
    Ecosystem,
    Words,
    archive,
    interpreter,
    read,
    read_ini,
    read_toml,
    section,
    text_of,
)

_VENV = ".gare/venv"

_TEST_EXTRAS = ("test", "tests", "testing", "dev", "develop")

_TEST_REQUIREMENTS = (
    "requirements-test.txt",
    "requirements-tests.txt",
    "requirements_test.txt",
    "test-requirements.txt",
    "requirements/test.txt",
    "requirements/tests.txt",
    "requirements-dev.txt",
    "requirements_dev.txt",
    "dev-requirements.txt",
    "requirements/dev.txt",
)

_VERSION_FROM_TAG = {
    "setuptools_scm": "SETUPTOOLS_SCM_PRETEND_VERSION",
    "setuptools-scm": "SETUPTOOLS_SCM_PRETEND_VERSION",
    "hatch-vcs": "SETUPTOOLS_SCM_PRETEND_VERSION",
    "flit_scm": "SETUPTOOLS_SCM_PRETEND_VERSION",
    "poetry-dynamic-versioning": "POETRY_DYNAMIC_VERSIONING_BYPASS",
    "versioningit": "",
}
"""Build tools that take the version from a tag, which does not exist yet, and the variable that tells them."""

_TELL_VERSION = (
    "import os, subprocess, sys; "
    "sys.exit(subprocess.call(sys.argv[2:], env={**os.environ, sys.argv[1]: os.environ['GARE_VERSION']}))"
)


def package(folder: Path) -> Ecosystem | None:
    """Find a Python package that pip can build."""
    pyproject = read_toml(folder / "pyproject.toml")
    has_setup = (folder / "setup.py").is_file() or (folder / "setup.cfg").is_file()
    if not (pyproject.get("project") or pyproject.get("build-system") or has_setup):
        return None
    setup = read_ini(folder / "setup.cfg")
    name = (
        text_of(section(pyproject, "project").get("name"))
        or text_of(section(pyproject, "tool", "poetry").get("name"))
        or text_of(section(setup, "metadata").get("name"))
    )
    venv = (interpreter(), "-m", "venv", _VENV)
    pip = (_venv_python(), "-m", "pip")
    told, version_notes = _told_version(folder, pyproject)
    test, notes = _python_tests(folder, pyproject, setup, pip, told)
    return Ecosystem(
        "Python",
        "pyproject.toml"
        if pyproject
        else "setup.py"
        if (folder / "setup.py").is_file()
        else "setup.cfg",
        name=name,
        build=(venv, (*told, *pip, "wheel", "--quiet", "--no-deps", "--wheel-dir", "dist", ".")),
        artifacts=("dist/*.whl",),
        test=(venv, *test) if test else (),
        junit=("reports/junit.xml",) if test else (),
        coverage=("reports/coverage.xml",) if test else (),
        notes=(*notes, *version_notes, *_version_note(pyproject), *_python_notes(folder)),
    )


def _venv_python() -> str:
    return f"{_VENV}/Scripts/python" if os.name == "nt" else f"{_VENV}/bin/python"


def _python_tests(
    folder: Path, pyproject: Mapping[str, Any], setup: Mapping[str, Any], pip: Words, told: Words
) -> tuple[tuple[Words, ...], tuple[str, ...]]:
    """Return the commands that install what the tests need and run them; none when there are no tests."""
    if not _has_python_tests(folder):
        return (), ()
    extras = [
        *section(pyproject, "project", "optional-dependencies"),
        *section(setup, "options.extras_require"),
    ]
    extra = next((name for name in _TEST_EXTRAS if name in extras), "")
    groups = section(pyproject, "dependency-groups")
    group = next((name for name in _TEST_EXTRAS if name in groups), "")
    files = [name for name in _TEST_REQUIREMENTS if (folder / name).is_file()][:1]
    commands: list[Words] = []
    if group and not extra:
        # The pip that a fresh environment brings may be older than dependency groups (25.1).
        commands.append((*pip, "install", "--quiet", "--upgrade", "pip>=25.1"))
    install: list[str] = ["--editable", f".[{extra}]" if extra else "."]
    for file in files:
        install += ["--requirement", file]
    if group and not extra:
        install += ["--group", group]
    install += _poetry_requirements(pyproject)
    own = [name for name in ("pytest", "pytest-cov") if name not in install]
    commands.append((*told, *pip, "install", "--quiet", *install, *own))
    measured = _measured(folder, pyproject)
    commands.append(
        (
            pip[0],
            "-m",
            "pytest",
            "--junitxml=reports/junit.xml",
            measured,
            "--cov-report=xml:reports/coverage.xml",
        )
    )
    is_told = bool(extra or group or files or _poetry_requirements(pyproject))
    note = (
        "The tests' own dependencies are named nowhere I looked: pytest is installed, nothing else."
    )
    return tuple(commands), () if is_told else (note,)


def _has_python_tests(folder: Path) -> bool:
    places = [folder / "tests", folder / "test", folder / "src", folder]
    patterns = ("test_*.py", "*_test.py", "tests.py", "*/test_*.py", "*/*/test_*.py")
    return any(
        next(place.glob(pattern), None)
        for place in places
        if place.is_dir()
        for pattern in patterns
    )


def _poetry_requirements(pyproject: Mapping[str, Any]) -> list[str]:
    """Return the names Poetry installs for tests: pip cannot read its groups."""
    poetry = section(pyproject, "tool", "poetry")
    wanted = section(poetry, "dev-dependencies")
    for name in ("test", "tests", "dev"):
        wanted = wanted | section(poetry, "group", name, "dependencies")
    return [
        name
        for name, rule in wanted.items()
        if isinstance(rule, str) and re.fullmatch(r"[A-Za-z0-9._-]+", name)
    ]


def _measured(folder: Path, pyproject: Mapping[str, Any]) -> str:
    """Return pytest-cov's option: the project's own coverage settings, else its package, else everything."""
    if section(pyproject, "tool", "coverage") or (folder / ".coveragerc").is_file():
        return "--cov"
    for root in (folder / "src", folder):
        packages = sorted(file.parent.name for file in root.glob("*/__init__.py"))
        own = [name for name in packages if name not in ("tests", "test", "docs", "examples")]
        if len(own) == 1:
            return f"--cov={own[0]}"
    return "--cov"


def _told_version(folder: Path, pyproject: Mapping[str, Any]) -> tuple[Words, tuple[str, ...]]:
    """Return what stands before a build command to tell it the version, and what to say about that."""
    text = read(folder / "pyproject.toml") + read(folder / "setup.py") + read(folder / "setup.cfg")
    tool = next((name for name in _VERSION_FROM_TAG if name in text), "")
    variable = _VERSION_FROM_TAG.get(tool, "")
    if section(pyproject, "tool", "pdm", "version").get("source") == "scm":
        tool, variable = "pdm-backend", "PDM_BUILD_SCM_VERSION"
    if variable:
        note = f"{tool} takes the version from a tag that is made later: the build is told through {variable}."
        return (interpreter(), "-c", _TELL_VERSION, variable), (note,)
    if tool:
        return (), (
            f"{tool} takes the version from the tag, which is made after the build: tell it GARE_VERSION.",
        )
    return (), ()


def _version_note(pyproject: Mapping[str, Any]) -> Iterable[str]:
    own = text_of(section(pyproject, "project").get("version")) or text_of(
        section(pyproject, "tool", "poetry").get("version")
    )
    if own:
        yield (
            f"pyproject.toml says version {own} itself: commit the next one there before a release, "
            "or the package carries this one."
        )


def _python_notes(folder: Path) -> Iterable[str]:
    runners = [name for name in ("tox.ini", "noxfile.py") if (folder / name).is_file()]
    if runners:
        yield f"{' and '.join(runners)} found and not used: one environment is tested, the station's own Python."
    if (folder / "manage.py").is_file():
        yield "manage.py found: a Django project's tests may need pytest-django and DJANGO_SETTINGS_MODULE."


def application(folder: Path) -> Ecosystem | None:
    """Find Python code that is no package: it is shipped as an archive of its files."""
    if not any(
        (folder / name).is_file() for name in ("requirements.txt", "app.py", "main.py", "manage.py")
    ):
        return None
    if not next(folder.glob("**/*.py"), None):
        return None
    venv = (interpreter(), "-m", "venv", _VENV)
    pip = (_venv_python(), "-m", "pip")
    files = [
        name for name in ("requirements.txt", *_TEST_REQUIREMENTS) if (folder / name).is_file()
    ]
    install = [word for file in files[:2] for word in ("--requirement", file)]
    has_tests = _has_python_tests(folder)
    run = (
        pip[0],
        "-m",
        "pytest",
        "--junitxml=reports/junit.xml",
        "--cov",
        "--cov-report=xml:reports/coverage.xml",
    )
    return Ecosystem(
        "Python application",
        "requirements.txt" if "requirements.txt" in files else "*.py",
        build=(archive(folder, "app.tar.gz"),),
        artifacts=("app.tar.gz",),
        test=(venv, (*pip, "install", "--quiet", *install, "pytest", "pytest-cov"), run)
        if has_tests
        else (),
        junit=("reports/junit.xml",) if has_tests else (),
        coverage=("reports/coverage.xml",) if has_tests else (),
    )

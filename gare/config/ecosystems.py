"""Which language a checkout is written in, and how such a project is built and tested: one small detector each.

Looks at file names and a few files' text; runs nothing. To add an ecosystem: one function and one line in DETECTORS,
most specific first. Commands are for a machine that has Python and the ecosystem's own tool, nothing else.
"""

import configparser
import json
import os
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gare.config.names import slug

_MAX_BYTES = 1024 * 1024
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

Words = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ecosystem:
    """How a project of some language is built and tested. Empty commands or reports: not found."""

    kind: str
    because: str
    """The file that told."""
    name: str = ""
    build: tuple[Words, ...] = ()
    artifacts: tuple[str, ...] = ()
    test: tuple[Words, ...] = ()
    junit: tuple[str, ...] = ()
    coverage: tuple[str, ...] = ()
    strip: int = 0
    """Leading folders inside the artifact that are no part of what is deployed."""
    notes: tuple[str, ...] = ()
    """What a person should know, one sentence each."""


def ecosystems_of(folder: Path) -> list[Ecosystem]:
    """Return every ecosystem found in a checkout, the one to take first."""
    return [found for detect in DETECTORS if (found := detect(folder)) is not None]


def _read(file: Path) -> str:
    """Return a file's text, empty when it is absent, too large or unreadable: detection never fails."""
    try:
        with file.open("rb") as stream:
            return stream.read(_MAX_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""


def _json(file: Path) -> dict[str, Any]:
    try:
        value = json.loads(_read(file))
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(_read(file))
    except tomllib.TOMLDecodeError:
        return {}


def _section(value: Any, *keys: str) -> dict[str, Any]:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _interpreter() -> str:
    return "python" if os.name == "nt" else "python3"


def _venv_python() -> str:
    return f"{_VENV}/Scripts/python" if os.name == "nt" else f"{_VENV}/bin/python"


def _python(folder: Path) -> Ecosystem | None:
    """Find a Python package that pip can build."""
    pyproject = _toml(folder / "pyproject.toml")
    has_setup = (folder / "setup.py").is_file() or (folder / "setup.cfg").is_file()
    if not (pyproject.get("project") or pyproject.get("build-system") or has_setup):
        return None
    setup = _ini(folder / "setup.cfg")
    name = (
        _text(_section(pyproject, "project").get("name"))
        or _text(_section(pyproject, "tool", "poetry").get("name"))
        or _text(_section(setup, "metadata").get("name"))
    )
    venv = (_interpreter(), "-m", "venv", _VENV)
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
        notes=(*notes, *version_notes, *_python_notes(folder)),
    )


def _ini(file: Path) -> dict[str, Any]:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(_read(file))
    except configparser.Error:
        return {}
    return {section: dict(parser[section]) for section in parser.sections()}


def _python_tests(
    folder: Path, pyproject: Mapping[str, Any], setup: Mapping[str, Any], pip: Words, told: Words
) -> tuple[tuple[Words, ...], tuple[str, ...]]:
    """Return the commands that install what the tests need and run them; none when there are no tests."""
    if not _has_python_tests(folder):
        return (), ()
    extras = [
        *_section(pyproject, "project", "optional-dependencies"),
        *_section(setup, "options.extras_require"),
    ]
    extra = next((name for name in _TEST_EXTRAS if name in extras), "")
    groups = _section(pyproject, "dependency-groups")
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
    commands.append((*told, *pip, "install", "--quiet", *install, "pytest", "pytest-cov"))
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
    poetry = _section(pyproject, "tool", "poetry")
    wanted = _section(poetry, "dev-dependencies")
    for name in ("test", "tests", "dev"):
        wanted = wanted | _section(poetry, "group", name, "dependencies")
    return [
        name
        for name, rule in wanted.items()
        if isinstance(rule, str) and re.fullmatch(r"[A-Za-z0-9._-]+", name)
    ]


def _measured(folder: Path, pyproject: Mapping[str, Any]) -> str:
    """Return pytest-cov's option: the project's own coverage settings, else its package, else everything."""
    if _section(pyproject, "tool", "coverage") or (folder / ".coveragerc").is_file():
        return "--cov"
    for root in (folder / "src", folder):
        packages = sorted(file.parent.name for file in root.glob("*/__init__.py"))
        own = [name for name in packages if name not in ("tests", "test", "docs", "examples")]
        if len(own) == 1:
            return f"--cov={own[0]}"
    return "--cov"


def _told_version(folder: Path, pyproject: Mapping[str, Any]) -> tuple[Words, tuple[str, ...]]:
    """Return what stands before a build command to tell it the version, and what to say about that."""
    text = (
        _read(folder / "pyproject.toml") + _read(folder / "setup.py") + _read(folder / "setup.cfg")
    )
    tool = next((name for name in _VERSION_FROM_TAG if name in text), "")
    variable = _VERSION_FROM_TAG.get(tool, "")
    if _section(pyproject, "tool", "pdm", "version").get("source") == "scm":
        tool, variable = "pdm-backend", "PDM_BUILD_SCM_VERSION"
    if variable:
        note = f"{tool} takes the version from a tag that is made later: the build is told through {variable}."
        return (_interpreter(), "-c", _TELL_VERSION, variable), (note,)
    if tool:
        return (), (
            f"{tool} takes the version from the tag, which is made after the build: tell it GARE_VERSION.",
        )
    return (), ()


def _python_notes(folder: Path) -> Iterable[str]:
    runners = [name for name in ("tox.ini", "noxfile.py") if (folder / name).is_file()]
    if runners:
        yield f"{' and '.join(runners)} found and not used: one environment is tested, the station's own Python."
    if (folder / "manage.py").is_file():
        yield "manage.py found: a Django project's tests may need pytest-django and DJANGO_SETTINGS_MODULE."


def _python_application(folder: Path) -> Ecosystem | None:
    """Find Python code that is no package: it is shipped as an archive of its files."""
    if not any(
        (folder / name).is_file() for name in ("requirements.txt", "app.py", "main.py", "manage.py")
    ):
        return None
    if not next(folder.glob("**/*.py"), None):
        return None
    venv = (_interpreter(), "-m", "venv", _VENV)
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
        build=(_archive(folder, "app.tar.gz"),),
        artifacts=("app.tar.gz",),
        test=(venv, (*pip, "install", "--quiet", *install, "pytest", "pytest-cov"), run)
        if has_tests
        else (),
        junit=("reports/junit.xml",) if has_tests else (),
        coverage=("reports/coverage.xml",) if has_tests else (),
    )


def _archive(folder: Path, name: str, *more: str) -> Words:
    """Return a command that packs what is at the top of the checkout, without tests and hidden files."""
    left_out = {
        "tests",
        "test",
        "docs",
        "dist",
        "build",
        "reports",
        "node_modules",
        "vendor",
        "__pycache__",
        "venv",
    }
    names = sorted(
        path.name
        for path in folder.iterdir()
        if not path.name.startswith(".") and path.name not in left_out
    )
    own = [
        entry
        for entry in names
        if entry not in ("gare.yaml", "station.yaml", name) and not entry.startswith("-")
    ]
    return (_interpreter(), "-m", "tarfile", "-c", name, *own, *more)


def _maven(folder: Path) -> Ecosystem | None:
    pom = _read(folder / "pom.xml")
    if not pom:
        return None
    wrapper = "mvnw.cmd" if os.name == "nt" else "mvnw"
    tool = f"./{wrapper}" if (folder / wrapper).is_file() else "mvn"
    own = re.sub(
        r"(?s)<(parent|dependencies|build|profiles|dependencyManagement)>.*?</\1>|<!--.*?-->",
        "",
        pom,
    )
    packaging = _first(r"<packaging>\s*(war|ear|jar)\s*</packaging>", own) or "jar"
    deep = "**/" if "<modules>" in pom else ""
    note = (
        ("JaCoCo's report is no Cobertura XML: convert it to have the coverage gate read it.",)
        if "jacoco" in pom
        else ()
    )
    return Ecosystem(
        "Java (Maven)",
        "pom.xml",
        name=_first(r"<artifactId>\s*([^<\s]+)\s*</artifactId>", own),
        build=((tool, "-B", "-ntp", "-DskipTests", "package"),),
        artifacts=(f"{deep}target/*.{packaging}",),
        test=((tool, "-B", "-ntp", "test"),),
        junit=(f"{deep}target/surefire-reports/TEST-*.xml",),
        notes=note,
    )


def _gradle(folder: Path) -> Ecosystem | None:
    builds = [name for name in ("build.gradle", "build.gradle.kts") if (folder / name).is_file()]
    settings = _read(folder / "settings.gradle") + _read(folder / "settings.gradle.kts")
    if not builds and not settings:
        return None
    wrapper = "gradlew.bat" if os.name == "nt" else "gradlew"
    tool = f"./{wrapper}" if (folder / wrapper).is_file() else "gradle"
    deep = "**/" if "include" in settings else ""
    return Ecosystem(
        "Java (Gradle)",
        builds[0] if builds else "settings.gradle",
        name=_first(r"rootProject\.name\s*=\s*[\"']([^\"']+)", settings),
        build=((tool, "--no-daemon", "--console=plain", "assemble"),),
        artifacts=(f"{deep}build/libs/*.jar",),
        test=((tool, "--no-daemon", "--console=plain", "test"),),
        junit=(f"{deep}build/test-results/test/*.xml",),
    )


def _cmake(folder: Path) -> Ecosystem | None:
    text = re.sub(r"#.*", "", _read(folder / "CMakeLists.txt"))
    if not text:
        return None
    configure = ("cmake", "-S", ".", "-B", "build", "-DCMAKE_BUILD_TYPE=Release")
    make = ("cmake", "--build", "build", "--config", "Release", "--parallel")
    below = text + "".join(_read(file) for file in sorted(folder.glob("*/CMakeLists.txt"))[:50])
    packing, artifacts = _cmake_artifacts(below)
    has_tests = bool(re.search(r"(?i)\b(enable_testing\s*\(|include\s*\(\s*CTest\s*\))", below))
    test = (
        "ctest",
        "--test-dir",
        "build",
        "-C",
        "Release",
        "--output-on-failure",
        "--output-junit",
        "junit.xml",
    )
    return Ecosystem(
        "C or C++ (CMake)",
        "CMakeLists.txt",
        name=_first(r"(?i)\bproject\s*\(\s*([A-Za-z0-9_.-]+)", text),
        build=(configure, make, *packing),
        artifacts=artifacts,
        test=(configure, make, test) if has_tests else (),
        # ctest takes the path from the build folder, not from where it is started.
        junit=("build/junit.xml",) if has_tests else (),
        notes=()
        if artifacts
        else ("No install rule, package or executable found in CMakeLists.txt.",),
    )


def _cmake_artifacts(text: str) -> tuple[tuple[Words, ...], tuple[str, ...]]:
    if re.search(r"(?i)\binclude\s*\(\s*CPack\s*\)", text):
        return (("cpack", "--config", "build/CPackConfig.cmake", "-G", "TGZ", "-B", "dist"),), (
            "dist/*.tar.gz",
        )
    if re.search(r"(?i)\binstall\s*\(\s*(TARGETS|FILES|PROGRAMS|DIRECTORY)", text):
        return (("cmake", "--install", "build", "--config", "Release", "--prefix", "dist"),), (
            "dist/**/*",
        )
    programs = re.findall(r"(?i)\badd_executable\s*\(\s*([A-Za-z0-9_.+-]+)", text)
    own = [name for name in programs if "test" not in name.lower()]
    end = ".exe" if os.name == "nt" else ""
    return (), tuple(f"build/**/{name}{end}" for name in dict.fromkeys(own))


def _composer(folder: Path) -> Ecosystem | None:
    composer = _json(folder / "composer.json")
    if not composer:
        return None
    name = _text(composer.get("name")).rpartition("/")[2]
    quiet = ("--no-interaction", "--no-progress")
    wanted = _section(composer, "require") | _section(composer, "require-dev")
    has_tests = "phpunit/phpunit" in wanted or any(folder.glob("phpunit.xml*"))
    install: Words = ("composer", "install", *quiet)
    return Ecosystem(
        "PHP (Composer)",
        "composer.json",
        name=name,
        build=(
            ("composer", "install", *quiet, "--no-dev", "--optimize-autoloader"),
            ("composer", "archive", "--format=tar", "--dir=dist", f"--file={slug(name) or 'app'}"),
        ),
        artifacts=("dist/*.tar",),
        test=(install, ("vendor/bin/phpunit", "--log-junit", "reports/junit.xml"))
        if has_tests
        else (),
        junit=("reports/junit.xml",) if has_tests else (),
        notes=() if has_tests else ("composer.json names no phpunit/phpunit.",),
    )


def _node(folder: Path) -> Ecosystem | None:
    package = _json(folder / "package.json")
    if not package:
        return None
    install, run = _node_install(folder)
    scripts = _section(package, "scripts")
    test, junit = _node_tests(package, scripts)
    return Ecosystem(
        "JavaScript (npm)" if run[0] == "npm" else f"JavaScript ({run[0]})",
        "package.json",
        name=_text(package.get("name")).rpartition("/")[2],
        build=(install, *([(*run, "build")] if "build" in scripts else []), ("npm", "pack")),
        artifacts=("*.tgz",),
        test=(install, *test) if test else (),
        junit=junit,
        strip=1,
        notes=()
        if junit
        else ("No test runner that I know to write JUnit XML (vitest, jest, mocha, node --test).",),
    )


def _node_install(folder: Path) -> tuple[Words, Words]:
    if (folder / "pnpm-lock.yaml").is_file():
        return ("pnpm", "install", "--frozen-lockfile"), ("pnpm", "run")
    if (folder / "yarn.lock").is_file():
        return ("yarn", "install", "--frozen-lockfile"), ("yarn", "run")
    is_locked = any(
        (folder / name).is_file() for name in ("package-lock.json", "npm-shrinkwrap.json")
    )
    return ("npm", "ci" if is_locked else "install", "--no-audit", "--no-fund"), ("npm", "run")


def _node_tests(
    package: Mapping[str, Any], scripts: Mapping[str, Any]
) -> tuple[tuple[Words, ...], tuple[str, ...]]:
    tools = _section(package, "devDependencies") | _section(package, "dependencies")
    junit = ("junit.xml",)
    if "vitest" in tools:
        return (("npx", "vitest", "run", "--reporter=junit", "--outputFile=junit.xml"),), junit
    if "jest" in tools:
        add = (
            ()
            if "jest-junit" in tools
            else (("npm", "install", "--no-save", "--no-audit", "jest-junit"),)
        )
        return (
            *add,
            ("npx", "jest", "--ci", "--reporters=default", "--reporters=jest-junit"),
        ), junit
    if "mocha" in tools:
        return (
            ("npx", "mocha", "--reporter", "xunit", "--reporter-option", "output=junit.xml"),
        ), junit
    if "node --test" in _text(scripts.get("test")):
        reporter = ("--test-reporter=junit", "--test-reporter-destination=junit.xml")
        return (("node", "--test", *reporter),), junit
    if "test" in scripts and "no test specified" not in _text(scripts["test"]):
        return (("npm", "test"),), ()
    return (), ()


def _make(folder: Path) -> Ecosystem | None:
    file = next(
        (name for name in ("GNUmakefile", "makefile", "Makefile") if (folder / name).is_file()), ""
    )
    if not file:
        return None
    targets = set(re.findall(r"(?m)^([A-Za-z0-9_.-]+)\s*:(?!=)", _read(folder / file)))
    build = next((name for name in ("dist", "package", "build", "all") if name in targets), "")
    test = next((name for name in ("test", "tests", "check") if name in targets), "")
    return Ecosystem(
        "Makefile",
        file,
        build=(("make", build),) if build else (),
        artifacts=("dist/*",) if build == "dist" else (),
        test=(("make", test),) if test else (),
        notes=(f"`make {test}` must write JUnit XML: the test step counts executed tests.",)
        if test
        else (),
    )


def _first(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    return found[1] if found else ""


DETECTORS: Sequence[Callable[[Path], Ecosystem | None]] = (
    _python,
    _maven,
    _gradle,
    _cmake,
    _composer,
    _node,
    _python_application,
    _make,
)

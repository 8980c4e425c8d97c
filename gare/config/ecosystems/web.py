"""PHP with Composer and JavaScript with npm, pnpm or yarn."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gare.config.ecosystems.found import Ecosystem, Words, read_json, section, text_of
from gare.config.names import slug


def composer(folder: Path) -> Ecosystem | None:
    """Find a Composer package."""
    composer = read_json(folder / "composer.json")
    if not composer:
        return None
    name = text_of(composer.get("name")).rpartition("/")[2]
    quiet = ("--no-interaction", "--no-progress")
    wanted = section(composer, "require") | section(composer, "require-dev")
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


def node(folder: Path) -> Ecosystem | None:
    """Find an npm package."""
    package = read_json(folder / "package.json")
    if not package:
        return None
    install, run = _node_install(folder)
    scripts = section(package, "scripts")
    test, junit = _node_tests(package, scripts)
    return Ecosystem(
        "JavaScript (npm)" if run[0] == "npm" else f"JavaScript ({run[0]})",
        "package.json",
        name=text_of(package.get("name")).rpartition("/")[2],
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
    tools = section(package, "devDependencies") | section(package, "dependencies")
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
    if "node --test" in text_of(scripts.get("test")):
        reporter = ("--test-reporter=junit", "--test-reporter-destination=junit.xml")
        return (("node", "--test", *reporter),), junit
    if "test" in scripts and "no test specified" not in text_of(scripts["test"]):
        return (("npm", "test"),), ()
    return (), ()

"""A CycloneDX bill of materials from what a checkout declares, without network and without running the project.

Python only: cyclonedx-py in a process of its own. A lock file gives exact versions; declared dependencies give names
and ranges, and the document says so instead of guessing what an installer would choose.
"""

import configparser
import json
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gare.connectors.process import Say, allowed_env, run
from gare.errors import StepFailed
from gare.files import write_atomic

_TIMEOUT_S = 120.0
_ELSEWHERE = {
    "pom.xml": "Java: let the build run cyclonedx-maven-plugin and name target/bom.json under `build: artifacts`",
    "build.gradle": "Java: let the build run cyclonedx-gradle-plugin and name its bom.json under `build: artifacts`",
    "composer.json": "PHP: let the build run cyclonedx-php-composer and name its output under `build: artifacts`",
    "package.json": "JavaScript: let the build run `npm sbom --sbom-format cyclonedx` into a file and name it under"
    " `build: artifacts`",
}


@dataclass(frozen=True, slots=True)
class Sbom:
    """A bill of materials, or why there is none. `reason` says from what it was made, or why not."""

    path: Path | None
    reason: str


@dataclass(frozen=True, slots=True)
class _Method:
    """How cyclonedx-py reads a checkout; `lines` are requirements to write for it first."""

    says: str
    arguments: tuple[str, ...]
    lines: tuple[str, ...] | None = None


def make_sbom(
    checkout: Path, *, kind: str, project: str, version: str, out: Path, log: Path, say: Say
) -> Sbom:
    """Write the bill of materials of a checkout to `out`; equal checkouts give equal bytes.

    `kind` is auto, python or none. Raises StepFailed when `python` is asked and nothing declares dependencies, or when
    a file that declares them cannot be read.
    """
    if kind == "none":
        return Sbom(None, "switched off (`build: sbom: none`)")
    method = _method(checkout)
    if isinstance(method, str):
        if kind == "python":
            raise StepFailed(
                f"There is no bill of materials: {method}.",
                where="build: sbom: python",
                hint="Declare the dependencies in pyproject.toml, or write `sbom: auto`.",
            )
        return Sbom(None, method)
    out.parent.mkdir(parents=True, exist_ok=True)
    raw = out.with_name(f".{out.name}.raw")
    lines = out.with_name(f".{out.name}.requirements.txt")
    try:
        if method.lines is not None:
            lines.write_text("".join(f"{line}\n" for line in method.lines), encoding="utf-8")
        arguments = [str(lines) if word == "{lines}" else word for word in method.arguments]
        _run_tool(checkout, arguments, raw, log, say)
        document = json.loads(raw.read_text(encoding="utf-8"))
    finally:
        raw.unlink(missing_ok=True)
        lines.unlink(missing_ok=True)
    _complete(document, project, version, method.says)
    write_atomic(out, json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n")
    return Sbom(out, method.says)


def _method(checkout: Path) -> _Method | str:
    """Choose the most exact source; a text says why there is none."""
    project = _toml(checkout / "pyproject.toml")
    described = (
        ("--pyproject", "pyproject.toml") if "project" in project or _poetry(project) else ()
    )
    if (checkout / "poetry.lock").is_file() and (_poetry(project) or "project" in project):
        return _Method("the versions locked in poetry.lock", ("poetry", "--no-dev", "."))
    if (checkout / "Pipfile.lock").is_file():
        return _Method("the versions locked in Pipfile.lock", ("pipenv", *described, "."))
    declared = project.get("project", {})
    if declared and "dependencies" not in declared.get("dynamic", ()):
        lines = tuple(str(line) for line in declared.get("dependencies", ()))
        return _Method(
            "the dependencies declared in pyproject.toml (not resolved)",
            ("requirements", *described, "{lines}"),
            lines,
        )
    if (checkout / "requirements.txt").is_file():
        return _Method(
            "the lines of requirements.txt (not resolved)",
            ("requirements", *described, "requirements.txt"),
        )
    if (listed := _setup_cfg(checkout / "setup.cfg")) is not None:
        return _Method(
            "the dependencies declared in setup.cfg (not resolved)",
            ("requirements", *described, "{lines}"),
            listed,
        )
    return _why_not(checkout, project)


def _why_not(checkout: Path, project: dict[str, Any]) -> str:
    if project or (checkout / "setup.py").is_file():
        return "Python: the dependencies are known only while building; declare them in pyproject.toml, or lock them"
    for name, reason in _ELSEWHERE.items():
        if (checkout / name).is_file():
            return reason
    return "no file of the checkout declares dependencies that Gare can read"


def _run_tool(checkout: Path, arguments: Sequence[str], raw: Path, log: Path, say: Say) -> None:
    # -I: the checkout is the working directory and must not supply modules to Gare's own interpreter.
    # --no-validate: the tool's own check takes 2 s of 2.2 s; our tests validate what comes out.
    command = [sys.executable, "-I", "-W", "ignore", "-m", "cyclonedx_py", arguments[0]]
    command += ["--no-validate", "--output-reproducible", "--of", "JSON", "--sv", "1.6"]
    command += ["-o", str(raw), *arguments[1:]]
    try:
        run(
            command,
            cwd=checkout,
            env=allowed_env(),
            timeout_s=_TIMEOUT_S,
            log=log,
            say=say,
            label="cyclonedx-py",
        )
    except StepFailed as error:
        raise StepFailed(
            f"The bill of materials cannot be made: {error.what}",
            where=error.where,
            hint="Correct the file it names, or write `build: sbom: none`.",
        ) from error


def _complete(document: dict[str, Any], project: str, version: str, method: str) -> None:
    """Add what the tool cannot know: the version being released, and how complete the document is."""
    metadata = document.setdefault("metadata", {})
    root = metadata.setdefault(
        "component", {"type": "application", "name": project, "bom-ref": "root-component"}
    )
    root["version"] = version
    metadata.setdefault("properties", []).append({"name": "gare:sbom:source", "value": method})
    components = document.setdefault("components", [])
    for component in components:
        # The tool assumes an index; where a package will come from is not declared anywhere.
        kept = [ref for ref in component.get("externalReferences", []) if not _is_assumed(ref)]
        component["externalReferences"] = kept
        if not kept:
            del component["externalReferences"]
    links = document.setdefault("dependencies", [])
    own = next((link for link in links if link.get("ref") == root["bom-ref"]), None)
    if own is None:
        own = {"ref": root["bom-ref"]}
        links.append(own)
    if not any("dependsOn" in link for link in links) and components:
        own["dependsOn"] = sorted(component["bom-ref"] for component in components)


def _is_assumed(reference: dict[str, Any]) -> bool:
    return str(reference.get("comment", "")).startswith("implicit dist")


def _poetry(project: dict[str, Any]) -> bool:
    return bool(project.get("tool", {}).get("poetry"))


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise StepFailed(
            f"{path.name} cannot be read: {error}.", where=str(path), hint="Correct the file."
        ) from error


def _setup_cfg(path: Path) -> tuple[str, ...] | None:
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read(path, encoding="utf-8")
        text = parser.get("options", "install_requires", fallback="")
    except (configparser.Error, UnicodeDecodeError) as error:
        raise StepFailed(
            f"setup.cfg cannot be read: {error}.", where=str(path), hint="Correct the file."
        ) from error
    lines = tuple(line.strip() for line in text.splitlines() if line.strip())
    return None if not lines or lines[0].startswith("file:") else lines

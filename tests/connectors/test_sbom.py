"""Bills of materials say what is declared, no more, and the same for the same checkout."""

import json
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from gare.connectors.sbom import Sbom, make_sbom
from gare.errors import StepFailed

PYPROJECT = """
[project]
name = "shop"
dynamic = ["version"]
license = "MIT"
dependencies = ["httpx>=0.28", "click==8.1.7; python_version > '3'"]
"""
POETRY = """
[tool.poetry]
name = "shop"
version = "0"
description = ""
authors = []
[tool.poetry.dependencies]
python = "^3.11"
click = "^8"
"""
POETRY_LOCK = """
[[package]]
name = "click"
version = "8.1.7"
description = ""
optional = false
python-versions = ">=3.7"
files = []

[metadata]
lock-version = "2.0"
python-versions = "^3.11"
content-hash = "0"
"""


def sbom(checkout: Path, *, kind: str = "auto") -> Sbom:
    folder = checkout.parent / "out"
    return make_sbom(
        checkout,
        kind=kind,
        project="shop",
        version="1.2.0",
        out=folder / "shop.cdx.json",
        log=folder / "log",
        say=print,
    )


def write(tmp_path: Path, **files: str) -> Path:
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    for name, text in files.items():
        (checkout / name.replace("__", ".")).write_text(text)
    return checkout


def document(result: Sbom) -> dict[str, Any]:
    assert result.path is not None
    read: dict[str, Any] = json.loads(result.path.read_text())
    return read


def parts(result: Sbom) -> list[tuple[str, str | None]]:
    return sorted((part["name"], part.get("version")) for part in document(result)["components"])


def test_declared_dependencies_and_the_project_itself(tmp_path: Path) -> None:
    result = sbom(write(tmp_path, pyproject__toml=PYPROJECT))
    found = document(result)
    assert result.reason == "the dependencies declared in pyproject.toml (not resolved)"
    assert found["bomFormat"] == "CycloneDX"
    root = found["metadata"]["component"]
    assert (root["name"], root["version"]) == ("shop", "1.2.0")
    assert parts(result) == [("click", "8.1.7"), ("httpx", None)]
    own = next(link for link in found["dependencies"] if link["ref"] == root["bom-ref"])
    assert len(own["dependsOn"]) == 2
    assert "pypi.org/simple" not in json.dumps(found)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(found)) is None


def test_equal_checkouts_give_equal_bytes(tmp_path: Path) -> None:
    checkout = write(tmp_path, pyproject__toml=PYPROJECT)
    first = sbom(checkout)
    assert first.path is not None
    text = first.path.read_bytes()
    first.path.unlink()
    assert sbom(checkout).path == first.path
    assert first.path.read_bytes() == text
    assert sorted(path.name for path in first.path.parent.iterdir()) == ["log", "shop.cdx.json"]


def test_a_lock_file_gives_exact_versions(tmp_path: Path) -> None:
    result = sbom(write(tmp_path, pyproject__toml=POETRY, poetry__lock=POETRY_LOCK))
    assert result.reason == "the versions locked in poetry.lock"
    assert parts(result) == [("click", "8.1.7")]
    assert document(result)["metadata"]["component"]["version"] == "1.2.0"


@pytest.mark.parametrize(
    ("files", "reason", "names"),
    [
        (
            {"requirements__txt": "click==8.1.7\n"},
            "the lines of requirements.txt (not resolved)",
            ["click"],
        ),
        (
            {"setup__cfg": "[options]\ninstall_requires =\n  click>=8\n  httpx\n", "setup__py": ""},
            "the dependencies declared in setup.cfg (not resolved)",
            ["click", "httpx"],
        ),
        (
            {"pyproject__toml": '[project]\nname="shop"\nversion="0"\n'},
            "the dependencies declared in pyproject.toml (not resolved)",
            [],
        ),
    ],
)
def test_other_declarations(
    files: dict[str, str], reason: str, names: list[str], tmp_path: Path
) -> None:
    result = sbom(write(tmp_path, **files))
    assert result.reason == reason
    assert [name for name, _ in parts(result)] == names


@pytest.mark.parametrize(
    ("files", "start"),
    [
        ({"setup__py": "setup()"}, "Python: the dependencies are known only while building"),
        ({"pom__xml": "<project/>"}, "Java: let the build run cyclonedx-maven-plugin"),
        ({"composer__json": "{}"}, "PHP: let the build run cyclonedx-php-composer"),
        ({"package__json": "{}"}, "JavaScript: let the build run `npm sbom"),
        ({"README": ""}, "no file of the checkout declares dependencies that Gare can read"),
    ],
)
def test_without_a_way_it_says_why(files: dict[str, str], start: str, tmp_path: Path) -> None:
    result = sbom(write(tmp_path, **files))
    assert result.path is None
    assert result.reason.startswith(start)


def test_it_can_be_switched_off_and_demanded(tmp_path: Path) -> None:
    checkout = write(tmp_path, README="")
    assert sbom(checkout, kind="none") == Sbom(None, "switched off (`build: sbom: none`)")
    with pytest.raises(StepFailed, match="There is no bill of materials: no file of the checkout"):
        sbom(checkout, kind="python")


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match=r"pyproject\.toml cannot be read: "):
        sbom(write(tmp_path, pyproject__toml="[project"))


def test_modules_of_the_checkout_are_not_run(tmp_path: Path) -> None:
    checkout = write(
        tmp_path,
        pyproject__toml=PYPROJECT,
        json__py="open('ran', 'w')",
        cyclonedx_py__py="open('ran', 'w')",
    )
    sbom(checkout)
    assert not (checkout / "ran").exists()

"""A pip package that Gare did not make: `gare init` looks, a person votes, and production holds the wheel."""

import os
import subprocess
import sys
from zipfile import ZipFile

import pytest

from gare.domain.releases import ReleaseState

pytestmark = pytest.mark.engine

# A build backend inside the project: pip builds it as any other, but fetches nothing.
PYPROJECT = """\
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "Parcel_Post"
dynamic = ["version"]
[project.optional-dependencies]
test = ["pytest"]
"""
BACKEND = """
import os, zipfile
def build_wheel(folder, config_settings=None, metadata_directory=None):
    version = os.environ["GARE_VERSION"]
    name, about = f"parcel_post-{version}-py3-none-any.whl", f"parcel_post-{version}.dist-info"
    with zipfile.ZipFile(f"{folder}/{name}", "w") as wheel:
        wheel.write("src/parcel_post/__init__.py", "parcel_post/__init__.py")
        wheel.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\\nName: parcel_post\\nVersion: {version}\\n")
        wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(f"{about}/RECORD", "")
    return name
"""
TEST = "import parcel_post\n\ndef test_weight():\n    assert parcel_post.weight(2) == 4\n"


@pytest.fixture
def package(new_shop):
    """Make a repository with a history of years: merges, tags that are no versions, a branch called trunk."""
    shop = new_shop("parcel-post")
    (shop.root / "projects" / "parcel-post.yaml").unlink()
    for path, text in {
        "pyproject.toml": PYPROJECT,
        "backend.py": BACKEND,
        "src/parcel_post/__init__.py": "def weight(parcels):\n    return 2 * parcels\n",
        "tests/test_parcel.py": TEST,
        "tox.ini": "[tox]\n",
    }.items():
        (shop.work / path).parent.mkdir(parents=True, exist_ok=True)
        (shop.work / path).write_text(text)
    git = shop.git
    git("tag", "-d", "v1.0.0")
    git("push", "-q", "origin", ":v1.0.0")
    git("branch", "-m", "trunk")
    git("add", "-A")
    git("commit", "-qm", "Make it a package")
    for tag in ("0.1", "2.0.0", "2.x", "nightly"):
        git("tag", "-am", tag, tag)
    git("checkout", "-q", "-b", "stamps")
    git("commit", "-q", "--allow-empty", "-m", "Stamps (#12)")
    git("checkout", "-q", "trunk")
    git("commit", "-q", "--allow-empty", "-m", "Weigh parcels twice")
    git("merge", "-q", "--no-ff", "-m", "Merge pull request #12 from x/stamps", "stamps")
    git("push", "-q", "origin", "trunk", "--tags")
    git("remote", "set-head", "origin", "trunk")
    return shop


def test_a_package_goes_from_init_to_production(package):
    shop, file = package, package.work / "gare.yaml"
    env = {**os.environ, "GARE_STATION": ""}
    said = subprocess.run(
        [sys.executable, "-m", "gare", "init"], cwd=shop.work, env=env, capture_output=True, text=True, check=True
    ).stdout  # fmt: skip
    for line in (
        "project parcel_post in ",
        "Python (pyproject.toml)",
        "tox.ini found and not used",
        "branch trunk",
        "last version tag 2.0.0: tags are plain versions",
        "Who approves production: nobody is asked until an `approval` is written.",
        "repositories: [parcel-post]",
    ):
        assert line in said
    # What a person then edits: who approves, and tests in an environment that is there already.
    text = file.read_text()
    begin, end = text.index("test:\n"), text.index("# Gates")
    command = f"[{sys.executable}, -m, pytest, -p, no:cacheprovider, --junitxml=r.xml, tests]"
    tests = f"test:\n  commands:\n    - {command}\n  junit: [r.xml]\n"
    text = text[:begin] + tests + text[end:]
    text = text.replace("  production:\n", "  production:\n    approval: {groups: {qa: 1}}\n")
    file.write_text(text)
    (shop.work / "tests" / "conftest.py").write_text(
        "import sys, pathlib\nsys.path.insert(0, str(pathlib.Path('src').absolute()))\n"
    )
    shop.git("add", "-A")
    shop.git("commit", "-qm", "feat: released by Gare")
    shop.git("push", "-q", "origin", "trunk")
    station = shop.root / "station.yaml"
    before = station.read_text()
    station.write_text(f"{before}repositories: [parcel-post]\n")
    try:
        release_it(shop)
    finally:
        station.write_text(before)


def release_it(shop):
    plan = shop.run("plan", "parcel_post")
    assert "parcel_post 2.1.0 (minor; the last one is 2.0.0)" in plan
    assert "Stamps (#12)" in plan
    said = shop.run("release", "parcel_post", "--until-waiting", person="alice")
    assert "test: done" in said
    assert "1 of 1 tests passed" in said
    (release,) = shop.gare().ledger.releases.find(project="parcel_post")
    shop.run("approve", release.id, person="bob")
    shop.run("watch", release.id)
    assert shop.gare().ledger.releases.get(release.id).state is ReleaseState.RELEASED
    place = shop.root / ".gare" / "deploy" / "parcel_post" / "production" / "current"
    (wheel,) = place.glob("*.whl")
    assert wheel.name == "parcel_post-2.1.0-py3-none-any.whl"
    assert "parcel_post/__init__.py" in ZipFile(wheel).namelist()
    assert "refs/tags/2.1.0" in shop.git("ls-remote", "--tags", "origin")
    assert "Nothing to release" in shop.run("plan", "parcel_post", code=3)

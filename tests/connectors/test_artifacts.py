"""Artifacts: found as the patterns say, kept by content, checked when read."""

import hashlib
import os
import re
from pathlib import Path

import pytest

from gare.connectors.artifacts import artifact_path, collect, keep, open_artifact
from gare.domain.artifacts import Artifact
from gare.errors import ConfigError, NotFound, StepFailed, UnexpectedReply


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    for name, text in {
        "dist/shop-1.0.whl": "wheel",
        "dist/shop-1.0.tar.gz": "sdist",
        "site/index.html": "<html>",
        "site/css/a.css": "a{}",
        "bin/run": "#!",
        ".git/config": "git",
        "README.md": "read",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "bin/run").chmod(0o755)
    return folder


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    ("patterns", "names"),
    [
        (["dist/*"], ["shop-1.0.tar.gz", "shop-1.0.whl"]),
        (["dist/*.whl", "README.md"], ["README.md", "shop-1.0.whl"]),
        (["site/**"], ["css/a.css", "index.html"]),
        (["*/index.html"], ["site/index.html"]),
        (["site"], ["site.tar.gz"]),
        (["dist/*.whl", "dist/shop*.whl"], ["shop-1.0.whl"]),
        (["**/*.md"], ["README.md"]),
    ],
)
def test_files_are_found_and_named(
    patterns: list[str], names: list[str], checkout: Path, tmp_path: Path
) -> None:
    assert [artifact.name for artifact in collect(checkout, patterns, tmp_path / "store")] == names


def test_an_artifact_says_its_size_digest_and_kind(checkout: Path, tmp_path: Path) -> None:
    found = collect(checkout, ["dist/*"], tmp_path / "store")
    assert found == (
        Artifact("shop-1.0.tar.gz", 5, sha256("sdist"), "archive"),
        Artifact("shop-1.0.whl", 5, sha256("wheel"), "wheel"),
    )
    with open_artifact(tmp_path / "store", found[1].sha256) as file:
        assert file.read() == b"wheel"
    assert artifact_path(tmp_path / "store", f"sha256:{found[1].sha256}").read_bytes() == b"wheel"


def test_the_git_folder_is_never_an_artifact(checkout: Path, tmp_path: Path) -> None:
    names = [artifact.name for artifact in collect(checkout, ["**"], tmp_path / "store")]
    assert "README.md" in names
    assert not [name for name in names if ".git" in name]


def test_equal_content_is_kept_once_and_nothing_else_stays(checkout: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    first = collect(checkout, ["dist/*", "site"], store)
    files = sorted(path for path in store.rglob("*") if path.is_file())
    assert collect(checkout, ["dist/*", "site"], store) == first
    assert sorted(path for path in store.rglob("*") if path.is_file()) == files
    assert len(files) == 3


def test_a_program_stays_one(checkout: Path, tmp_path: Path) -> None:
    (artifact,) = collect(checkout, ["bin/run"], tmp_path / "store")
    path = artifact_path(tmp_path / "store", artifact.sha256)
    assert os.stat(path).st_mode & 0o777 == 0o555
    plain = keep(checkout / "README.md", "r", tmp_path / "store")
    assert os.stat(artifact_path(tmp_path / "store", plain.sha256)).st_mode & 0o777 == 0o444


@pytest.mark.parametrize("pattern", ["../x", "/etc/*", "a/../../b", "", "..\\x"])
def test_a_pattern_stays_in_the_checkout(pattern: str, checkout: Path, tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=re.escape(f"`{pattern}` does not stay inside the checkout.")
    ):
        collect(checkout, [pattern], tmp_path / "store")


def test_no_match_says_what_is_there(checkout: Path, tmp_path: Path) -> None:
    with pytest.raises(StepFailed) as failure:
        collect(checkout, ["dist/*.jar"], tmp_path / "store")
    assert str(failure.value) == (
        "The build made nothing that matches `dist/*.jar`. "
        "(build: artifacts; in `dist/` there is shop-1.0.tar.gz, shop-1.0.whl) "
        "Correct the pattern, or make the build command write there."
    )
    with pytest.raises(StepFailed) as failure:
        collect(checkout, ["target/x/*.jar"], tmp_path / "store")
    assert failure.value.where == (
        "build: artifacts; in the checkout there is README.md, bin/, dist/, site/"
    )


@pytest.mark.parametrize("through", ["file", "folder"])
def test_a_link_out_of_the_checkout_is_refused(
    through: str, checkout: Path, tmp_path: Path
) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "key").write_text("secret")
    link, target = ("dist/key", "outside/key") if through == "file" else ("dist/more", "outside")
    (checkout / link).symlink_to(tmp_path / target)
    pattern = "dist/key" if through == "file" else "dist/more/*"
    with pytest.raises(StepFailed, match="is a link out of the checkout"):
        collect(checkout, [pattern], tmp_path / "store")


def test_two_files_of_one_name_are_refused(checkout: Path, tmp_path: Path) -> None:
    (checkout / "other").mkdir()
    (checkout / "other" / "shop-1.0.whl").write_text("another")
    with pytest.raises(StepFailed) as failure:
        collect(checkout, ["dist/*.whl", "other/*.whl"], tmp_path / "store")
    assert (
        failure.value.what
        == "Two artifacts are called `shop-1.0.whl`: dist/shop-1.0.whl and other/shop-1.0.whl."
    )


def test_a_changed_file_in_the_store_is_found_and_mended_by_a_new_build(
    checkout: Path, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    (artifact,) = collect(checkout, ["README.md"], store)
    path = artifact_path(store, artifact.sha256)
    path.chmod(0o644)
    path.write_text("evil")
    with pytest.raises(
        UnexpectedReply, match=f"was changed in the store: its content is now {sha256('evil')}"
    ):
        artifact_path(store, artifact.sha256)
    collect(checkout, ["README.md"], store)
    assert artifact_path(store, artifact.sha256).read_text() == "read"


@pytest.mark.parametrize("wanted", ["0" * 64, "../../../etc/passwd", ""])
def test_an_unknown_artifact_is_not_found(wanted: str, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        artifact_path(tmp_path, wanted)

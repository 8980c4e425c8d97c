"""Archives: packed the same way every time, unpacked without trusting them."""

import io
import os
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from gare.archives import Limits, is_archive, pack_folder, unpack
from gare.errors import StepFailed


def entry(
    name: str,
    kind: bytes = tarfile.REGTYPE,
    *,
    data: bytes = b"x",
    link: str = "",
    mode: int = 0o644,
) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode, info.size = (
        kind,
        link,
        mode,
        len(data) if kind == tarfile.REGTYPE else 0,
    )
    return info, data


def tar_of(path: Path, *entries: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for info, data in entries:
            tar.addfile(info, io.BytesIO(data))
    return path


def tree(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): "-> " + os.readlink(path)
        if path.is_symlink()
        else path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def test_a_folder_packed_and_unpacked_is_the_same(tmp_path: Path, out: Path) -> None:
    source = tmp_path / "app"
    (source / "bin").mkdir(parents=True)
    (source / "bin" / "run").write_text("#!/bin/sh\n")
    (source / "bin" / "run").chmod(0o750)
    (source / "ünï code.txt").write_text("é")
    (source / "latest").symlink_to("bin/run")
    with (tmp_path / "a.tar.gz").open("wb") as file:
        pack_folder(source, file)
    unpack(tmp_path / "a.tar.gz", out)
    assert tree(out) == tree(source)
    assert os.access(out / "bin" / "run", os.X_OK)
    assert not os.access(out / "ünï code.txt", os.X_OK)


def test_equal_folders_give_equal_bytes(tmp_path: Path) -> None:
    packed = []
    for name, order in (("one", "ab"), ("two", "ba")):
        (tmp_path / name).mkdir()
        for file in order:
            (tmp_path / name / file).write_text(file)
            os.utime(tmp_path / name / file, (len(packed), len(packed)))
        target = io.BytesIO()
        pack_folder(tmp_path / name, target)
        packed.append(target.getvalue())
    assert packed[0] == packed[1]


def test_a_link_out_of_the_folder_is_not_packed(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "key").symlink_to("/etc/hostname")
    with pytest.raises(StepFailed, match="The link `key` points out of the folder: /etc/hostname"):
        pack_folder(tmp_path / "app", io.BytesIO())


def test_zip_keeps_what_may_be_run(tmp_path: Path, out: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as zipped:
        info = zipfile.ZipInfo("bin/run")
        info.external_attr = 0o100755 << 16
        zipped.writestr(info, "x")
        zipped.writestr("readme", "y")
        link = zipfile.ZipInfo("latest")
        link.external_attr = 0o120777 << 16
        zipped.writestr(link, "bin/run")
    unpack(tmp_path / "a.zip", out)
    assert tree(out) == {"bin/run": "x", "readme": "y", "latest": "-> bin/run"}
    assert os.access(out / "bin/run", os.X_OK)
    assert not os.access(out / "readme", os.X_OK)


def test_leading_folders_can_be_dropped(tmp_path: Path, out: Path) -> None:
    archive = tar_of(
        tmp_path / "a.tar.gz",
        entry("shop-1.0", tarfile.DIRTYPE),
        entry("shop-1.0/a/b"),
        entry("top"),
    )
    unpack(archive, out, strip=1)
    assert tree(out) == {"a/b": "x"}


def test_a_hard_link_becomes_a_file_of_its_own(tmp_path: Path, out: Path) -> None:
    unpack(
        tar_of(
            tmp_path / "a.tar.gz", entry("a", data=b"same"), entry("b", tarfile.LNKTYPE, link="a")
        ),
        out,
    )
    assert tree(out) == {"a": "same", "b": "same"}


def test_links_inside_are_kept(tmp_path: Path, out: Path) -> None:
    links = [
        entry("lib/l.so", tarfile.SYMTYPE, link="l.so.1"),
        entry("lib/l.so.1", tarfile.SYMTYPE, link="../real/l.so.1.2"),
    ]
    unpack(tar_of(tmp_path / "a.tar.gz", *links, entry("real/l.so.1.2")), out)
    assert (out / "lib/l.so").read_text() == "x"


DANGEROUS = {
    "parent": ([entry("../evil")], "`../evil` would be written outside the folder"),
    "deep parent": ([entry("a/../../evil")], "`a/../../evil` would be written outside the folder"),
    "absolute": ([entry("/tmp/evil")], "`/tmp/evil` would be written outside the folder"),
    "backslash": ([entry("..\\evil")], "`..\\evil` would be written outside the folder"),
    "link out": ([entry("l", tarfile.SYMTYPE, link="../x")], "the link `l` points out of the folder"),
    "absolute link": ([entry("l", tarfile.SYMTYPE, link="/etc")], "the link `l` points out of the folder"),
    "deep link out": ([entry("a/l", tarfile.SYMTYPE, link="../../x")], "the link `a/l` points out of the folder"),
    "write through a link": (
        [entry("l", tarfile.SYMTYPE, link="d"), entry("l/evil")],
        "`l/evil` would be written through a link",
    ),
    "out by two links": (
        [entry("a/b", tarfile.SYMTYPE, link=".."), entry("l", tarfile.SYMTYPE, link="a/b/../../x")],
        "the link `l` leads through another link",
    ),
    "hard link out": (
        [entry("l", tarfile.LNKTYPE, link="../../etc/passwd")],
        "`l` links to a file that the archive does not hold",
    ),
    "device": ([entry("null", tarfile.CHRTYPE)], "`null` is neither a file, a folder nor a link"),
    "pipe": ([entry("p", tarfile.FIFOTYPE)], "`p` is neither a file, a folder nor a link"),
    "too large": ([entry("a", data=b"x" * 600), entry("b", data=b"x" * 600)], "it unpacks to more than the limit"),
    "too many": ([entry(str(n)) for n in range(12)], "it has more than 10 entries"),
}  # fmt: skip


@pytest.mark.parametrize("case", DANGEROUS)
def test_a_dangerous_archive_is_refused_and_nothing_leaves_the_folder(
    case: str, tmp_path: Path, out: Path
) -> None:
    entries, why = DANGEROUS[case]
    before = sorted(path for path in tmp_path.rglob("*") if not path.is_relative_to(out))
    archive = tar_of(tmp_path / "a.tar.gz", *entries)
    with pytest.raises(StepFailed) as failure:
        unpack(archive, out, limits=Limits(total_bytes=1000, entries=10))
    assert failure.value.what == f"The archive was not unpacked: {why}."
    assert failure.value.where == "a.tar.gz"
    after = sorted(
        path for path in tmp_path.rglob("*") if not path.is_relative_to(out) and path != archive
    )
    assert after == before


def test_a_second_archive_cannot_write_through_links_of_the_first(
    tmp_path: Path, out: Path
) -> None:
    unpack(tar_of(tmp_path / "a.tar.gz", entry("d/x"), entry("l", tarfile.SYMTYPE, link="d")), out)
    with pytest.raises(StepFailed, match="`l/evil` would be written through a link"):
        unpack(tar_of(tmp_path / "b.tar.gz", entry("l/evil")), out)
    with pytest.raises(StepFailed, match="another archive of this release holds links, too"):
        unpack(tar_of(tmp_path / "c.tar.gz", entry("m", tarfile.SYMTYPE, link="d")), out)


def test_a_zip_that_lies_about_its_size_is_stopped(tmp_path: Path, out: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("bomb", b"\0" * 100_000)
    with pytest.raises(StepFailed, match="it unpacks to more than the limit"):
        unpack(path, out, limits=Limits(total_bytes=10_000))


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-30])


@pytest.mark.parametrize(
    "spoil",
    [_cut, lambda path: path.write_bytes(b"no archive at all"), lambda path: path.write_bytes(b"")],
)
@pytest.mark.parametrize("name", ["a.tar.gz", "a.zip"])
def test_a_damaged_archive_is_named(
    name: str, spoil: Callable[[Path], None], tmp_path: Path, out: Path
) -> None:
    path = tmp_path / name
    if name.endswith("zip"):
        with zipfile.ZipFile(path, "w") as zipped:
            zipped.writestr("a", os.urandom(1000))
    else:
        tar_of(path, entry("a", data=os.urandom(100_000)))
    spoil(path)
    with pytest.raises(StepFailed, match="The archive is damaged"):
        unpack(path, out)


def test_the_same_file_twice_is_refused(tmp_path: Path, out: Path) -> None:
    with pytest.raises(StepFailed, match="`a` is there twice"):
        unpack(tar_of(tmp_path / "a.tar.gz", entry("a"), entry("a")), out)


@pytest.mark.parametrize(
    ("name", "answer"),
    [("a.tar.gz", True), ("a.TGZ", True), ("a.zip", True), ("a.whl", False), ("a.gz", False)],
)
def test_archives_are_told_by_their_name(name: str, answer: bool) -> None:
    assert is_archive(name) is answer

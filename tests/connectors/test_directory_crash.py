"""Kill a rollout between any two changes of the file system, start it again: the end is the same.

The kill is real: a child process counts its own changes by an audit hook and ends itself with SIGKILL before the n-th.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.name == "nt", reason="forks")

CHILD = """
import os, signal, sys, tarfile, io
from pathlib import Path
from gare.connectors.directory import Directory, DirectorySettings
from gare.errors import GareError
from gare.ports.target import Shipment
from gare.strategies.rollout import rollout, revert
import gare.archives, shutil, glob, fcntl, subprocess, json, fnmatch, tempfile

work, what = Path(sys.argv[1]), sys.argv[2]
CHANGES = ("os.rename", "os.mkdir", "os.symlink", "os.remove", "os.rmdir", "os.link", "os.chmod", "subprocess.Popen")

def built(version):
    folder = work / "built" / version
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(folder / "app.tar.gz", "w:gz") as tar:
        for name in ("bin/run", "seed/first"):
            info = tarfile.TarInfo(name); info.size = len(version); tar.addfile(info, io.BytesIO(version.encode()))
    (folder / "readme").write_text(version)
    files = {name: folder / name for name in ("app.tar.gz", "readme")}
    return Shipment("shop", "prod", "R-1", version, "c", files)

def target(root):
    fails = ["sh", "-c", 'echo "$GARE_VERSION" > "$GARE_PATH/running"; test "$GARE_VERSION" != 9.0']
    settings = DirectorySettings(path=str(root), shared=("data", "seed"), restart=tuple(fails), keep=2)
    return Directory(settings, work, log_folder=work / "logs")

shipments = {version: built(version) for version in ("1.0", "2.0", "3.0", "9.0")}
quiet = lambda line: None

def change(root):
    if what == "back":
        revert(target(root), "2.0", quiet)
    else:
        try:
            rollout(target(root), shipments[what], quiet)
        except GareError as error:
            if what != "9.0": raise

def tree(root):
    found = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_symlink(): found[name] = "-> " + os.readlink(path)
        elif path.is_file() and not name.startswith("logs"): found[name] = path.read_text()
        elif path.is_dir(): found[name] = "folder"
    return found

def in_child(action):
    child = os.fork()
    if child == 0:
        try:
            action()
        except BaseException:
            import traceback; traceback.print_exc(); os._exit(3)
        os._exit(0)
    return os.waitpid(child, 0)[1]

def killed_before(number, root):
    left = number
    def hook(event, arguments):
        nonlocal left
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if event in CHANGES or (writes and str(arguments[0]).startswith(str(root))):
            left -= 1
            if left < 0: os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(hook)
    change(root)

root, template = work / "root", work / "template"
for version in ("1.0", "2.0", "3.0")[: 3 if what == "back" else 2]:
    rollout(target(root), shipments[version], quiet)
(root / "shared" / "data" / "db").write_text("rows")
root.rename(template)

def fresh():
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(template, root, symlinks=True)

fresh()
assert in_child(lambda: change(root)) == 0
wanted = tree(root)
number = int(sys.argv[3])
while True:
    fresh()
    status = in_child(lambda: killed_before(number, root))
    if status == 0: break
    assert os.WTERMSIG(status) == signal.SIGKILL, (number, status)
    live = os.readlink(root / "current")
    assert (root / live / "readme").exists(), ("a live version is whole", number)
    assert in_child(lambda: change(root)) == 0, number
    # A way back does not prune: a state's write that was killed leaves its temporary file.
    found = {name: text for name, text in tree(root).items() if not name.endswith(".tmp")}
    if found != wanted:
        names = found.keys() | wanted.keys()
        print(number, {k: (found.get(k), wanted.get(k)) for k in names if found.get(k) != wanted.get(k)})
        sys.exit(1)
    number += 1
print("killed", number, "times")
"""


@pytest.mark.parametrize(
    ("what", "first", "last"),
    [
        pytest.param("3.0", 0, 40, id="rollout"),
        pytest.param("9.0", 30, 45, id="rollout that fails"),  # it begins like the first
        pytest.param("back", 0, 12, id="way back"),
    ],
)
def test_a_kill_at_any_point_leads_to_the_same_end(
    what: str, first: int, last: int, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(tmp_path), what, str(first)],
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(done.stdout.split()[-2]) >= last

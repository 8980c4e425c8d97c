"""The server's garbage collection: a database that is locked never stops the event loop."""

import subprocess
import sys

import pytest

LOCKED = """
import gc, sqlite3, sys, threading, time
from deployments.engine_server import collect_aside

if sys.argv[2] == "aside":
    collect_aside()
writer = sqlite3.connect(sys.argv[1], isolation_level=None)
writer.executescript("create table t (x unique); insert into t values (1)")
waiting = sqlite3.connect(sys.argv[1], timeout=6, isolation_level=None, check_same_thread=False)

class Ring:  # only a collection frees it
    pass

ring = Ring()
ring.ring, ring.cursor = ring, waiting.cursor()
try:
    ring.cursor.execute("insert into t values (1)")
except sqlite3.IntegrityError:
    pass  # a cursor that failed keeps its statement
writer.execute("begin immediate")

def wait():
    try:
        waiting.execute("insert into t values (2)")
    except sqlite3.OperationalError as error:
        print(error)

thread = threading.Thread(target=wait)
thread.start()
time.sleep(1)  # now it waits, with the connection's mutex
del ring
longest, last = 0.0, time.monotonic()
while thread.is_alive():
    made = [Ring() for _ in range(1000)]
    time.sleep(0.005)
    longest, last = max(longest, time.monotonic() - last), time.monotonic()
print("stood" if longest > 3 else "went on")
"""


@pytest.mark.parametrize(("where", "end"), [("aside", "went on"), ("in the loop", "stood")])
def test_a_thread_that_waits_for_the_lock_does_not_stop_the_others(tmp_path, where, end):
    words = [sys.executable, "-c", LOCKED, str(tmp_path / "engine.db"), where]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == (f"database is locked\n{end}\n", "")

"""Who may act: leases with numbers that grow, holders that live or do not."""

import os
import subprocess
import sys
import textwrap
import threading
from datetime import datetime, timedelta

import pytest
from sqlalchemy import insert, update

from gare.errors import Fenced
from gare.ledger.database import spell
from gare.ledger.leases import TTL, Leases
from gare.ledger.ledger import Ledger
from gare.ledger.schema import holders, leases


@pytest.fixture
def other(ledger):
    """Open the same ledger as another process would: a holder of its own."""
    second = Ledger(ledger.database.url, clock=ledger.database.clock)
    yield second
    second.close()


@pytest.fixture
def elsewhere(ledger):
    """Let a process of another host hold the lease `run 1`, with a row that ends at an instant."""

    def hold(until: datetime, fence: int = 4) -> None:
        with ledger.database.write() as connection:
            connection.execute(insert(holders).values(name="far:17:99:ab", until=spell(until)))
            connection.execute(
                insert(leases).values(name="run 1", holder="far:17:99:ab", fence=fence, turn=1)
            )

    return hold


def test_a_lease_belongs_to_the_first_until_it_lets_go(ledger, other):
    assert ledger.leases.take("run 1") == 1
    assert other.leases.take("run 1") is None
    assert ledger.leases.take("run 1") == 1, "taken twice by its holder is the same lease"
    ledger.leases.free("run 1")
    assert other.leases.take("run 1") == 2
    assert ledger.leases.take("run 1") is None


def test_a_holder_that_leaves_frees_all_it_held(ledger, other):
    ledger.leases.take("run 1")
    ledger.leases.take("run 2", turn=3)
    ledger.leases.leave()
    assert other.leases.look(["run 1", "run 2", "run 3"]) == {
        "run 1": (False, 0),
        "run 2": (False, 3),
    }
    assert other.leases.take("run 2") == 2


def test_a_process_of_another_host_is_believed_until_its_row_ends(ledger, elsewhere):
    elsewhere(ledger.now() + timedelta(seconds=5))
    assert ledger.leases.look(["run 1"])["run 1"].is_held
    assert ledger.leases.take("run 1") is None
    with ledger.database.write() as connection:
        connection.execute(update(holders).values(until=spell(ledger.now() - timedelta(seconds=1))))
        connection.execute(
            insert(holders).values(name="unrelated", until=spell(ledger.now() + TTL))
        )
    assert ledger.leases.take("run 1") == 5


def test_after_the_clock_was_set_back_a_dead_holder_has_one_more_lease_and_no_more(
    ledger, elsewhere
):
    elsewhere(ledger.now() + timedelta(hours=1))
    assert ledger.leases.take("run 1") is None
    with ledger.database.read() as connection:
        until = (
            connection.execute(holders.select().where(holders.c.name == "far:17:99:ab")).one().until
        )
    assert until <= spell(ledger.now() + TTL)


def test_a_killed_process_of_this_machine_is_known_to_be_dead_at_once(ledger):
    program = textwrap.dedent(
        """
        import sys, time
        from gare.ledger.ledger import Ledger
        print(Ledger(sys.argv[1]).leases.take("run 1"), flush=True)
        time.sleep(60)
        """
    )
    url = ledger.database.url
    child = subprocess.Popen([sys.executable, "-c", program, str(url)], stdout=subprocess.PIPE)
    assert child.stdout is not None
    try:
        assert child.stdout.readline() == b"1\n"
        assert ledger.leases.take("run 1") is None
        child.kill()
        child.wait()
        assert ledger.leases.take("run 1") == 2
    finally:
        child.kill()
        child.communicate()


def test_who_was_overtaken_can_write_nothing_more_and_is_told(ledger, other):
    ledger.database.fence("run 1", ledger.leases.take("run 1") or 0)
    told = threading.Event()
    ledger.leases.on_lost = told.set
    with ledger.database.write():
        pass
    with other.database.write() as connection:
        connection.execute(update(leases).values(holder="", fence=2))
    with (
        pytest.raises(
            Fenced, match="Another process has taken over run 1: it has number 2, this one 1"
        ),
        ledger.database.write(),
    ):
        pytest.fail("a fenced process was let in")
    assert told.wait(10), "the process itself learns it at its next beat"


def test_a_fence_that_was_lifted_bars_nobody(ledger):
    ledger.database.fence("run 1", 7)
    ledger.database.unfence("run 1")
    with ledger.database.write():
        pass


def test_two_names_of_one_process_are_two_holders(ledger):
    assert Leases(ledger.database).me != ledger.leases.me
    assert f":{os.getpid()}:" in ledger.leases.me

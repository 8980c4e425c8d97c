"""Outward changes: once each, whatever happens in between."""

import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from gare.domain.releases import ReleaseState
from gare.errors import ConfigError, Conflict, Refused, Unavailable, Unsure
from gare.ledger.effects import Absent, AsWanted, Different, Effect, Unknowable


class World:
    """Something outside that can hold one tag."""

    def __init__(self) -> None:
        self.tags: list[str] = []
        self.fails: list[BaseException] = []
        self.pause_s = 0.0

    def look(self):
        return AsWanted({"tag": self.tags[0]}) if self.tags else Absent()

    def act(self):
        time.sleep(self.pause_s)
        if self.fails:
            raise self.fails.pop()
        self.tags.append("v1.4.0")
        return {"tag": "v1.4.0"}

    def effect(self, wanted=None):
        return Effect("tag v1.4.0", wanted or {"commit": "a" * 40}, self.look, self.act)


@pytest.fixture
def world():
    return World()


@pytest.fixture
def release(ledger, story):
    return story.open_release(ledger)[0]


def kinds(ledger):
    return [event.kind for event in ledger.database.events("R-1")][1:]


def test_an_effect_happens_once_and_its_receipt_is_returned_for_ever(ledger, release, world):
    for _ in range(3):
        assert ledger.effects.perform(release.id, "publish", world.effect()) == {"tag": "v1.4.0"}
    assert world.tags == ["v1.4.0"]
    assert kinds(ledger) == ["effect intended", "effect done"]
    [record] = ledger.effects.of(release.id)
    assert (record.intent, record.receipt, record.is_adopted) == (
        {"commit": "a" * 40},
        {"tag": "v1.4.0"},
        False,
    )


def test_an_act_that_failed_is_looked_at_and_done_again(ledger, release, world):
    world.fails = [Unavailable("The remote is away.")]
    with pytest.raises(Unavailable):
        ledger.effects.perform(release.id, "publish", world.effect())
    assert ledger.effects.of(release.id)[0].receipt is None
    ledger.effects.perform(release.id, "publish", world.effect())
    assert world.tags == ["v1.4.0"]
    assert kinds(ledger) == ["effect intended", "effect done"]


def test_a_crash_between_act_and_receipt_adopts_what_is_there(ledger, release, world):
    class Crash(BaseException):
        pass

    effect = world.effect()

    def act_and_die():
        effect.act()
        raise Crash

    with pytest.raises(Crash):
        ledger.effects.perform(
            release.id, "publish", Effect(effect.target, effect.wanted, effect.look, act_and_die)
        )
    assert ledger.effects.perform(release.id, "publish", effect) == {"tag": "v1.4.0"}
    assert world.tags == ["v1.4.0"]
    assert kinds(ledger) == ["effect intended", "effect adopted"]
    assert ledger.effects.of(release.id)[0].is_adopted


def test_something_else_in_the_way_is_a_conflict_that_names_both(ledger, release):
    there = Different("tag v1.4.0 at bbb", "Delete it (`git tag -d v1.4.0`)")
    effect = Effect("tag v1.4.0", {"commit": "aaa", "push": True}, lambda: there, dict)
    with pytest.raises(Conflict) as caught:
        ledger.effects.perform(release.id, "publish", effect)
    assert str(caught.value) == (
        "tag v1.4.0 is not free: wanted commit aaa, found tag v1.4.0 at bbb. (R-1, step publish) "
        "Delete it (`git tag -d v1.4.0`), then `gare resume R-1`; or end it with `gare cancel R-1`."
    )
    assert kinds(ledger) == ["effect intended"]


def test_what_nobody_can_look_up_is_done_at_most_once(ledger, release):
    sent = []

    def send():
        sent.append("mail")
        raise Unsure("The connection broke after DATA.")

    mail = Effect("mail team@example.org", {"subject": "1.4.0"}, Unknowable, send)
    with pytest.raises(Unsure):
        ledger.effects.perform(release.id, "announce", mail)
    with pytest.raises(Conflict) as caught:
        ledger.effects.perform(release.id, "announce", mail)
    assert sent == ["mail"]
    assert caught.value.what == (
        "mail team@example.org was begun before and nobody can tell whether it went through; it is not repeated."
    )


def test_what_was_surely_not_sent_is_sent_by_the_next_attempt(ledger, release):
    answers = [Unavailable("The mail server cannot be reached."), None]

    def send():
        if (error := answers.pop(0)) is not None:
            raise error
        return {"message_id": "<1@example.org>"}

    mail = Effect("mail team@example.org", {"subject": "1.4.0"}, Unknowable, send)
    with pytest.raises(Unavailable):
        ledger.effects.perform(release.id, "announce", mail)
    assert ledger.effects.perform(release.id, "announce", mail) == {"message_id": "<1@example.org>"}


def test_a_person_settles_what_nobody_can_look_up(ledger, release):
    def send():
        raise Unsure("The connection broke after DATA.")

    mail = Effect("mail team@example.org", {"subject": "1.4.0"}, Unknowable, send)
    with pytest.raises(Unsure):
        ledger.effects.perform(release.id, "announce", mail)
    assert ledger.effects.settle(
        release.id, "announce", person="alice", comment="it has arrived"
    ) == [mail.target]
    assert ledger.effects.perform(release.id, "announce", mail) == {
        "settled_by": "alice",
        "comment": "it has arrived",
    }


def test_another_intent_under_the_same_key_is_a_conflict(ledger, release, world):
    ledger.effects.perform(release.id, "publish", world.effect())
    with pytest.raises(Conflict) as caught:
        ledger.effects.perform(release.id, "publish", world.effect({"commit": "b" * 40}))
    assert str(caught.value) == (
        f'tag v1.4.0: intended was {{"commit":"{"a" * 40}"}}, now {{"commit":"{"b" * 40}"}} is wanted. '
        "(R-1, step publish) The plan of a release does not change; start a new release."
    )


def test_threads_at_one_key_act_once(ledger, release, world):
    world.pause_s = 0.1
    with ThreadPoolExecutor(4) as pool:
        receipts = list(
            pool.map(
                lambda _: ledger.effects.perform(release.id, "publish", world.effect()), range(4)
            )
        )
    assert receipts == [{"tag": "v1.4.0"}] * 4
    assert world.tags == ["v1.4.0"]
    assert kinds(ledger) == ["effect intended", "effect done"]


def test_a_thread_whose_turn_fails_leaves_it_to_the_next(ledger, release, world):
    world.pause_s, world.fails = 0.05, [Unavailable("once")]
    ends = []

    def perform(_):
        try:
            ends.append(dict(ledger.effects.perform(release.id, "publish", world.effect())))
        except Unavailable:
            ends.append("failed")

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(perform, range(3)))
    assert sorted(map(str, ends)) == ["failed", "{'tag': 'v1.4.0'}", "{'tag': 'v1.4.0'}"]
    assert world.tags == ["v1.4.0"]


def test_different_targets_do_not_wait_for_each_other(ledger, release):
    both = threading.Barrier(2, timeout=20)

    def effect(name):
        def act():
            both.wait()
            return {"name": name}

        return Effect(name, {}, Absent, act)

    with ThreadPoolExecutor(2) as pool:
        found = list(
            pool.map(
                lambda name: ledger.effects.perform(release.id, "publish", effect(name)),
                ["one", "two"],
            )
        )
    assert found == [{"name": "one"}, {"name": "two"}]


def test_no_claim_is_left_behind(ledger, release, world):
    from gare.ledger import effects

    world.fails = [Unavailable("once")]
    with pytest.raises(Unavailable):
        ledger.effects.perform(release.id, "publish", world.effect())
    ledger.effects.perform(release.id, "publish", world.effect())
    assert effects._claims == {}


def test_a_long_address_is_kept_and_a_senseless_one_refused(ledger, release):
    effect = Effect("webhook " + "x" * 900, {}, Absent, lambda: {"status": 200})
    assert ledger.effects.perform(release.id, "announce", effect) == {"status": 200}
    with pytest.raises(ConfigError) as caught:
        ledger.effects.perform(release.id, "announce", Effect("y" * 1001, {}, Absent, dict))
    assert (
        caught.value.what
        == f"The name of an effect's target is longer than 1000 characters: {'y' * 60}…."
    )
    assert len(ledger.effects.of(release.id)) == 1


PROCESS = """
import sys, time
from pathlib import Path
from gare.ledger.effects import Absent, AsWanted, Effect
from gare.ledger.ledger import Ledger

url, folder, pause_s = sys.argv[1], Path(sys.argv[2]), float(sys.argv[3])
made = folder / "made"

def act():
    (folder / f"began-{time.monotonic_ns()}").touch()
    time.sleep(pause_s)
    with made.open("a") as file:
        file.write("x")
    return {"tag": "v1.4.0"}

look = lambda: AsWanted({"tag": "v1.4.0", "found": True}) if made.exists() else Absent()
effect = Effect("tag v1.4.0", {"commit": "a" * 40}, look, act)
print(Ledger(url).effects.perform("R-1", "publish", effect), flush=True)
"""


def start(ledger, folder, pause_s=0.0):
    words = [sys.executable, "-c", PROCESS, str(ledger.database.url), str(folder), str(pause_s)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_two_processes_at_one_key_act_once_and_both_have_the_receipt(ledger, release, tmp_path):
    processes = [start(ledger, tmp_path, 0.5) for _ in range(3)]
    said = [process.communicate(timeout=60) for process in processes]
    assert [out.strip() for out, _ in said] == ["{'tag': 'v1.4.0'}"] * 3, said
    assert (tmp_path / "made").read_text() == "x"
    assert kinds(ledger) == ["effect intended", "effect done"]


def test_a_process_waiting_at_a_key_goes_on_when_the_one_that_acts_is_killed(
    ledger, release, tmp_path
):
    first = start(ledger, tmp_path, 60)
    wait_until(lambda: list(tmp_path.glob("began-*")))
    second = start(ledger, tmp_path)
    first.kill()
    first.communicate()
    out, err = second.communicate(timeout=60)
    assert out.strip() == "{'tag': 'v1.4.0'}", err
    assert (tmp_path / "made").read_text() == "x"


def test_nothing_more_is_done_outside_for_a_release_that_was_ended(ledger, release, world):
    ledger.releases.mark(release.id, ReleaseState.CANCELLED, actor="alice")
    with pytest.raises(Refused, match="R-1 has ended: cancelled"):
        ledger.effects.perform(release.id, "publish", world.effect())
    assert world.tags == []

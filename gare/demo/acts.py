"""The demo's further acts: a train of three of which one fails, a hotfix by one HTTP call, a rollback by hand."""

import json
from collections.abc import Mapping

from gare.demo.crockery import CRACKED, NEEDING, SOUND, TRAIN, Crockery
from gare.demo.history import HOTFIX
from gare.demo.people import REQUESTER
from gare.demo.project import FIRST_VERSION, PROJECT, commit_more, subjects
from gare.demo.rest import Call, send
from gare.demo.show import Show, expect
from gare.domain.releases import ReleaseState
from gare.own_station import call

FIXED_VERSION = "1.3.1"
FIX_BRANCH = "tea-33-old-prices"


def depart(show: Show) -> None:
    """Let the train depart: the cracked saucers are put back, and the tea sets stay at home."""
    stage, folder = show.stage, show.demo.folder
    stage.head(f"A train: {SOUND}, {CRACKED}, {NEEDING}")
    show.command("train", "plan", TRAIN)
    show.command("train", "depart", TRAIN, "--no-follow", who=REQUESTER)
    [departure] = show.gare.ledger.releases.find(project=f"train:{TRAIN}")
    show.follow(departure.flow_run_id, departure.version, ReleaseState.RELEASED)
    page = json.loads(call(folder, "train", "status", departure.id, "--json"))
    states = {one["project"]: one["state"] for one in page["members"]}
    show.command("train", "status", departure.id)
    wanted = {SOUND: "arrived", CRACKED: "dropped", NEEDING: "dropped"}
    expect(f"members of {departure.id}", str(wanted), str(states))
    shelf = Crockery(folder)
    for name in (SOUND, CRACKED, NEEDING):
        expect(f"{name} on the shelf", SOUND if name == SOUND else "", shelf.on_the_shelf(name))
    stage.say(f"the shelf has the {SOUND}; what failed was put back, and what needs it never left")


def fix(show: Show) -> None:
    """Fix production with one HTTP call: the fix alone, on top of what runs there."""
    stage, demo = show.stage, show.demo
    stage.head(f"A hotfix: {FIXED_VERSION}, by curl")
    commit = commit_more(demo, HOTFIX, FIX_BRANCH, f"v{FIRST_VERSION}")
    listed = "\n".join(f"  {subject}" for subject in subjects(HOTFIX))
    stage.say(
        f"main has what did not hold; the fix is on {FIX_BRANCH}, from v{FIRST_VERSION}:\n{listed}"
    )
    post = Call(
        f"{show.gateway_url}/api/v1/hotfixes",
        {"project": PROJECT, "commits": [commit], "ticket": "TEA-33", "reason": "old prices"},
        {"Authorization": f"Bearer {show.people.tokens[REQUESTER]}", "Idempotency-Key": "TEA-33"},
    )
    stage.say(f"{REQUESTER} calls:\n{post.curl}")
    answer = send(post)
    stage.say(json.dumps(answer))
    again = send(post)
    expect("run of the same call once more", str(answer["run"]), str(again["run"]))
    show.follow(str(answer["run"]), FIXED_VERSION, ReleaseState.RELEASED)
    show.show_running("production", FIXED_VERSION)
    show.command("fixes")
    show.show_vendors(
        {
            "!5": "opened",
            f"version {FIXED_VERSION}": "released",
            "TEA-33": f"Released, in {FIXED_VERSION}, 1 comment",
            "OPS-3": "Deployed",
        }
    )


def go_back(show: Show, version: str) -> None:
    """Bring production back to the version that was verified good there before."""
    stage, folder = show.stage, show.demo.folder
    stage.head(f"A rollback: production back to {version}")
    words = ("rollback", PROJECT, "--env", "production", "--reason", "shown in the demo")
    token = show.people.tokens[REQUESTER]
    begun: Mapping[str, str] = json.loads(call(folder, *words, "--json", token=token))
    stage.say(f"$ gare {' '.join(words)}")
    show.follow(begun["run"], version, ReleaseState.RELEASED)
    show.show_running("production", version)
    show.command("environments", PROJECT)
    show.command("hold", "list")
    show.show_vendors(
        {
            f"release v{FIXED_VERSION}": "rolled back",
            "TEA-33": f"Released, in {FIXED_VERSION}, 2 comments",
        }
    )

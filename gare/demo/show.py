"""One demo under way: what is up, and how a release of it is followed to the end that it must have."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gare.demo import rest
from gare.demo.people import People
from gare.demo.progress import Follower
from gare.demo.project import PROJECT, Demo, remote_tag
from gare.demo.stage import Outcome, Stage, show_question
from gare.demo.vendors import Vendors, changed
from gare.domain.releases import Release, ReleaseState
from gare.errors import StepFailed
from gare.own_station import OwnStation, call
from gare.wiring import Gare


class Declined(Exception):
    """The person in the terminal rejected a release."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.words)
        self.outcome = outcome


@dataclass(slots=True)
class Show:
    """The demo's folder, its station that is up, and how its releases have ended so far."""

    demo: Demo
    stage: Stage
    station: OwnStation
    gare: Gare
    people: People
    vendors: Vendors
    api_url: str
    gateway_url: str
    outcomes: list[Outcome] = field(default_factory=list)

    def follow(self, run_id: str, version: str, wanted: ReleaseState) -> Outcome:
        """Follow a run to its end, which must be as `wanted`; let people decide on the way."""
        say, begun = self.stage.say, time.monotonic()
        say(f"watch it in Prefect's UI: {self.gare.engine.run_address(run_id)}")
        follower = Follower(self.gare, run_id, say, lambda: self.station.is_alive)
        opened = follower.until_open()
        expect(f"version of {opened.id}", version, opened.version)
        has_agreed = True
        while True:
            release, asked = follower.until_asked_or_ended(opened.id)
            if asked is None:
                break
            show_question(self.stage, self.gare, release, asked)
            has_agreed = self.people.decide(release.id, asked.environment, say)
        say(f"{release.id} is at its end: {release.end}")
        outcome = Outcome(release, time.monotonic() - begun, self._evidence(release))
        self.outcomes.append(outcome)
        if not has_agreed and release.state is ReleaseState.REJECTED:
            raise Declined(outcome)
        expect(f"end of {release.id}", wanted, release.state)
        return outcome

    def command(self, *words: str, who: str = "") -> None:
        """Type a command as somebody would and show what it prints."""
        said = call(self.demo.folder, *words, token=self.people.tokens[who] if who else "")
        self.stage.say(f"$ gare {' '.join(words)}\n{said}")

    def show_running(self, environment: str, version: str) -> None:
        """Ask the shop itself what runs, as anybody could."""
        url = f"{self.demo.address(environment)}/version"
        answer = rest.ask(url)
        self.stage.say(f"$ curl {url}\n{json.dumps(answer)}")
        expect(f"version that {environment} answers", version, str(answer.get("version")))

    def show_tag(self, version: str, commit: str) -> None:
        """Look at the remote for the release's tag; an empty `commit` means that there must be none."""
        found, message = remote_tag(self.demo, f"v{version}")
        expect(f"commit of tag v{version} on the remote", commit or "none", found or "none")
        if found:
            head = next(
                (line for line in message.splitlines() if line.startswith("Gare-Ledger:")), ""
            )
            self.stage.say(
                f"the remote has tag v{version} at {found[:12]}, with the ledger's head in it\n{head}"
            )
        else:
            self.stage.say(f"the remote has no tag v{version}: what did not hold is not published")

    def show_vendors(self, wanted: Mapping[str, str]) -> None:
        """Say what has changed in GitLab and Jira; the rows of `wanted` must stand like that."""
        before, after = self.vendors.seen, self.vendors.look()
        lines = changed(before, after, wanted)
        self.stage.say("\n".join(["what has changed in GitLab and Jira:", *lines]))
        stands = {row.name: row.stands for row in after}
        for name, how in wanted.items():
            expect(f"{name} in GitLab and Jira", how, stands.get(name, "nothing"))

    def _evidence(self, release: Release) -> Path:
        file = self.demo.folder / "evidence" / f"{release.id}.zip"
        file.parent.mkdir(exist_ok=True)
        call(self.demo.folder, "evidence", release.id, "-o", str(file))
        words = ["evidence", "verify", str(file)]
        has_published = "publish" in self.gare.ledger.releases.step_states(release.id)
        if has_published and release.state is ReleaseState.RELEASED and release.project == PROJECT:
            words += ["--repository", str(self.demo.remote)]
        said = call(self.demo.folder, *words)
        self.stage.say(f"$ gare {' '.join(words)}\n{said.splitlines()[-1]}")
        return file


def expect(what: str, wanted: str, got: str) -> None:
    """Raise StepFailed when something is not as it must be."""
    if wanted != got:
        raise StepFailed(f"{what}: expected {wanted}, got {got}.", where="gare demo")

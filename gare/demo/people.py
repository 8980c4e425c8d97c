"""The two persons who approve the demo's releases: they vote as everybody does, with `gare approve` and a token.

In a terminal the person in front of it answers for both; without one they agree by themselves.
"""

import subprocess
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from gare.errors import Refused
from gare.own_station import Say, call, gare, gare_env

VOTERS: Mapping[str, str] = {"bob": "quality assurance", "carol": "operations"}
REQUESTER = "alice"

Ask = Callable[[str], str]
"""Shows a question to the person in the terminal and returns the answer."""


@dataclass(frozen=True, slots=True)
class People:
    """The voters with their tokens. `ask` is None when nobody sits in front of the demo."""

    folder: Path
    tokens: Mapping[str, str]
    ask: Ask | None

    def decide(self, release: str, environment: str, say: Say) -> bool:
        """Let everybody vote; return whether all said yes."""
        if self.ask is None:
            say(
                "Nobody sits in front of this demo: bob and carol vote by themselves, with their own tokens."
            )
            with ThreadPoolExecutor(len(VOTERS)) as side_by_side:
                votes = [
                    side_by_side.submit(self._vote, name, release, environment, "approve")
                    for name in VOTERS
                ]
                for vote in as_completed(votes):
                    say(vote.result())
            return True
        for name, group in VOTERS.items():
            answer = _answer(self.ask, f"You are {name} ({group}). approve or reject? ")
            say(self._vote(name, release, environment, answer))
            if answer == "reject":
                return False
        return True

    def _vote(self, name: str, release: str, environment: str, answer: str) -> str:
        words = (answer, release, "--env", environment, "--comment", f"{answer}d in the demo")
        said = call(self.folder, *words, token=self.tokens[name])
        return f"$ GARE_TOKEN=<{name}'s> gare {' '.join(words[:4])}\n  {said}"


def _answer(ask: Ask, question: str) -> str:
    """Ask until the answer is clear; there is no default: nothing is approved by pressing Enter."""
    while True:
        given = ask(question).strip().lower()
        for answer in ("approve", "reject"):
            if given and answer.startswith(given):
                return answer


def make_tokens(folder: Path) -> "PendingTokens":
    """Begin to make everybody a personal token, as the station's keeper would."""
    return PendingTokens(
        {
            name: subprocess.Popen(
                gare(folder, "token", "create", name),
                env=gare_env(),
                cwd=folder,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for name in (REQUESTER, *VOTERS)
        }
    )


@dataclass(frozen=True, slots=True)
class PendingTokens:
    """Tokens that are being made."""

    makers: Mapping[str, "subprocess.Popen[str]"]

    def wait(self) -> dict[str, str]:
        """Return the tokens by name. Raises Refused when one could not be made."""
        tokens = {}
        for name, maker in self.makers.items():
            out, problem = maker.communicate()
            if maker.returncode:
                raise Refused(f"No token could be made for {name}.", where=problem.strip())
            tokens[name] = out.strip()
        return tokens

    def stop(self) -> None:
        """End what is still being made."""
        for maker in self.makers.values():
            if maker.poll() is None:
                maker.kill()
                maker.communicate()

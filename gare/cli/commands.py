"""Every command in one table, so that `gare --help` imports none of them.

A test keeps names and short help equal to the real commands'.
"""

from typing import NamedTuple


class Entry(NamedTuple):
    """Where a command lives (`module:attribute`), its line in the help, and its section there."""

    place: str
    short_help: str
    section: str


SECTIONS = ("Start", "Release", "Approve", "Ask", "Station")

COMMANDS: dict[str, Entry] = {
    "demo": Entry(
        "gare.cli.demo:demo", "Release a sample project on a station of its own.", "Start"
    ),
    "init": Entry(
        "gare.cli.config:init", "Write a working gare.yaml by looking at the repository.", "Start"
    ),
    "schema": Entry(
        "gare.cli.config:schema", "Print the JSON Schema of station.yaml or gare.yaml.", "Start"
    ),
    "doctor": Entry(
        "gare.cli.station:doctor", "Say what is configured, reachable and missing.", "Start"
    ),
    "plan": Entry("gare.cli.plan:plan", "Show everything the next release would do.", "Release"),
    "release": Entry("gare.cli.release:release", "Start a release and follow it.", "Release"),
    "watch": Entry("gare.cli.release:watch", "Follow a release until it ends.", "Release"),
    "done": Entry("gare.cli.release:done", "Tick off a manual step.", "Release"),
    "resume": Entry("gare.cli.release:resume", "Bring a release back that stopped.", "Release"),
    "cancel": Entry(
        "gare.cli.release:cancel", "Cancel a release and stop its commands.", "Release"
    ),
    "approve": Entry("gare.cli.vote:approve", "Vote for a release.", "Approve"),
    "reject": Entry("gare.cli.vote:reject", "Vote against a release; it ends.", "Approve"),
    "token": Entry("gare.cli.token:token", "Make, list and revoke personal tokens.", "Approve"),
    "status": Entry("gare.cli.record:status", "Show the releases, or one of them.", "Ask"),
    "why": Entry("gare.cli.record:why", "Say why a release does not move.", "Ask"),
    "log": Entry("gare.cli.record:log", "Show what happened in a release.", "Ask"),
    "evidence": Entry("gare.cli.record:evidence", "Write or verify a release's evidence.", "Ask"),
    "up": Entry("gare.cli.station:up", "Start the station on this machine.", "Station"),
    "down": Entry("gare.cli.station:down", "Stop the station on this machine.", "Station"),
}

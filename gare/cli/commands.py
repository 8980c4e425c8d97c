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
        "gare.cli.demo:demo",
        "Release sample projects on a station of their own: by hand, by train, as a hotfix, and back.",
        "Start",
    ),
    "init": Entry(
        "gare.cli.config:init", "Write a working gare.yaml by looking at the repository.", "Start"
    ),
    "schema": Entry(
        "gare.cli.config:schema",
        "Print the JSON Schema of station.yaml, gare.yaml or a train's file.",
        "Start",
    ),
    "doctor": Entry(
        "gare.cli.station:doctor", "Say what is configured, reachable and missing.", "Start"
    ),
    "plan": Entry(
        "gare.cli.plan:plan",
        "Show what releasing PROJECT would do: version, notes, steps, effects outside, approvals.",
        "Release",
    ),
    "rehearse": Entry(
        "gare.cli.rehearse:rehearse",
        "Release PROJECT where nothing is real, and show what each real system would be told.",
        "Release",
    ),
    "release": Entry(
        "gare.cli.release:release",
        "Release PROJECT: plan it, start its run, and follow it live.",
        "Release",
    ),
    "hotfix": Entry(
        "gare.cli.hotfix:hotfix",
        "Release PROJECT's last version with chosen fixes on top, before everything else of it.",
        "Release",
    ),
    "rollback": Entry(
        "gare.cli.rollback:rollback",
        "Bring an environment of PROJECT back to the version last verified good there.",
        "Release",
    ),
    "hold": Entry(
        "gare.cli.hold:hold",
        "Show where automation waits after a rollback, and let it go on.",
        "Release",
    ),
    "train": Entry(
        "gare.cli.train:train",
        "Release several projects together, by a timetable or at once.",
        "Release",
    ),
    "watch": Entry("gare.cli.release:watch", "Follow a release live until it ends.", "Release"),
    "done": Entry(
        "gare.cli.release:done",
        "Tick off a manual step, or what a hotfix skipped and was to be checked later.",
        "Release",
    ),
    "resume": Entry(
        "gare.cli.release:resume",
        "Bring a failed, dead or sleeping release on from where it stands.",
        "Release",
    ),
    "recover": Entry(
        "gare.cli.release:recover",
        "Make new runs for open releases whose runs the engine has lost.",
        "Release",
    ),
    "cancel": Entry(
        "gare.cli.release:cancel",
        "End a release: its commands are stopped, nothing further is done.",
        "Release",
    ),
    "approve": Entry(
        "gare.cli.vote:approve", "Vote yes, with your personal token in GARE_TOKEN.", "Approve"
    ),
    "reject": Entry(
        "gare.cli.vote:reject",
        "Vote no, with your personal token in GARE_TOKEN: one no ends the release as rejected.",
        "Approve",
    ),
    "token": Entry(
        "gare.cli.token:token", "Make, list and revoke people's personal tokens.", "Approve"
    ),
    "fleet": Entry("gare.cli.fleet:fleet", "Show what every project would release now.", "Ask"),
    "freeze": Entry(
        "gare.cli.freeze:freeze",
        "Say when environments may not be changed, stop the line, let a release through.",
        "Release",
    ),
    "environments": Entry(
        "gare.cli.environments:environments",
        "Ask every environment what runs there, and compare with the record.",
        "Ask",
    ),
    "status": Entry("gare.cli.record:status", "Show the releases, or one of them.", "Ask"),
    "why": Entry(
        "gare.cli.record:why", "Say why a release does not move, or a train does not depart.", "Ask"
    ),
    "log": Entry("gare.cli.record:log", "Show what happened in a release.", "Ask"),
    "fixes": Entry("gare.cli.fixes:fixes", "Show which lines have the fixes of hotfixes.", "Ask"),
    "evidence": Entry("gare.cli.evidence:evidence", "Write or verify a release's evidence.", "Ask"),
    "calendar": Entry(
        "gare.cli.closures:calendar",
        "Show when environments are closed, or write it as an iCalendar file.",
        "Ask",
    ),
    "audit": Entry("gare.cli.audit:audit", "Verify the whole ledger.", "Ask"),
    "key": Entry(
        "gare.cli.key:key",
        "Show, change and export the keys that sign the evidence.",
        "Station",
    ),
    "up": Entry("gare.cli.station:up", "Start the station on this machine.", "Station"),
    "down": Entry("gare.cli.station:down", "Stop the station on this machine.", "Station"),
    "sandbox": Entry(
        "gare.cli.sandbox:sandbox",
        "Serve simulated vendors on this machine, to try things out without an account.",
        "Station",
    ),
    "backup": Entry(
        "gare.cli.backup:backup",
        "Write the station's record into one file, while it works.",
        "Station",
    ),
    "restore": Entry(
        "gare.cli.backup:restore", "Bring the station back from FILE, while it is down.", "Station"
    ),
}

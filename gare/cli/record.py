"""Commands that read the record: `gare status`, `why`, `log`. They work with the station down."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from gare.reports.why_view import Explanation
    from gare.wiring import Gare

JSON = click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
RELEASE = click.argument("release_id", metavar="R-…")
_ALL = 1_000_000
_LONGER_THAN_A_WAIT = timedelta(minutes=10)
"""What was not brought on for so long is through, or a person has ended it."""


@click.command()
@click.argument("release_id", metavar="[R-…]", default="")
@click.option("--project", default="", help="Only the releases of this project.")
@click.option(
    "--all",
    "is_all",
    is_flag=True,
    help="Every release, not only open ones and the 20 newest.",
)
@JSON
def status(release_id: str, project: str, *, is_all: bool, as_json: bool) -> None:
    """Show the releases, or one of them."""
    from gare.cli.output import clean, print_json
    from gare.cli.station_here import gare_here, ledger_here
    from gare.lookup import NEWEST, owed_of, page, release_lines

    if release_id:
        found = page(gare_here(), release_id)
        print_json(found) if as_json else _show_page(found)
        return
    if project:
        gare_here().project(project)
    newest = _ALL if is_all else NEWEST
    ledger = ledger_here()
    lines = release_lines(ledger, project, newest=newest)
    if as_json:
        print_json(lines)
        return
    _show_lines(lines)
    for one in owed_of(ledger, project):
        click.echo(clean(str(one)))
    for kept in ledger.rescues.unopened(ledger.now() - _LONGER_THAN_A_WAIT):
        click.echo(f"not begun: {clean(kept.name)} (tried again by itself): {clean(kept.reason)}")


def _show_lines(lines: Sequence[dict[str, Any]]) -> None:
    from gare.cli.output import print_table
    from gare.reports.lengths import elapsed

    if not lines:
        click.echo("There is no release yet. Start one with `gare release PROJECT`.")
        return
    print_table(
        ["release", "project", "version", "state", "steps", "age", "waits for"],
        [
            [
                line["id"], line["project"], _version_with_kind(line), _state_with_place(line),
                f"{line['steps_done']}/{line['steps']}", elapsed(line["age_s"]),
                _waits_for(line),
            ]
            for line in lines
        ],
    )  # fmt: skip


def _version_with_kind(line: dict[str, Any]) -> str:
    """Spell the version of a line: `1.1.0 (rollback)`; of a release the version alone."""
    version, kind = str(line["version"]), line["kind"]
    return version if kind == "release" else f"{version} ({kind})".lstrip()


def _state_with_place(line: dict[str, Any]) -> str:
    """Spell the state of a line: `waiting (queued 1/2 behind R-2)`."""
    if (queue := line["queue"]) is None:
        return str(line["state"])
    behind = f" behind {queue['behind']}" if queue["behind"] else ""
    return f"{line['state']} (queued {queue['place']}/{queue['of']}{behind})"


def _waits_for(line: dict[str, Any]) -> str:
    from gare.cli.output import first_line
    from gare.domain.releases import ReleaseState

    if line["queue"] is not None:
        return "its turn"
    is_stopped = ReleaseState(line["state"]).is_stopped
    return "; ".join(map(first_line, line["waiting"])) or (
        first_line(line["end"]) if is_stopped else ""
    )


def _show_page(found: dict[str, Any]) -> None:
    from gare.cli.output import clean, first_line, print_table
    from gare.reports.lengths import elapsed

    requested = f"requested by {clean(found['requested_by'])}" if found["requested_by"] else ""
    click.echo(
        f"{found['id']} {clean(found['project'])} {clean(_version_with_kind(found))}: {_state_with_place(found)}"
    )
    # A train has no commit: its members have.
    commit = f"commit {found['commit'][:12]} of {clean(found['branch'])}" if found["commit"] else ""
    opened = (
        f"opened {elapsed(found['age_s'])} ago" if not commit else f"{elapsed(found['age_s'])} ago"
    )
    click.echo(", ".join(part for part in (commit, requested, opened) if part))
    for name in ("reason", "end", "address"):
        if found[name]:
            click.echo(f"{name}: {clean(first_line(found[name]))}")
    for reason in found["waiting"]:
        click.echo(f"waits for {clean(reason)}")
    for way in found["ways_on"]:
        click.echo(f"do: {clean(way)}")
    click.echo("")
    print_table(
        ["step", "state", "attempt", "took", "result"],
        [
            [
                step["step"], step["state"], step["attempt"] or "",
                elapsed(step["elapsed_s"]) if step["elapsed_s"] is not None else "",
                first_line(step["error"] or step["summary"]),
            ]
            for step in found["plan_steps"]
        ],
    )  # fmt: skip
    _show_outside(found)
    for check in found["later_checks"]:
        if check["done_by"]:
            click.echo(f"later: {clean(check['said'])}")
    for one in found["owed"]:
        click.echo(clean(f"{one['kind']}: {one['what']} ({one['owner']}: {one['do']})"))
    for approval in found["approvals"]:
        _show_approval(approval)


def _show_outside(found: dict[str, Any]) -> None:
    import json

    from gare.cli.output import clean

    for step in found["plan_steps"]:
        for effect in step["effects"]:
            end = "begun; whether it happened is not known"
            if effect["receipt"] is not None:
                receipt = json.dumps(effect["receipt"], ensure_ascii=False, sort_keys=True)
                end = f"{'found as wanted' if effect['adopted'] else 'done'}: {receipt}"
            click.echo(f"outside, {step['step']}: {clean(effect['target'])}: {clean(end)}")


def _show_approval(approval: dict[str, Any]) -> None:
    from gare.cli.output import clean

    needs = ", ".join(f"{count} of {group}" for group, count in sorted(approval["groups"].items()))
    state = approval["decision"] if approval["asked"] else "not asked yet"
    click.echo(f"approval of {approval['environment']} ({clean(needs)}): {state}")
    for vote in approval["votes"]:
        void = " (void: the manifest changed)" if vote["void"] else ""
        comment = f": {clean(vote['comment'])}" if vote["comment"] else ""
        click.echo(f"  {clean(vote['person'])} {vote['answer']}{comment}{void}")


@click.command()
@click.argument("what", metavar="R-…|TRAIN")
@JSON
def why(what: str, *, as_json: bool) -> None:
    """Say why a release does not move, or a train does not depart."""
    from gare.cli.output import print_json
    from gare.cli.station_here import gare_here
    from gare.explaining import explanation
    from gare.reports.status import queue_line

    gare = gare_here()
    if what in {*gare.station.trains, *gare.station.trains.broken}:
        answer = _why_train(gare, what)
        print_json({"train": what, **answer.as_json()}) if as_json else _show_why(gare, answer)
        return
    release = gare.ledger.releases.get(what)
    answer = explanation(gare, release)
    if as_json:
        queue = queue_line(gare.ledger.locks.place(release.id))
        state = release.state.value
        print_json({"release": release.id, "state": state, **answer.as_json(), "queue": queue})
        return
    _show_why(gare, answer)


def _why_train(gare: Gare, name: str) -> Explanation:
    from gare.cli.train_pages import next_word, train_page
    from gare.reports.why_train import explain_train

    page = train_page(gare, gare.station.train(name))
    return explain_train(page, next_word(page))


def _show_why(gare: Gare, answer: Explanation) -> None:
    from gare.cli.output import clean, clean_block
    from gare.reports.lengths import elapsed

    click.echo(clean(answer.sentence))
    for number, blocker in enumerate(answer.blockers, 1):
        click.echo(f"\n{number}. {clean_block(blocker.what)}")
        click.echo(f"   who:  {clean(blocker.owner)}")
        click.echo(f"   do:   {clean(blocker.do)}")
        if blocker.since:
            click.echo(f"   for:  {elapsed((gare.ledger.now() - blocker.since).total_seconds())}")
        for detail in blocker.details:
            click.echo(f"   note: {clean(detail)}")
    if answer.then:
        click.echo("")
    if answer.wake_at:
        left = (answer.wake_at - gare.ledger.now()).total_seconds()
        when = f"in {elapsed(left)}" if left > 0 else "now due"
        click.echo(
            f"Looks again by itself, or expires: {answer.wake_at:%Y-%m-%d %H:%M} UTC ({when})."
        )
    if answer.earliest:
        click.echo(f"Freezes: {clean(answer.earliest)}.")
    if answer.then:
        click.echo(clean(answer.then))


@click.command()
@RELEASE
@click.option("--step", default="", help="Only this step, with the end of its commands' output.")
@click.option(
    "--events", "is_raw", is_flag=True, help="The events as they are chained, one a line."
)
@click.option(
    "--tail",
    default=20,
    show_default=True,
    type=click.IntRange(0, 10_000),
    help="Lines of each log.",
)
@JSON
def log(release_id: str, step: str, tail: int, *, is_raw: bool, as_json: bool) -> None:
    """Show what happened in a release.

    Of a hotfix also what people said of its fixes since.
    """
    from gare.cli.output import print_json
    from gare.cli.station_here import gare_here
    from gare.command_logs import log_files
    from gare.errors import Refused
    from gare.reports.log import of_step

    gare = gare_here()
    release = gare.ledger.releases.get(release_id)
    events = gare.ledger.database.events(release.id)
    if step:
        known = [planned.id for planned in gare.plan(release.plan).steps]
        if step not in known:
            raise Refused(
                f"{release.id} has no step {step!r}.",
                where=release.id,
                hint=f"Its steps: {', '.join(known)}.",
            )
        events = of_step(events, step)
    # People answer for a hotfix's fixes after its end: that is in the station's stream.
    answers = [] if step else gare.ledger.fixes.told_by_people(release.id)
    logs = log_files(gare.logs_folder, release.id, step)
    if as_json:
        import json

        told = [{**event._asdict(), "body": json.loads(event.body)} for event in events]
        files = [{"path": str(path), "size_bytes": path.stat().st_size} for path in logs]
        fixes = [{**event._asdict(), "body": json.loads(event.body)} for event in answers]
        print_json({"release": release.id, "events": told, "fixes": fixes, "logs": files})
    elif is_raw:
        _show_raw(events)
    else:
        both = sorted([*events, *answers], key=lambda event: event.at)
        _show_log(both, logs, tail if step else 0)


def _show_raw(events: Sequence[Any]) -> None:
    from gare.cli.output import clean

    for event in events:
        words = (event.seq, event.at, event.hash, event.kind, event.actor, event.body)
        click.echo("  ".join(clean(word) for word in words))


def _show_log(events: Sequence[Any], logs: Sequence[Path], tail: int) -> None:
    from gare.cli.output import clean
    from gare.command_logs import last_lines
    from gare.reports.log import sentence

    for event in events:
        click.echo(f"{event.at[:19]}Z  {clean(sentence(event))}")
    for path in logs:
        click.echo(f"log: {clean(path)}")
        for line in last_lines(path, tail):
            click.echo(f"  | {clean(line, keep=chr(9))}")

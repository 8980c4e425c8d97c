"""`gare backup` and `gare restore`: the station's record as one file, and back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from datetime import datetime

    from gare.config.loader import Station
    from gare.ledger.backup import Place
    from gare.ledger.restore import Index, Restored

JSON = click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
_SHOWN = 20


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Replace FILE when it is there.")
@JSON
def backup(file: Path, *, force: bool, as_json: bool) -> None:
    """Write the station's record into one file, while it works.

    In it: the ledger, the store of artifacts and reports, the station's private keys, the logs of releases' commands.
    Not in it: the configuration (it is in Git), secrets, the engine's database, checkouts. Keep the file secret.
    """
    from datetime import UTC, datetime

    from gare.cli.output import clean, print_json
    from gare.ledger.backup import write_backup

    made = write_backup(_place(_station()), file, made_at=datetime.now(UTC), may_replace=force)
    if as_json:
        facts = made.facts
        print_json(
            {
                "file": str(made.path), "size_bytes": made.size, "sha256": f"sha256:{made.sha256}",
                "made_at": made.made_at, "members": made.members, "revision": facts.revision, "events": facts.events,
                "streams": facts.streams, "heads": f"sha256:{facts.heads}",
                "absent": [item._asdict() for item in made.absent],
            }
        )  # fmt: skip
        return
    click.echo(f"{clean(made.path)}: {made.size} bytes, sha256:{made.sha256}")
    click.echo(
        f"{made.facts.events} events of {made.facts.streams} streams, {made.members} files: "
        "ledger, store, private keys, commands' logs"
    )
    click.echo("Not in it: configuration (in Git), secrets, the engine's database, checkouts.")
    for item in made.absent[:_SHOWN]:
        click.echo(f"note: {clean(item.name)} is missing: {clean(item.why)}", err=True)
    if len(made.absent) > _SHOWN:
        click.echo(
            f"note: {len(made.absent) - _SHOWN} more are missing: --json names them", err=True
        )


@click.command()
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option(
    "--force", is_flag=True, help="Move the ledger that is here aside, with all that belongs to it."
)
@click.option(
    "--check", "only_check", is_flag=True, help="Check FILE as a restore does, and change nothing."
)
@click.option(
    "--mark",
    is_flag=True,
    help="No FILE: the ledger was restored by other means, such as pg_restore.",
)
@click.option(
    "--made-at",
    type=click.DateTime(["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%SZ"]),
    help="With --mark: when the copy was made; default: the newest event.",
)
@JSON
def restore(
    file: Path | None,
    *,
    force: bool,
    only_check: bool,
    mark: bool,
    made_at: datetime | None,
    as_json: bool,
) -> None:
    """Bring the station back from FILE, while it is down.

    Everything in FILE is checked first. What is here is moved aside, never deleted. Then `gare up` and `gare recover`:
    open releases go on. What was done after the backup is found and adopted. What nobody can look up (a mail) is not
    sent again by itself: the release asks.
    """
    _check_usage(file, mark=mark, other=force or only_check, made_at=made_at)
    if mark:
        done = _mark(made_at)
    elif only_check:
        done = _check(_named(file))
    else:
        from gare.ledger.restore import restore as bring_back

        done = bring_back(_named(file), _place(_station()), may_replace=force)
    if as_json:
        _print_json(done)
    else:
        _tell(done, file, only_check=only_check)


def _check_usage(file: Path | None, *, mark: bool, other: bool, made_at: datetime | None) -> None:
    if (file is None) != mark or (mark and other):
        raise click.UsageError("Name a FILE, or say --mark alone.")
    if made_at is not None and not mark:
        raise click.UsageError("--made-at belongs to --mark; a FILE knows when it was made.")


def _named(file: Path | None) -> Path:
    assert file is not None, "checked before"  # noqa: S101
    return file


def _mark(made_at: datetime | None) -> Restored:
    from datetime import UTC

    from gare.cli.station_here import gare_here
    from gare.ledger.restore import mark

    at = made_at.replace(tzinfo=made_at.tzinfo or UTC) if made_at else None
    gare = gare_here()
    return mark(gare.ledger.database, gare.station.state, made_at=at, actor="command line")


def _check(file: Path) -> Restored:
    from tempfile import TemporaryDirectory

    from gare.ledger.restore import Restored, check

    with TemporaryDirectory(prefix="gare-check-") as scratch:
        return Restored(check(file, Path(scratch)))


def _station() -> Station:
    from gare.config.loader import load_station

    return load_station(leave_out_broken=True)


def _place(station: Station) -> Place:
    """Return what is saved. Raises ConfigError for a ledger that is no SQLite file."""
    from sqlalchemy import make_url

    from gare.config.station_file import ledger_url
    from gare.errors import ConfigError
    from gare.ledger.backup import Place

    url = make_url(ledger_url(station.state, station.config.ledger))
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        raise ConfigError(
            "The ledger is not a SQLite file, so this command cannot copy or restore it.",
            where=url.render_as_string(hide_password=True),
            hint="PostgreSQL: first `pg_dump -Fc -f ledger.dump …`, then copy the state folder's store, keys and logs; "
            "back with pg_restore, then `gare restore --mark` (docs/how-to/backup.md). Nothing was changed.",
        )
    return Place(station.state, Path(url.database).absolute())


def _print_json(done: Restored) -> None:
    from gare.cli.output import print_json

    print_json(
        {
            "backup": _facts(done.index) if done.index.heads else {"made_at": done.index.made_at},
            "open_releases": list(done.open_releases),
            "aside": str(done.aside) if done.aside else None,
        }
    )


def _facts(index: Index) -> dict[str, object]:
    return {
        "made_at": index.made_at, "gare": index.gare, "revision": index.revision, "events": index.events,
        "streams": index.streams, "members": index.members, "absent": index.absent, "heads": f"sha256:{index.heads}",
    }  # fmt: skip


def _tell(done: Restored, file: Path | None, *, only_check: bool) -> None:
    from gare.cli.output import clean

    index = done.index
    if file is not None:
        _tell_backup(index, file)
    if only_check:
        click.echo("sound: it can be restored")
        return
    click.echo(
        f"The station is as it was at {clean(index.made_at)}; the ledger says that it was restored."
    )
    if done.aside:
        click.echo(f"What was here is in {clean(done.aside)}.")
    click.echo("Votes and releases made after the backup are not in it. Go on with `gare up`.")
    if done.open_releases:
        click.echo(f"Then `gare recover` makes new runs for {', '.join(done.open_releases)}.")


def _tell_backup(index: Index, file: Path) -> None:
    from gare.cli.output import clean
    from gare.ledger.restore import absent_lines

    click.echo(
        f"{clean(file)}: made {clean(index.made_at)} by Gare {clean(index.gare)}; {index.events} events of "
        f"{index.streams} streams, {index.members} files"
    )
    for line in absent_lines(file) if index.absent else ():
        click.echo(f"note: missing in it: {clean(line)}", err=True)

"""`gare evidence`: write a release's evidence into one file, and verify such a file without a station."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gare.ledger.tags import Tag
    from gare.ledger.verify import Report

_MAX_KEY_FILE_BYTES = 1024 * 1024
_MAX_LINE = 1000

JSON = click.option("--json", "as_json", is_flag=True, help="Print as JSON.")


class _Evidence(click.Group):
    """`gare evidence R-7 …` is short for `gare evidence write R-7 …`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the default command in when none is named."""
        if args and args[0] not in (*self.commands, "-h", "--help"):
            args = ["write", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_Evidence)
def evidence() -> None:
    """Write or verify a release's evidence.

    `gare evidence R-… -o FILE` writes it, `gare evidence verify FILE` checks a file without a station.
    """


@evidence.command()
@click.argument("release_id", metavar="R-…")
@click.option(
    "-o",
    "--output",
    "out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write; default: R-….evidence.zip here.",
)
@click.option(
    "--with-artifacts", is_flag=True, help="Put the artifacts in too, not only their digests."
)
@JSON
def write(release_id: str, out: Path | None, *, with_artifacts: bool, as_json: bool) -> None:
    """Write everything that was decided and done in a release into one file, sign it, and check it."""
    from gare.cli.output import clean, print_json
    from gare.cli.station_here import gare_here
    from gare.ledger.evidence import write_bundle
    from gare.ledger.verify import verify_bundle

    gare = gare_here()
    release = gare.ledger.releases.get(release_id)
    path = out or Path(f"{release.id}.evidence.zip")
    signer = gare.keys.signer()
    made = write_bundle(
        gare.ledger, gare.store, release.id, path, signer=signer, with_artifacts=with_artifacts
    )
    report = verify_bundle(path, head=made.head, trusted=[signer.id])
    if as_json:
        print_json(
            {
                "file": str(path), "size_bytes": made.size, "sha256": made.sha256, "head": made.head,
                "events": made.events, "signed_by": signer.id, "absent": dict(made.absent),
                **_findings(report),
            }
        )  # fmt: skip
    else:
        click.echo(f"{clean(path)}: {made.size} bytes, {made.sha256}")
        click.echo(f"{release.id} is {release.state}; {made.events} events, head {made.head}")
        click.echo(f"signed by {signer.id}")
        for name, reason in made.absent.items():
            click.echo(f"note: {clean(name)} is not in it: {clean(reason)}")
    _refuse_unsound(report, as_json=as_json)


@evidence.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--head",
    default="",
    metavar="DIGEST",
    help="Digest that the chain must hold, as in the tag: sha256:…",
)
@click.option(
    "--repository", type=click.Path(path_type=Path), help="Git repository whose tag is compared."
)
@click.option(
    "--key",
    "keys",
    multiple=True,
    metavar="FILE|FINGERPRINT",
    help="Key that you trust: a file of `gare key export`, or sha256:…; may be given several times.",
)
@JSON
def verify(
    file: Path, head: str, repository: Path | None, keys: tuple[str, ...], *, as_json: bool
) -> None:
    """Check a bundle: every byte, the chain, every decision, the signature. No station, no network."""
    from gare.cli.output import print_json
    from gare.ledger.verify import verify_bundle

    head, trusted = _digest(head, "--head"), _trusted(keys)
    report = verify_bundle(file, head=head, trusted=trusted)
    if repository is not None:
        tag = _tag(repository, report)
        report = verify_bundle(file, head=head, tag=tag, trusted=trusted)
    if as_json:
        print_json(
            {
                "file": str(file),
                "sha256": report.sha256,
                "summary": report.summary,
                **_findings(report),
            }
        )
    else:
        _show_report(report)
    _refuse_unsound(report, as_json=as_json)


def _trusted(values: tuple[str, ...]) -> list[str]:
    """Return the fingerprints of keys that are given as fingerprints or as files of public keys."""
    import re

    from gare.errors import ConfigError, UnexpectedReply
    from gare.ledger.dsse import fingerprint, read_public

    found: list[str] = []
    for value in values:
        if re.fullmatch(r"(sha256:)?[0-9a-fA-F]{64}", value.strip()):
            found.append(_digest(value, "--key"))
            continue
        try:
            with Path(value).open("rb") as file:
                text = file.read(_MAX_KEY_FILE_BYTES).decode("ascii", "replace")
            found += [fingerprint(raw) for raw in read_public(text, value)]
        except (OSError, ValueError, UnexpectedReply) as error:
            why = error.strerror if isinstance(error, OSError) else "it holds no ed25519 public key"
            raise ConfigError(
                f"The key cannot be read: {why}.",
                where=f"--key {value}",
                hint="Name a file that `gare key export` wrote, or the key's fingerprint: sha256:… .",
            ) from error
    return found


def _digest(head: str, option: str) -> str:
    import re

    from gare.errors import ConfigError

    head = head.strip().lower()
    if head and not head.startswith("sha256:"):
        head = f"sha256:{head}"
    if head and not re.fullmatch(r"sha256:[0-9a-f]{64}", head):
        raise ConfigError(
            f"{head!r} is no digest.",
            where=option,
            hint="Write sha256: and 64 hexadecimal digits.",
        )
    return head


def _tag(repository: Path, report: Report) -> Tag | None:
    from gare.errors import Refused
    from gare.ledger.tags import read_tag

    name = report.summary.get("tag")
    if not report.summary:
        return None  # the report says why; there is no name to look for
    if not name:
        raise Refused(
            "The release makes no tag.",
            where="--repository",
            hint="Give the digest with --head instead.",
        )
    return read_tag(repository, str(name))


def _findings(report: Report) -> dict[str, Any]:
    return {
        "is_sound": report.is_sound,
        "problems": [{"place": problem.place, "what": problem.what} for problem in report.problems],
        "notes": list(report.notes),
        "checks": dict(report.checks),
    }


def _show_report(report: Report) -> None:
    if report.summary:
        for line in _about(report.summary):
            click.echo(_line(line))
    for name, count in report.checks.items():
        click.echo(f"{'ok  ' if not count else 'FAIL'}  {name}")
    for note in report.notes:
        click.echo(f"note: {_line(note)}")
    for problem in report.problems:
        click.echo(f"problem: {_line(problem)}")


def _about(about: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the bundle is about, line by line."""
    yield f"{about['release']} {about['project']} {about['version']}: {about['state']}"
    yield f"commit {about['commit']}, plan {about['plan']}"
    yield f"{about['events']} events, head {about['head']}"
    for vote in about["votes"]:
        yield f"vote of {vote['step']}: {vote['person']} {vote['answer']} at {vote['at']}"
    for gate in about["gates"]:
        yield f"gate {gate['gate']}: {gate['result']}"
    for effect in about["effects"]:
        receipt = "" if effect["has_receipt"] else " (no receipt)"
        yield f"{effect['step']}: {effect['target']}{receipt}"
    for override in about["overrides"]:
        place = override["step"] or override["is"].get("environment", "")
        yield f"override: {override['what']} in {place} by {override['actor']} at {override['at']}"
    for name, reason in about["absent"].items():
        yield f"note: {name} is not in it: {reason}"


def _line(text: object) -> str:
    """Spell a line of a report: the file may come from anybody, and be long."""
    from gare.cli.output import clean

    spelled = str(text)
    return clean(spelled if len(spelled) <= _MAX_LINE else spelled[:_MAX_LINE] + "…")


def _refuse_unsound(report: Report, *, as_json: bool) -> None:
    from gare.errors import Refused

    if report.is_sound:
        if not as_json:
            click.echo("sound: nothing in it was changed")
        return
    count = len(report.problems)
    raise Refused(
        f"The evidence does not hold: {count} problem{'' if count == 1 else 's'}, first: {report.problems[0]}.",
        where=report.path,
        hint="Do not rely on it; get the file again from where it was written.",
    )

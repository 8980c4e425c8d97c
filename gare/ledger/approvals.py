"""Approval requests, votes and personal tokens in the ledger."""

import hmac
import json
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, insert, select, update

from gare.domain.approvals import Answer, Decision, Standing, Vote, Voter, admit, stand
from gare.domain.digest import canonical, sha256
from gare.domain.manifest import Manifest
from gare.domain.plan import PlannedApproval
from gare.errors import AuthenticationFailed, Refused
from gare.ledger.database import Database, plain, read_instant, spell
from gare.ledger.releases import find_row, number_of, wake_sleeper
from gare.ledger.schema import approvals, tokens, votes


@dataclass(frozen=True, slots=True)
class Request:
    """An approval that was asked for. `manifest` is the digest that votes name."""

    release: str
    step: str
    manifest: str
    body: Mapping[str, Any]
    opened_at: datetime
    expires_at: datetime
    decision: Decision


class Approvals:
    """What was asked, who answered, and where it stands."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def ask(self, release_id: str, rule: PlannedApproval, manifest: Manifest) -> Request:
        """Open the request for a step, or return it; a changed manifest voids the votes given so far.

        The expiry runs from the first asking: a void does not make a release live for ever.
        """
        number = number_of(release_id)
        key = (approvals.c.release == number) & (approvals.c.step == rule.step)
        with self._db.write() as connection:
            row = connection.execute(select(approvals).where(key)).first()
            if row is not None and (
                row.manifest == manifest.digest or row.decision != Decision.PENDING
            ):
                return _request(row)
            now = self._db.clock()
            fields = {"manifest": manifest.digest, "body": canonical(manifest.as_json())}
            if row is None:
                connection.execute(
                    insert(approvals).values(
                        release=number,
                        step=rule.step,
                        opened_at=spell(now),
                        expires_at=spell(now + timedelta(seconds=rule.expires_after_s)),
                        decision=Decision.PENDING,
                        **fields,
                    )
                )
                kind, more = "approval asked", {"groups": dict(rule.groups)}
            else:
                connection.execute(update(approvals).where(key).values(**fields))
                kind, more = "votes void", {"before": json.loads(row.body)}
            body = {
                "step": rule.step,
                "manifest": manifest.digest,
                "is": manifest.as_json(),
                **more,
            }
            self._db.append(connection, f"R-{number}", kind, "gare", body, at=now)
            return _request(connection.execute(select(approvals).where(key)).one())

    def get(self, release_id: str, step: str) -> Request | None:
        """Return the request of a step, if it was asked."""
        key = (approvals.c.release == number_of(release_id)) & (approvals.c.step == step)
        with self._db.read() as connection:
            row = connection.execute(select(approvals).where(key)).first()
            return _request(row) if row is not None else None

    def votes(self, release_id: str, step: str) -> list[Vote]:
        """Return every vote of a step in the order given, void ones too."""
        with self._db.read() as connection:
            return _votes(connection, number_of(release_id), step)

    def vote(
        self,
        release_id: str,
        rule: PlannedApproval,
        voter: Voter,
        answer: Answer,
        *,
        manifest: str,
        comment: str,
        authors: Iterable[str],
    ) -> Standing:
        """Cast a vote and return where the approval stands now.

        `manifest` is what the voter saw. Raises Refused for a vote that may not be cast; nothing changes then.
        """
        number = number_of(release_id)
        key = (approvals.c.release == number) & (approvals.c.step == rule.step)
        with self._db.write() as connection:
            release = find_row(connection, number)
            row = connection.execute(select(approvals).where(key)).first()
            _refuse_late(f"R-{number}", rule, release.closed_at, release.state, row)
            request = _request(row)
            cast = _votes(connection, number, rule.step)
            now = self._db.clock()
            standing = stand(
                rule, cast, manifest=request.manifest, expires_at=request.expires_at, now=now
            )
            if standing.decision is not Decision.PENDING:
                raise Refused(
                    f"The approval is decided: {standing}.", where=f"R-{number}, {rule.step}",
                    hint="A decision stands; start a new release to ask again.",
                )  # fmt: skip
            admit(
                rule,
                voter,
                authors=authors,
                requester=release.requested_by,
                votes=cast,
                manifest=manifest,
                wanted_manifest=request.manifest,
            )
            vote = Vote(voter.name, voter.groups, answer, request.manifest, plain(comment), now)
            connection.execute(
                insert(votes).values(
                    release=number,
                    step=rule.step,
                    manifest=vote.manifest,
                    person=vote.person,
                    groups=canonical(sorted(vote.groups)),
                    answer=vote.answer,
                    comment=vote.comment,
                    at=spell(vote.at),
                )
            )
            self._db.append(
                connection,
                f"R-{number}",
                f"vote {answer}",
                voter.name,
                {
                    "step": rule.step,
                    "manifest": vote.manifest,
                    "groups": sorted(vote.groups),
                    "comment": vote.comment,
                },
                at=now,
            )
            standing = stand(
                rule,
                [*cast, vote],
                manifest=request.manifest,
                expires_at=request.expires_at,
                now=now,
            )
            if standing.decision is not Decision.PENDING:
                wake_sleeper(connection, number)
            return standing

    def standing(self, release_id: str, rule: PlannedApproval) -> Standing:
        """Count the votes of a step now. A pending answer when it was not asked yet."""
        request = self.get(release_id, rule.step)
        if request is None:
            return Standing(Decision.PENDING, dict(rule.groups), ())
        return stand(
            rule,
            self.votes(release_id, rule.step),
            manifest=request.manifest,
            expires_at=request.expires_at,
            now=self._db.clock(),
        )

    def close(self, release_id: str, step: str, decision: Decision) -> None:
        """Write down the decision of a step, once."""
        number = number_of(release_id)
        with self._db.write() as connection:
            changed = connection.execute(
                update(approvals)
                .where(
                    approvals.c.release == number,
                    approvals.c.step == step,
                    approvals.c.decision == Decision.PENDING,
                )
                .values(decision=decision)
            )
            if changed.rowcount:
                self._db.append(
                    connection,
                    f"R-{number}",
                    "approval decided",
                    "gare",
                    {"step": step, "decision": decision},
                )


class Tokens:
    """Personal tokens: who is voting. Only digests are stored; a token has 256 random bits, so no salt is needed."""

    def __init__(
        self, database: Database, new: Callable[[], str] = lambda: secrets.token_urlsafe(32)
    ) -> None:
        self._db, self._new = database, new

    def create(self, person: str, *, actor: str) -> str:
        """Make a token for a person and return it; it cannot be shown again."""
        token = f"gare_{self._new()}"
        with self._db.write() as connection:
            connection.execute(
                insert(tokens).values(
                    hash=sha256(token), person=person, made_at=spell(self._db.clock())
                )
            )
            self._db.append(
                connection,
                "station",
                "token made",
                actor,
                {"person": person, "token": sha256(token)[:19]},
            )
        return token

    def revoke(self, person: str, *, actor: str) -> int:
        """Make every token of a person void; return how many there were."""
        with self._db.write() as connection:
            changed = connection.execute(
                update(tokens)
                .where(tokens.c.person == person, tokens.c.revoked_at.is_(None))
                .values(revoked_at=spell(self._db.clock()))
            ).rowcount
            if changed:
                self._db.append(
                    connection,
                    "station",
                    "tokens revoked",
                    actor,
                    {"person": person, "count": changed},
                )
        return changed

    def people(self) -> dict[str, int]:
        """Return how many valid tokens each person has."""
        counts: dict[str, int] = {}
        with self._db.read() as connection:
            for row in connection.execute(
                select(tokens.c.person).where(tokens.c.revoked_at.is_(None))
            ):
                counts[row.person] = counts.get(row.person, 0) + 1
        return counts

    def who(self, token: str) -> str:
        """Return whose token this is. Raises AuthenticationFailed."""
        digest = sha256(plain(token.strip()))
        with self._db.read() as connection:
            row = connection.execute(select(tokens).where(tokens.c.hash == digest)).first()
        if row is None or row.revoked_at is not None or not hmac.compare_digest(row.hash, digest):
            raise AuthenticationFailed(
                "The personal token is not valid"
                + (": it was revoked." if row is not None else "."),
                where="GARE_TOKEN",
                hint="Ask the station's keeper for one: `gare token create NAME`.",
            )
        return str(row.person)


def _refuse_late(
    release_id: str, rule: PlannedApproval, closed_at: str | None, state: str, row: Any
) -> None:
    if closed_at is not None:
        raise Refused(
            f"{release_id} has ended: {state}.",
            where=rule.step,
            hint="A release that ended takes no votes.",
        )
    if row is None:
        raise Refused(
            f"{release_id} does not ask for this approval yet.",
            where=rule.step,
            hint=f"`gare why {release_id}` says what it does now.",
        )


def _request(row: Any) -> Request:
    return Request(
        release=f"R-{row.release}",
        step=row.step,
        manifest=row.manifest,
        body=json.loads(row.body),
        opened_at=read_instant(row.opened_at),
        expires_at=read_instant(row.expires_at),
        decision=Decision(row.decision),
    )


def _votes(connection: Connection, number: int, step: str) -> list[Vote]:
    rows = connection.execute(
        select(votes).where(votes.c.release == number, votes.c.step == step).order_by(votes.c.id)
    )
    return [
        Vote(
            row.person,
            frozenset(json.loads(row.groups)),
            Answer(row.answer),
            row.manifest,
            row.comment,
            read_instant(row.at),
        )
        for row in rows
    ]

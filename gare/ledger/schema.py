"""The ledger's tables. Changes go through a migration in `migrations/versions`; a test compares both.

Instants are stored as ISO 8601 UTC text with microseconds: the same bytes on SQLite and PostgreSQL, in order
when sorted. JSON is stored as its canonical text, so a digest can be taken from what is stored.
"""

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
)

TARGET_LENGTH = 1000
"""Characters of an effect's target at most: a path or an address."""

HOLDER_LENGTH = 127
"""Characters of the name of a process that holds something."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

plans = Table(
    "plans",
    metadata,
    Column("digest", String(71), primary_key=True),
    Column("project", String(63), nullable=False),
    Column("version", String(255), nullable=False),
    Column("body", Text, nullable=False),
    Column("made_at", String(32), nullable=False),
)

releases = Table(
    "releases",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("project", String(63), nullable=False),
    Column("version", String(255), nullable=False),
    Column("plan", ForeignKey("plans.digest"), nullable=False),
    Column("flow_run_id", String(36), nullable=False, unique=True),
    Column("state", String(16), nullable=False),
    Column("requested_by", String(63), nullable=False),
    Column("reason", Text, nullable=False),
    Column("opened_at", String(32), nullable=False),
    Column("changed_at", String(32), nullable=False),
    Column("closed_at", String(32)),
    Column("end", Text, nullable=False, default=""),
    Column("waiting", Text, nullable=False, default="[]"),
    Column("wake_at", String(32)),
    Column("asks", Integer, nullable=False, default=0),
    Column("settled", Boolean, nullable=False, default=False, server_default=false()),
    Column("kind", String(16), nullable=False, default="release", server_default="release"),
    Column("train", Integer),
    Index("ix_releases_project_state", "project", "state"),
    Index("ix_releases_state_wake_at", "state", "wake_at"),
    Index("ix_releases_train", "train"),
)

steps = Table(
    "steps",
    metadata,
    Column("release", ForeignKey("releases.number"), primary_key=True),
    Column("step", String(63), primary_key=True),
    Column("state", String(16), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("value", Text),
    Column("error", Text, nullable=False, default=""),
    Column("started_at", String(32), nullable=False),
    Column("ended_at", String(32)),
)

approvals = Table(
    "approvals",
    metadata,
    Column("release", ForeignKey("releases.number"), primary_key=True),
    Column("step", String(63), primary_key=True),
    Column("manifest", String(71), nullable=False),
    Column("body", Text, nullable=False),
    Column("opened_at", String(32), nullable=False),
    Column("expires_at", String(32), nullable=False),
    Column("decision", String(16), nullable=False),
)

votes = Table(
    "votes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("release", ForeignKey("releases.number"), nullable=False),
    Column("step", String(63), nullable=False),
    Column("manifest", String(71), nullable=False),
    Column("person", String(63), nullable=False),
    Column("groups", Text, nullable=False),
    Column("answer", String(16), nullable=False),
    Column("comment", Text, nullable=False),
    Column("at", String(32), nullable=False),
    UniqueConstraint("release", "step", "manifest", "person"),
)

effects = Table(
    "effects",
    metadata,
    Column("release", ForeignKey("releases.number"), primary_key=True),
    Column("step", String(63), primary_key=True),
    Column("target", String(TARGET_LENGTH), primary_key=True),
    Column("intent", Text, nullable=False),
    Column("intent_at", String(32), nullable=False),
    Column("receipt", Text),
    Column("receipt_at", String(32)),
    Column("adopted", Boolean, nullable=False, default=False),
    Column("claimed_by", String(HOLDER_LENGTH)),
)

events = Table(
    "events",
    metadata,
    Column("stream", String(32), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("at", String(32), nullable=False),
    Column("kind", String(63), nullable=False),
    Column("actor", String(127), nullable=False),
    Column("body", Text, nullable=False),
    Column("prev", String(71), nullable=False),
    Column("hash", String(71), nullable=False),
)

streams = Table(
    "streams",
    metadata,
    Column("stream", String(32), primary_key=True),
    Column("seq", Integer, nullable=False),
    Column("head", String(71), nullable=False),
)

tokens = Table(
    "tokens",
    metadata,
    Column("hash", String(71), primary_key=True),
    Column("person", String(63), nullable=False),
    Column("made_at", String(32), nullable=False),
    Column("revoked_at", String(32)),
    Index("ix_tokens_person", "person"),
)

verified = Table(
    "verified",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("project", String(63), nullable=False),
    Column("environment", String(63), nullable=False),
    Column("version", String(255), nullable=False),
    Column("release", ForeignKey("releases.number"), nullable=False),
    Column("at", String(32), nullable=False),
    Index("ix_verified_project_environment", "project", "environment"),
)
"""Each version that was verified good somewhere, in the order in which it was; the newest is what should run there."""

holders = Table(
    "holders",
    metadata,
    Column("name", String(HOLDER_LENGTH), primary_key=True),
    Column("until", String(32), nullable=False),
)

leases = Table(
    "leases",
    metadata,
    Column("name", String(127), primary_key=True),
    Column("holder", String(HOLDER_LENGTH), nullable=False),
    Column("fence", Integer, nullable=False),
    Column("turn", Integer, nullable=False, default=0),
)

rescues = Table(
    "rescues",
    metadata,
    Column("flow_run_id", String(36), primary_key=True),
    Column("attempts", Integer, nullable=False),
    Column("at", String(32), nullable=False),
    Column("progress", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("outages", Integer, nullable=False, server_default="0"),
    Column("name", Text, nullable=False, server_default=""),
)

locks = Table(
    "locks",
    metadata,
    Column("project", String(63), primary_key=True),
    Column("environment", String(63), primary_key=True),
    Column("release", ForeignKey("releases.number"), primary_key=True),
    Column("priority", Integer, nullable=False),
    Column("asked_at", String(32), nullable=False),
    Column("granted_at", String(32)),
    Column("until", String(32)),
)

keys = Table(
    "keys",
    metadata,
    Column("id", String(71), primary_key=True),
    Column("public", Text, nullable=False),
    Column("made_at", String(32), nullable=False),
    Column("retired_at", String(32)),
    Column("endorsed_by", String(71)),
    Column("endorsement", Text),
)

freezes = Table(
    "freezes",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("name", String(63), nullable=False),
    Column("body", Text, nullable=False),
    Column("made_by", String(63), nullable=False),
    Column("made_at", String(32), nullable=False),
    Column("until", String(32)),
    Column("lifted_at", String(32)),
)

overrides = Table(
    "overrides",
    metadata,
    Column("release", ForeignKey("releases.number"), primary_key=True),
    Column("environment", String(63), primary_key=True),
    Column("name", String(400), primary_key=True),
    Column("person", String(63), nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", String(32), nullable=False),
    Column("until", String(32)),
)
"""`name` is that of one time of a freeze, such as `fridays from 2026-12-18T14:00:00Z`."""

holds = Table(
    "holds",
    metadata,
    Column("project", String(63), primary_key=True),
    Column("environment", String(63), primary_key=True),
    Column("release", ForeignKey("releases.number"), nullable=False),
    Column("reason", Text, nullable=False),
    Column("since", String(32), nullable=False),
)

fixes = Table(
    "fixes",
    metadata,
    Column("release", ForeignKey("releases.number"), primary_key=True),
    Column("commit", String(64), primary_key=True),
    Column("line", String(200), primary_key=True),
    Column("project", String(63), nullable=False),
    Column("version", String(255), nullable=False),
    Column("made", String(64), nullable=False),
    Column("subject", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("detail", Text, nullable=False),
    Column("changed_by", String(63), nullable=False),
    Column("changed_at", String(32), nullable=False),
    Column("seen", String(64), nullable=False, default="", server_default=""),
    Index("ix_fixes_project_state", "project", "state"),
)
"""`seen` is the commit of the line at which it stood so: the one that has the fix, else its newest one then."""

later_checks = Table(
    "later_checks",
    metadata,
    Column("release", ForeignKey("releases.number"), primary_key=True),
    Column("step", String(63), primary_key=True),
    Column("project", String(63), nullable=False),
    Column("what", Text, nullable=False),
    Column("since", String(32), nullable=False),
    Column("done_by", String(63), nullable=False),
    Column("comment", Text, nullable=False),
)
"""What hotfixes have skipped, to be checked later by a person."""

slots = Table(
    "slots",
    metadata,
    Column("train", String(63), primary_key=True),
    Column("at", String(32), primary_key=True),
    Column("person", String(63), nullable=False),
    Column("reason", Text, nullable=False),
)
"""Departures of trains that a person has skipped ahead."""

stops = Table(
    "stops",
    metadata,
    Column("train", String(63), primary_key=True),
    Column("reason", Text, nullable=False),
    Column("since", String(32), nullable=False),
)
"""Trains whose schedule stands still until a person resumes it."""

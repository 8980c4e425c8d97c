"""What trains, hotfixes, rollbacks and freeze windows need: the kind of a release, its train, and what people said."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the kinds of releases, freezes, overrides, holds, fixes and what people said about trains."""
    _keep_all_verified()
    op.add_column(
        "releases",
        sa.Column("kind", sa.String(length=16), server_default="release", nullable=False),
    )
    op.add_column("releases", sa.Column("train", sa.Integer(), nullable=True))
    op.create_index("ix_releases_train", "releases", ["train"], unique=False)
    op.create_table(
        "freezes",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("made_by", sa.String(length=63), nullable=False),
        sa.Column("made_at", sa.String(length=32), nullable=False),
        sa.Column("until", sa.String(length=32), nullable=True),
        sa.Column("lifted_at", sa.String(length=32), nullable=True),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_freezes")),
    )
    op.create_table(
        "overrides",
        sa.Column("release", sa.Integer(), nullable=False),
        sa.Column("environment", sa.String(length=63), nullable=False),
        sa.Column("name", sa.String(length=400), nullable=False),
        sa.Column("person", sa.String(length=63), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["release"], ["releases.number"], name=op.f("fk_overrides_release")
        ),
        sa.PrimaryKeyConstraint("release", "environment", "name", name=op.f("pk_overrides")),
    )
    op.create_table(
        "holds",
        sa.Column("project", sa.String(length=63), nullable=False),
        sa.Column("environment", sa.String(length=63), nullable=False),
        sa.Column("release", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("since", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(["release"], ["releases.number"], name=op.f("fk_holds_release")),
        sa.PrimaryKeyConstraint("project", "environment", name=op.f("pk_holds")),
    )
    op.create_table(
        "fixes",
        sa.Column("release", sa.Integer(), nullable=False),
        sa.Column("commit", sa.String(length=64), nullable=False),
        sa.Column("line", sa.String(length=200), nullable=False),
        sa.Column("project", sa.String(length=63), nullable=False),
        sa.Column("version", sa.String(length=255), nullable=False),
        sa.Column("made", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("changed_by", sa.String(length=63), nullable=False),
        sa.Column("changed_at", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(["release"], ["releases.number"], name=op.f("fk_fixes_release")),
        sa.PrimaryKeyConstraint("release", "commit", "line", name=op.f("pk_fixes")),
    )
    op.create_index("ix_fixes_project_state", "fixes", ["project", "state"], unique=False)
    op.create_table(
        "later_checks",
        sa.Column("release", sa.Integer(), nullable=False),
        sa.Column("step", sa.String(length=63), nullable=False),
        sa.Column("project", sa.String(length=63), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("since", sa.String(length=32), nullable=False),
        sa.Column("done_by", sa.String(length=63), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["release"], ["releases.number"], name=op.f("fk_later_checks_release")
        ),
        sa.PrimaryKeyConstraint("release", "step", name=op.f("pk_later_checks")),
    )
    op.create_table(
        "slots",
        sa.Column("train", sa.String(length=63), nullable=False),
        sa.Column("at", sa.String(length=32), nullable=False),
        sa.Column("person", sa.String(length=63), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("train", "at", name=op.f("pk_slots")),
    )
    op.create_table(
        "stops",
        sa.Column("train", sa.String(length=63), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("since", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("train", name=op.f("pk_stops")),
    )


def _keep_all_verified() -> None:
    """Let the table of verified versions keep each of them, not only the last one of an environment."""
    rows = op.get_bind().execute(
        sa.text(
            "SELECT project, environment, version, release, at FROM verified ORDER BY at, release"
        )
    )
    kept = [dict(row._mapping) for row in rows]
    op.drop_table("verified")
    verified = op.create_table(
        "verified",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("project", sa.String(length=63), nullable=False),
        sa.Column("environment", sa.String(length=63), nullable=False),
        sa.Column("version", sa.String(length=255), nullable=False),
        sa.Column("release", sa.Integer(), nullable=False),
        sa.Column("at", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(["release"], ["releases.number"], name=op.f("fk_verified_release")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_verified")),
    )
    op.bulk_insert(verified, kept)
    op.create_index(
        "ix_verified_project_environment", "verified", ["project", "environment"], unique=False
    )

"""The first form of the ledger."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create every table."""
    op.create_table(
        "events",
        sa.Column("stream", sa.String(length=32), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("at", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=63), nullable=False),
        sa.Column("actor", sa.String(length=127), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("prev", sa.String(length=71), nullable=False),
        sa.Column("hash", sa.String(length=71), nullable=False),
        sa.PrimaryKeyConstraint("stream", "seq", name=op.f("pk_events")),
    )
    op.create_table(
        "plans",
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("project", sa.String(length=63), nullable=False),
        sa.Column("version", sa.String(length=255), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("made_at", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_plans")),
    )
    op.create_table(
        "streams",
        sa.Column("stream", sa.String(length=32), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("head", sa.String(length=71), nullable=False),
        sa.PrimaryKeyConstraint("stream", name=op.f("pk_streams")),
    )
    op.create_table(
        "tokens",
        sa.Column("hash", sa.String(length=71), nullable=False),
        sa.Column("person", sa.String(length=63), nullable=False),
        sa.Column("made_at", sa.String(length=32), nullable=False),
        sa.Column("revoked_at", sa.String(length=32), nullable=True),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_tokens")),
    )
    op.create_index("ix_tokens_person", "tokens", ["person"], unique=False)
    op.create_table(
        "releases",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("project", sa.String(length=63), nullable=False),
        sa.Column("version", sa.String(length=255), nullable=False),
        sa.Column("plan", sa.String(length=71), nullable=False),
        sa.Column("flow_run_id", sa.String(length=36), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("requested_by", sa.String(length=63), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.String(length=32), nullable=False),
        sa.Column("changed_at", sa.String(length=32), nullable=False),
        sa.Column("closed_at", sa.String(length=32), nullable=True),
        sa.Column("end", sa.Text(), nullable=False),
        sa.Column("waiting", sa.Text(), nullable=False),
        sa.Column("wake_at", sa.String(length=32), nullable=True),
        sa.Column("asks", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["plan"], ["plans.digest"], name=op.f("fk_releases_plan")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_releases")),
        sa.UniqueConstraint("flow_run_id", name=op.f("uq_releases_flow_run_id")),
    )
    op.create_index("ix_releases_project_state", "releases", ["project", "state"], unique=False)
    op.create_table(
        "approvals",
        sa.Column("release", sa.Integer(), nullable=False),
        sa.Column("step", sa.String(length=63), nullable=False),
        sa.Column("manifest", sa.String(length=71), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.String(length=32), nullable=False),
        sa.Column("expires_at", sa.String(length=32), nullable=False),
        sa.Column("decision", sa.String(length=16), nullable=False),
        sa.ForeignKeyConstraint(
            ["release"], ["releases.number"], name=op.f("fk_approvals_release")
        ),
        sa.PrimaryKeyConstraint("release", "step", name=op.f("pk_approvals")),
    )
    op.create_table(
        "effects",
        sa.Column("release", sa.Integer(), nullable=False),
        sa.Column("step", sa.String(length=63), nullable=False),
        sa.Column("target", sa.String(length=1000), nullable=False),
        sa.Column("intent", sa.Text(), nullable=False),
        sa.Column("intent_at", sa.String(length=32), nullable=False),
        sa.Column("receipt", sa.Text(), nullable=True),
        sa.Column("receipt_at", sa.String(length=32), nullable=True),
        sa.Column("adopted", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["release"], ["releases.number"], name=op.f("fk_effects_release")),
        sa.PrimaryKeyConstraint("release", "step", "target", name=op.f("pk_effects")),
    )
    op.create_table(
        "steps",
        sa.Column("release", sa.Integer(), nullable=False),
        sa.Column("step", sa.String(length=63), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("value", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("started_at", sa.String(length=32), nullable=False),
        sa.Column("ended_at", sa.String(length=32), nullable=True),
        sa.ForeignKeyConstraint(["release"], ["releases.number"], name=op.f("fk_steps_release")),
        sa.PrimaryKeyConstraint("release", "step", name=op.f("pk_steps")),
    )
    op.create_table(
        "verified",
        sa.Column("project", sa.String(length=63), nullable=False),
        sa.Column("environment", sa.String(length=63), nullable=False),
        sa.Column("version", sa.String(length=255), nullable=False),
        sa.Column("release", sa.Integer(), nullable=False),
        sa.Column("at", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(["release"], ["releases.number"], name=op.f("fk_verified_release")),
        sa.PrimaryKeyConstraint("project", "environment", name=op.f("pk_verified")),
    )
    op.create_table(
        "votes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("release", sa.Integer(), nullable=False),
        sa.Column("step", sa.String(length=63), nullable=False),
        sa.Column("manifest", sa.String(length=71), nullable=False),
        sa.Column("person", sa.String(length=63), nullable=False),
        sa.Column("groups", sa.Text(), nullable=False),
        sa.Column("answer", sa.String(length=16), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("at", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(["release"], ["releases.number"], name=op.f("fk_votes_release")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_votes")),
        sa.UniqueConstraint(
            "release",
            "step",
            "manifest",
            "person",
            name=op.f("uq_votes_release_step_manifest_person"),
        ),
    )

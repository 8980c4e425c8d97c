"""Holders, leases, rescues, locks, keys; whose turn an effect is; which ended releases the engine knows about."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add what a release needs to survive crashes."""
    op.create_table(
        "holders",
        sa.Column("name", sa.String(length=127), nullable=False),
        sa.Column("until", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_holders")),
    )
    op.create_table(
        "leases",
        sa.Column("name", sa.String(length=127), nullable=False),
        sa.Column("holder", sa.String(length=127), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_leases")),
    )
    op.create_table(
        "rescues",
        sa.Column("flow_run_id", sa.String(length=36), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("at", sa.String(length=32), nullable=False),
        sa.Column("progress", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("flow_run_id", name=op.f("pk_rescues")),
    )
    op.create_table(
        "locks",
        sa.Column("project", sa.String(length=63), nullable=False),
        sa.Column("environment", sa.String(length=63), nullable=False),
        sa.Column("release", sa.Integer(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("asked_at", sa.String(length=32), nullable=False),
        sa.Column("granted_at", sa.String(length=32), nullable=True),
        sa.Column("until", sa.String(length=32), nullable=True),
        sa.ForeignKeyConstraint(["release"], ["releases.number"], name=op.f("fk_locks_release")),
        sa.PrimaryKeyConstraint("project", "environment", "release", name=op.f("pk_locks")),
    )
    op.create_table(
        "keys",
        sa.Column("id", sa.String(length=71), nullable=False),
        sa.Column("public", sa.Text(), nullable=False),
        sa.Column("made_at", sa.String(length=32), nullable=False),
        sa.Column("retired_at", sa.String(length=32), nullable=True),
        sa.Column("endorsed_by", sa.String(length=71), nullable=True),
        sa.Column("endorsement", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_keys")),
    )
    op.add_column("effects", sa.Column("claimed_by", sa.String(length=127), nullable=True))
    op.add_column(
        "releases",
        sa.Column("settled", sa.Boolean(), server_default=sa.false(), nullable=False),
    )
    op.create_index("ix_releases_state_wake_at", "releases", ["state", "wake_at"], unique=False)

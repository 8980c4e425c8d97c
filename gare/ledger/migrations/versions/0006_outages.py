"""How often on end a run met a vendor that was away, and what people know the run by."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Count outages beside the attempts of rescues."""
    op.add_column("rescues", sa.Column("outages", sa.Integer(), server_default="0", nullable=False))
    op.add_column("rescues", sa.Column("name", sa.Text(), server_default="", nullable=False))

"""At which commit of a line it was seen that the line has a fix, or has it not."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the commit; what was looked at before is looked at once more."""
    op.add_column(
        "fixes", sa.Column("seen", sa.String(length=64), server_default="", nullable=False)
    )

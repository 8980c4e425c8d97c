"""Overrides are about one time of a freeze, and end with it.

Those of before name a freeze and no time of it: they match nothing any more, and stay in the record.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Let an override say until when it counts."""
    op.add_column("overrides", sa.Column("until", sa.String(length=32), nullable=True))

"""The engine's own scheduler plans runs of a schedule with the libraries that are installed beside it."""

import os
import subprocess
import sys

SCRIPT = """
import asyncio
import sqlalchemy
from prefect.server import models, schemas
from prefect.server.database import provide_database_interface
from prefect.server.services.scheduler import schedule_deployments


async def main():
    db = provide_database_interface()
    await db.create_db()
    daily = schemas.schedules.CronSchedule(cron="0 10 * * *", timezone="Europe/Paris")
    async with db.session_context(begin_transaction=True) as session:
        flow = await models.flows.create_flow(session=session, flow=schemas.core.Flow(name="train"))
        schedule = schemas.core.DeploymentSchedule(schedule=daily, active=True)
        made = schemas.core.Deployment(name="gare", flow_id=flow.id, schedules=[schedule])
        await models.deployments.create_deployment(session=session, deployment=made)
    await schedule_deployments()
    async with db.session_context() as session:
        print("planned", len((await session.execute(sqlalchemy.select(db.FlowRun))).scalars().all()))


asyncio.run(main())
"""


def test_a_schedule_gets_its_runs(tmp_path):
    own = {"PREFECT_HOME": str(tmp_path), "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
    env = {**os.environ, **own}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=env, capture_output=True, text=True, timeout=120
    )
    assert "planned 3" in done.stdout, done.stderr[-2000:]

"""run: any command of the project, in the release's checkout."""

from gare.domain.counts import counted
from tasks.commands import checked_out, run_commands
from tasks.step import Value, Work, step_task


@step_task
def run(work: Work) -> Value:
    """Run a command of the project."""
    seconds = run_commands(work, checked_out(work))
    return {
        "summary": f"{counted(len(work.step.settings['commands']), 'command')} in {seconds:.1f} s"
    }

"""The click group behind `gare`: names and help come from the table, a command is imported when it is called."""

import os  # and not pathlib: 3 ms of each start
from importlib import import_module

import click

from gare import __version__
from gare.cli.commands import COMMANDS, SECTIONS


class LazyGroup(click.Group):
    """A group that imports one command: the one that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return every command of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command; None when the table has none of this name."""
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        module, _, name = entry.place.partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command of the first word. Its name is checked here: click would import all of them to guess."""
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(args[0], COMMANDS, n=1)
            guess = f" Did you mean `{near[0]}`?" if near else " `gare --help` lists them."
            raise click.UsageError(f"There is no command `{args[0]}`.{guess}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands by section, from the table alone."""
        for section in SECTIONS:
            rows = [
                (name, entry.short_help)
                for name, entry in COMMANDS.items()
                if entry.section == section
            ]
            with formatter.section(section):
                formatter.write_dl(rows, col_max=12)


def _choose_station(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    """Hand the choice on as the environment variable: the loader and child processes read it there."""
    if value is None:
        return
    if not value:
        raise click.BadParameter("name the folder of station.yaml.", ctx, param)
    os.environ["GARE_STATION"] = os.path.abspath(os.path.expanduser(value))


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done, 1 a step failed, 2 configuration or usage, 3 refused by a rule, 4 another system, "
    "5 rolled back, 70 a defect of Gare. GARE_DEBUG=1 shows tracebacks.",
)
@click.option(
    "--station",
    metavar="DIR",
    callback=_choose_station,
    expose_value=False,
    help="Folder of station.yaml; without it GARE_STATION, else the nearest folder above that has one.",
)
@click.version_option(__version__, prog_name="gare", message="%(prog)s %(version)s")
def gare() -> None:
    """Plan, run, approve and prove releases."""

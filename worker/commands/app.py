"""The list of commands. A command's module is imported only when the command runs, so that `clickscore --help` stays quick.

To add a command NAME: write worker/commands/NAME.py with a function (or a typer.Typer) called NAME, and add its line to COMMANDS.
Keep that module's own imports light as well, or `clickscore NAME --help` is slow: import what is heavy inside the function.
"""

from __future__ import annotations

import importlib
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from worker import __version__

# In the order in which a newcomer needs them; the text is what `clickscore --help` says of each.
COMMANDS: dict[str, str] = {
    "demo": "Watch a synthetic shop being scored, with the truth beside the scores.",
    "replay": "Turn files of events into scores, and say how good they are.",
    "run": "Score events as they come, and learn from their outcomes.",
    "send": "Send the events of a file to the worker's input.",
    "top": "List the users likeliest to buy, or to leave.",
    "explain": "Explain a user's latest score.",
    "profile": "Tell what is known of a user.",
    "segments": "List segments and their members, try them out, or export an audience.",
    "triggers": "Try rules out over files of events.",
    "report": "Say whether the rules helped, beside users whom they never reach.",
    "tap": "Print the records of a topic.",
    "topics": "Create the topics on Kafka, or check them.",
    "deadletters": "List the records that could not be scored, or send them to the input again.",
    "relearn": "Learn the models anew, without the examples of users who were erased.",
    "rescore": "Score a range of the input again, beside the scores that there are.",
    "privacy": "Forget users, show the receipts of it, and look for what is left of them.",
    "config": "Show, check or describe the configuration.",
}


class LazyGroup(TyperGroup):
    """A group that knows its commands by name and help; resolving one to run it is what imports it."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = {name: TyperCommand(name, help=text) for name, text in COMMANDS.items()}

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Find the command that the arguments name, and load the real one in place of its entry."""
        name, entry, rest = super().resolve_command(ctx, args)
        return name, entry and load_command(str(name)), rest


def load_command(name: str) -> Any:
    """Import worker/commands/NAME.py and return its command, ready to run."""
    exposed = getattr(importlib.import_module(f"worker.commands.{name}"), name)
    if isinstance(exposed, typer.Typer):
        commands = exposed
    else:
        commands = typer.Typer(add_completion=False, context_settings=CONTEXT)
        commands.command(name)(exposed)
    commands.rich_markup_mode = None
    command = typer.main.get_command(commands)
    command.name = name
    return command


CONTEXT = {"help_option_names": ["-h", "--help"]}

app = typer.Typer(
    cls=LazyGroup,
    no_args_is_help=True,
    rich_markup_mode=None,  # rich would double the time of --help
    pretty_exceptions_enable=False,  # errors.py shows errors
    context_settings=CONTEXT,
    epilog="Exit codes: 0 done, 1 failed, 2 wrong usage, 78 wrong configuration. CLICKSCORE_TRACEBACK=1 shows where an error came from.",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"clickscore {__version__}")
        raise typer.Exit


@app.callback()
def clickscore(version: Annotated[bool, typer.Option("--version", help="Show the version and exit.", callback=_show_version, is_eager=True)] = False) -> None:
    """Live purchase and churn scores from a clickstream."""


def run() -> None:
    """Run the command line of this process; ends in SystemExit or in the command's own error."""
    typer.main.get_command(app).main(prog_name="clickscore")

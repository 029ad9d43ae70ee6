"""The command line; a command's module, and with it torch, is imported when it is called."""

from __future__ import annotations

import io
import os
import sys
from typing import NoReturn

import click

from ganforge import __version__
from ganforge.cli.context import plugin_option
from ganforge.cli.lazy import LazyGroup
from ganforge.cli.say import say
from ganforge.errors import GanforgeError, PluginError, Terminated

COMMANDS = {
    "Train": {
        "run": "ganforge.cli.run:run",
        "resume": "ganforge.cli.resume:resume",
    },
    "Use a trained model": {
        "generate": "ganforge.cli.generate:generate",
        "interpolate": "ganforge.cli.interpolate:interpolate",
    },
    "Judge runs": {
        "evaluate": "ganforge.cli.evaluate:evaluate",
        "compare": "ganforge.cli.compare:compare",
        "diagnose": "ganforge.cli.diagnose:diagnose",
    },
    "Write recipes": {
        "copy-recipe": "ganforge.cli.copy_recipe:copy_recipe",
        "validate": "ganforge.cli.validate:validate",
        "schema": "ganforge.cli.schema:schema",
    },
    "Write plugins": {
        "new-plugin": "ganforge.cli.new_plugin:new_plugin",
        "check-plugin": "ganforge.cli.check_plugin:check_plugin",
    },
    "See what there is": {
        "list-plugins": "ganforge.cli.listing:list_plugins",
        "list-recipes": "ganforge.cli.listing:list_recipes",
        "describe": "ganforge.cli.describe:describe",
        "env": "ganforge.cli.env:env",
    },
}


@click.command(
    cls=LazyGroup,
    sections=COMMANDS,
    params=[plugin_option()],
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="ganforge")
def cli() -> None:
    """Train GANs from YAML recipes; everything but the training loop is a plugin.

    Start with:  ganforge run mnist_dcgan
    """


def main() -> NoReturn:
    """Run the command line; a user's mistake is one message and an exit code, no traceback."""
    if os.environ.get("_GANFORGE_COMPLETE", "").endswith("_complete"):
        # Nothing may be printed into the line that the user is typing.
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115, PTH123
    try:
        code = cli.main(prog_name="ganforge", standalone_mode=False)
    except click.ClickException as error:
        told = io.StringIO()
        error.show(told)
        say(told.getvalue().rstrip("\n"), err=True)  # it may quote a file's name
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt) as error:
        click.echo("Interrupted; what was saved before is untouched.", err=True)
        # click turns one into the other
        code = 143 if isinstance(error.__cause__ or error, Terminated) else 130
    except BrokenPipeError:  # the reader of our output, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except GanforgeError as error:
        show(error)
        code = error.exit_code
    except OSError as error:
        show(GanforgeError(f"{error.filename or 'a file'}: {error.strerror or error}"))
        code = 1
    sys.exit(code if isinstance(code, int) else 0)


def show(error: GanforgeError) -> None:
    """Print an error for a person: what and where, then what to do next."""
    cause = error.__cause__ if isinstance(error, PluginError) else None
    if cause is not None and not isinstance(cause, GanforgeError):
        import traceback

        say("".join(traceback.format_exception(cause)).rstrip("\n"), err=True)
    say(f"Error: {error.message}", err=True)
    if error.hint:
        say(error.hint, err=True)

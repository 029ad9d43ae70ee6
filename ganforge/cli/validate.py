"""``ganforge validate``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from ganforge.cli.completion import RECIPE_NAME
from ganforge.cli.context import registry
from ganforge.cli.listing import JSON, print_json
from ganforge.cli.say import say
from ganforge.errors import GanforgeError, UsageError

if TYPE_CHECKING:
    from ganforge.recipe.source import Problem
    from ganforge.registry import Registry


@click.command()
@click.argument("recipes", type=RECIPE_NAME, nargs=-1, required=True, metavar="RECIPE...")
@JSON
def validate(recipes: tuple[str, ...], as_json: bool) -> None:
    """Check recipes: everything that is wrong with each, and where.

    RECIPE is a YAML file or the name of an installed recipe. No data is read and nothing is built.
    The exit code is 2 if any recipe is not valid.
    """
    installed = registry()
    results = [(name, _error(name, installed)) for name in recipes]
    if as_json:
        print_json([{"recipe": name, **_facts(error)} for name, error in results])
    else:
        for name, error in results:
            _show(name, error)
    if any(error for _, error in results):
        sys.exit(UsageError.exit_code)


def _error(name: str, installed: Registry) -> GanforgeError | None:
    """What is wrong with one recipe; its own plugins are not there for the next."""
    from pathlib import Path

    from ganforge.recipe.load import load
    from ganforge.recipe.shipped import locate
    from ganforge.registry import Registry

    own = Registry(list(installed.plugins))
    try:
        if "=" in name and not Path(name).exists():
            raise UsageError(
                f"'{name}' is no recipe: validate checks recipes as they are written",
                hint="With values behind it: ganforge run RECIPE KEY=VALUE --dry-run.",
            )
        load(locate(name, own), own)
    except GanforgeError as error:
        return error
    return None


def _show(name: str, error: GanforgeError | None) -> None:
    from ganforge.cli import show

    if error is None:
        say(f"{name}: valid")
    else:
        show(error)
        say(f"{name}: not valid\n", err=True)


def _facts(error: GanforgeError | None) -> dict[str, Any]:
    from ganforge.recipe.source import Problem, RecipeError

    if error is None:
        return {"valid": True, "problems": []}
    problems = [Problem(error.message, None, error.hint)]
    if isinstance(error, RecipeError):
        problems = error.problems
    return {"valid": False, "problems": [_problem(problem) for problem in problems]}


def _problem(problem: Problem) -> dict[str, Any]:
    place = problem.position
    return {
        "message": problem.message,
        "hint": problem.hint,
        "source": place.source if place else None,
        "line": place.line if place else None,
        "column": place.column if place else None,
    }

"""``ganforge check-plugin``."""

from __future__ import annotations

import dataclasses
import sys
from collections import Counter
from itertools import groupby
from typing import TYPE_CHECKING, Any

import click

from ganforge.cli.completion import PLUGIN_NAME
from ganforge.cli.context import registry
from ganforge.cli.listing import JSON, print_json
from ganforge.cli.say import say
from ganforge.errors import UsageError

if TYPE_CHECKING:
    from ganforge.testing import Finding

INDENT = " " * 4


@click.command()
@click.argument("which", type=PLUGIN_NAME, metavar="NAME|FILE|FOLDER|MODULE")
@click.argument("options", nargs=-1, metavar="[KIND.NAME.OPTION=VALUE]...")
@JSON
def check_plugin(which: str, options: tuple[str, ...], as_json: bool) -> None:
    """Check that a plugin keeps what ganforge relies on; say what to change.

    The plugin is named by its entry point, its package, its file, its folder or its module.
    Components are made with their defaults, or with what you give:
    dataset.acme.root=tests/data

    The exit code is 1 if any check failed.
    """
    given = _given(options)
    known = registry()
    from ganforge.testing import examine

    findings = examine(which, options=given, registry=known)
    counts = Counter[str](finding.outcome for finding in findings)
    if as_json:
        rows = [dataclasses.asdict(finding) for finding in findings]
        print_json({"plugin": which, "passed": not counts["failed"], "findings": rows})
    else:
        for component, group in groupby(findings, key=lambda finding: finding.component):
            say(component)
            for finding in group:
                _show(finding)
        say(_summary(findings, counts))
    if counts["failed"]:
        sys.exit(1)


def _given(arguments: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """Options by ``kind.name``, their values parsed as those of recipes are."""
    from ganforge.recipe.overrides import apply_overrides
    from ganforge.recipe.source import Document

    document = Document("command line", {})
    apply_overrides(document, arguments)
    given: dict[str, dict[str, Any]] = {}
    for kind, components in document.value.items():
        for name, options in (components if isinstance(components, dict) else {"": None}).items():
            if not isinstance(options, dict):
                raise UsageError(
                    f"'{f'{kind}.{name}'.strip('.')}' is no option of a component",
                    hint="Write KIND.NAME.OPTION=VALUE, such as dataset.acme.root=tests/data.",
                )
            given[f"{kind}.{name}"] = options
    return given


def _show(finding: Finding) -> None:
    """One line for a check; what to change stands below."""
    line = f"  {finding.outcome:<8}{finding.check:<21}{finding.message}".rstrip()
    say(line.replace("\n", f"\n{INDENT}"))
    if finding.change:
        say(f"{INDENT}change: {finding.change}".replace("\n", f"\n{INDENT}"))


def _summary(findings: list[Finding], counts: Counter[str]) -> str:
    told = [f"{counts[outcome]} {outcome}" for outcome in ("ok", "note", "skipped", "failed")]
    components = len({finding.component for finding in findings})
    return f"{len(findings)} checks of {components} parts: {', '.join(told)}"

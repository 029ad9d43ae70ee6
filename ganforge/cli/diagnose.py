"""``ganforge diagnose``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ganforge.cli.listing import print_json
from ganforge.cli.say import say

if TYPE_CHECKING:
    from ganforge.comparing import Told


@click.command()
@click.argument("folder", metavar="RUN", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def diagnose(folder: Path, as_json: bool) -> None:
    """Explain how a run went: its health, its evaluations, and what usually helps.

    It reads what the callbacks health, metrics and evaluate have written; the run may still be
    under way.
    """
    from ganforge.comparing import read_run

    run = read_run(folder)
    spans = _spans(run)
    if as_json:
        print_json({"run": run.name, "step": run.step, "seconds": run.seconds, "health": spans,
                    "evaluations": _evaluations(run)})  # fmt: skip
        return
    minutes = run.seconds / 60
    say(f"{run.name}: {run.step:,} steps, {minutes:.1f} minutes of training")
    say("\n".join(_health(run, spans)))
    say("\n".join(_told_evaluations(run)))


def _spans(run: Told) -> list[dict[str, Any]]:
    """Every state of the run's health, from which step to which; the last may still go on."""
    if not run.watched:
        return []
    rows = [{"health": "ok", "step": 0}, *run.health]
    ends = [int(row["step"]) for row in rows[1:]] + [run.step]
    return [
        {
            "state": row["health"],
            "from": int(row["step"]),
            "to": end,
            "evidence": row.get("evidence"),
            "advice": row.get("advice"),
        }
        for row, end in zip(rows, ends, strict=True)
    ]


def _health(run: Told, spans: Sequence[Mapping[str, Any]]) -> list[str]:
    if not spans:
        return ["health: not recorded; the recipe has no callback 'health', or switches it off"]
    lines = []
    for span in spans:
        lines.append(f"health: {span['state']} from step {span['from']:,} to {span['to']:,}")
        if span["evidence"]:
            lines += [f"  evidence: {span['evidence']}", f"  what helps: {span['advice']}"]
    return lines


def _evaluations(run: Told) -> dict[str, Any]:
    found = {}
    for name, points in run.series.items():
        best = run.best(name)
        assert best is not None
        found[name] = {
            "better": run.better.get(name),
            "count": len(points),
            "best": best.value,
            "best_step": best.step,
            "last": points[-1].value,
            "last_step": points[-1].step,
        }
    return found


def _told_evaluations(run: Told) -> list[str]:
    found = _evaluations(run)
    if not found:
        return ["evaluations: none; add {use: evaluate} to the recipe's callbacks"]
    lines = []
    for name, facts in found.items():
        lines.append(
            f"{name} ({facts['better']} is better): best {facts['best']:.4g} at step "
            f"{facts['best_step']:,}, last {facts['last']:.4g} at step {facts['last_step']:,}"
        )
    return lines

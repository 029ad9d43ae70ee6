"""``ganforge compare``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ganforge.cli.columns import columns
from ganforge.cli.listing import print_json
from ganforge.cli.say import say
from ganforge.errors import UsageError

if TYPE_CHECKING:
    from ganforge.comparing import Told


@click.command()
@click.argument(
    "folders", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@click.option("--metric", help="By which metric; by default the first that all runs have.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("comparison.png"),
    show_default=True,
    help="The plot.",
)
@click.option("--json", "as_json", is_flag=True, help="For programs; no plot is made.")
def compare(folders: tuple[Path, ...], metric: str | None, out: Path, as_json: bool) -> None:
    """Compare runs: which is best, when, and what they differ in.

    The runs' own metrics are compared, as the callback evaluate has written them; without it, their
    losses are drawn.
    """
    from ganforge.comparing import differences, main_metric, measured_unlike, ranked, read_run

    if out.suffix.lower() != ".png":
        raise UsageError(f"--out must name a .png file, not '{out}'")
    runs = [read_run(folder) for folder in dict.fromkeys(folders)]
    known = list(dict.fromkeys(name for run in runs for name in run.series))
    if metric is not None and metric not in known:
        raise UsageError(
            f"no run was evaluated by '{metric}'",
            hint=f"Choose one of {', '.join(known)}."
            if known
            else "Add {use: evaluate} to the callbacks of a recipe.",
        )
    metric = metric or main_metric(runs)
    runs = ranked(runs, metric)
    if as_json:
        print_json({"metric": metric, "runs": [_facts(run) for run in runs],
                    "differences": dict(differences(runs)),
                    "measured_unlike": measured_unlike(runs)})  # fmt: skip
        return
    say(_table(runs, metric))
    if unlike := measured_unlike(runs):
        say(f"\nNot measured in the same way, so that the numbers mean little beside each other: "
            f"{', '.join(unlike)}")  # fmt: skip
    found = differences(runs)
    if len(runs) > 1:
        names = _short(runs)
        rows = [(path, *values) for path, values in found]
        told = columns(("option", *names), rows) if found else "The recipes are the same."
        say(f"\n{told}")
    from ganforge.cli.sampling import saving
    from ganforge.comparison import plot

    saving(out, lambda: out.write_bytes(plot(runs, _short(runs), metric)))
    say("")
    click.echo(str(out))


def _facts(run: Told) -> dict[str, Any]:
    return {
        "run": run.name,
        "step": run.step,
        "seconds": run.seconds,
        "best": {name: asdict(point) for name in run.series if (point := run.best(name))},
        "last": {name: asdict(points[-1]) for name, points in run.series.items()},
        "better": dict(run.better),
        "health": [row["health"] for row in run.health],
    }


def _table(runs: Sequence[Told], metric: str | None) -> str:
    head = ["", "run", "steps", "time"]
    if metric is not None:
        head += [f"best {metric}", "at step", "last"]
    rows = []
    for number, run in enumerate(runs):
        best = run.best(metric) if metric else None
        row = ["best" if number == 0 and best and len(runs) > 1 else "", run.name]
        row += [f"{run.step:,}", _duration(run.seconds)]
        if metric is not None:
            row += [f"{best.value:.4g}", f"{best.step:,}"] if best else ["-", "-"]
            row += [f"{run.series[metric][-1].value:.4g}" if best else "-"]
        states = [row["health"] for row in run.health if row["health"] != "ok"]
        rows.append((*row, ", ".join(dict.fromkeys(map(str, states))) or _sound(run)))
    return columns((*head, "health"), rows)


def _sound(run: Told) -> str:
    return "ok" if run.watched else "not watched"


def _short(runs: Sequence[Told]) -> list[str]:
    """The runs' names without what all have in common at their start."""
    parts = [Path(run.name).parts for run in runs]
    while len(runs) > 1 and min(map(len, parts)) > 1 and len({part[0] for part in parts}) == 1:
        parts = [part[1:] for part in parts]
    return ["/".join(part) for part in parts]


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"

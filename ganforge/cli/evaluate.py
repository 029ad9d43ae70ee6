"""``ganforge evaluate``."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ganforge.cli.columns import columns
from ganforge.cli.context import registry
from ganforge.cli.listing import print_json
from ganforge.cli.say import say
from ganforge.errors import UsageError

if TYPE_CHECKING:
    import torch

    from ganforge.evaluation.evaluator import Evaluation, Evaluator
    from ganforge.export import Exported
    from ganforge.recipe.schema import Spec


@click.command()
@click.argument(
    "sources", metavar="RUN_OR_FILE...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@click.option(
    "-m",
    "--metric",
    "metrics",
    multiple=True,
    metavar="METRIC",
    help="A metric's name, or '{use: NAME, option: value}'; give it again for more. By default "
    "what the data set suggests.",
)
@click.option(
    "--samples",
    type=click.IntRange(2),
    default=10_000,
    show_default=True,
    help="How many samples are made.",
)
@click.option(
    "--references",
    type=click.IntRange(2),
    default=60_000,
    show_default=True,
    help="How many samples of the data set are the reference, at most.",
)
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True)
@click.option(
    "--repeats",
    type=click.IntRange(1, 1000),
    default=1,
    show_default=True,
    help="Measure with so many seeds, and tell the mean and the spread.",
)
@click.option(
    "--dataset",
    "data",
    metavar="DATASET",
    help="The reference: a data set's name, or '{use: NAME, option: value}'. By default the one "
    "that the generator was trained with.",
)
@click.option("--device", default="cpu", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def evaluate(
    sources: tuple[Path, ...],
    metrics: tuple[str, ...],
    samples: int,
    references: int,
    seed: int,
    repeats: int,
    data: str | None,
    device: str,
    as_json: bool,
) -> None:
    """Measure how good a generator's samples are.

    RUN_OR_FILE is a run's folder, its best/, or a generator.safetensors by itself. The same seed
    gives the same numbers. Beside each stands what real samples get that are not of the reference:
    no generator is expected to do better.
    """
    from ganforge.cli.sampling import load_generator
    from ganforge.device import choose

    where = choose(device)
    generators = [load_generator(source, where)[0] for source in sources]
    chosen = [component("metric", text) for text in metrics]
    told = []
    for source, generator in zip(sources, generators, strict=True):
        evaluator = _evaluator(generator, source, chosen, data, references, where)
        found = [
            _measure(evaluator, generator, samples, seed + number, where)
            for number in range(repeats)
        ]
        if as_json:
            told.append(_plain(source, found))
        else:
            _show(source, found)
    if as_json:
        print_json(told)


def component(kind: str, text: str) -> Spec:
    """What a user writes for a component: its name, or as a recipe has it.

    Raises:
        RecipeError: It is no such component, or its options are wrong.
    """
    from ganforge.recipe.check import check_component
    from ganforge.recipe.reader import read_value
    from ganforge.recipe.source import COMMAND_LINE, Document

    value, keys, values = read_value(text, name=COMMAND_LINE)
    if isinstance(value, str):
        value, values = {"use": value}, {**values, ("use",): values[()]}
    return check_component(kind, Document(COMMAND_LINE, value, keys, values), registry())


def _evaluator(
    generator: Exported,
    source: Path,
    metrics: Sequence[Spec],
    data: str | None,
    references: int,
    device: torch.device,
) -> Evaluator:
    from ganforge.construct import construct
    from ganforge.measuring import make_evaluator
    from ganforge.recipe.check import check_component
    from ganforge.recipe.source import Document

    if data is not None:
        spec = component("dataset", data)
    elif generator.facts.get("dataset"):
        document = Document(str(source), generator.facts["dataset"])
        spec = check_component("dataset", document, registry())
    else:
        raise UsageError(
            f"'{source}' does not say with which data it was trained",
            hint="Name the reference with --dataset NAME.",
        )
    dataset = construct(spec)
    shape = tuple(generator.facts["sample_shape"])
    if tuple(dataset.sample_shape) != shape:
        raise UsageError(
            f"'{source}' makes samples of {shape}, and those of the data set are "
            f"{tuple(dataset.sample_shape)}"
        )
    return make_evaluator(
        metrics=[construct(metric) for metric in metrics] or None,
        dataset=dataset,
        data=spec.plain(),
        registry=registry(),
        device=device,
        tell=lambda line: say(line, err=True),
        references=references,
    )


def _measure(
    evaluator: Evaluator, generator: Exported, samples: int, seed: int, device: torch.device
) -> Evaluation:
    from ganforge.evaluation.sources import Made

    fake = Made(
        network=generator.network,
        latent=generator.latent,
        dataset=evaluator.dataset,
        samples_of=generator.facts["samples_of"],
        count=samples,
        seed=seed,
        device=device,
    )
    facts = {name: generator.facts.get(name) for name in ("step", "averaged")}
    return evaluator.evaluate(fake, {"seed": seed, **facts})


def _plain(source: Path, found: Sequence[Evaluation]) -> dict[str, Any]:
    """A generator's evaluations for JSON; with several seeds also their mean and spread."""
    told: dict[str, Any] = {"source": str(source), **found[0].plain()}
    if len(found) > 1:
        told["repeats"] = [one.plain()["values"] for one in found]
        told["mean"], told["std"] = {}, {}
        for name in found[0].values:
            told["mean"][name], told["std"][name] = _spread([one.values[name] for one in found])
        del told["values"]
    return json.loads(json.dumps(told, allow_nan=False, default=str))  # type: ignore[no-any-return]


def _spread(values: Sequence[float]) -> tuple[float | None, float | None]:
    """Mean and standard deviation; None where a value is not finite."""
    if not all(map(math.isfinite, values)):
        return None, None
    return statistics.fmean(values), statistics.stdev(values)


def _show(source: Path, found: Sequence[Evaluation]) -> None:
    first = found[0]
    rows = []
    for name, way in first.better.items():
        values = [one.values[name] for one in found]
        value = f"{values[0]:.5g}"
        if len(values) > 1:
            mean, std = _spread(values)
            value = "not finite" if mean is None else f"{mean:.5g} ± {std:.2g}"
        floor = f"{first.floor[name]:.5g}" if name in first.floor else ""
        rows.append((name, value, floor, f"{way} is better"))
    click.echo(str(source))
    say(columns(("metric", "value", "real samples", ""), rows))
    say("\n".join(protocol(first, len(found))) + "\n")


def protocol(found: Evaluation, repeats: int) -> list[str]:
    """By which protocol was measured, in words."""
    facts = found.protocol
    seeds = f"seed {facts['seed']}"
    if repeats > 1:
        seeds = f"seeds {facts['seed']} to {facts['seed'] + repeats - 1}, mean ± standard deviation"
    weights = "averaged weights" if facts.get("averaged") else "weights as trained"
    step = f" of step {facts['step']:,}" if facts.get("step") is not None else ""
    reference = facts["reference"]
    data = json.dumps(reference["dataset"]).replace('"', "")
    lines = [
        f"{facts['samples']:,} samples, {seeds}; {weights}{step}",
        f"reference: {reference['count']:,} of {data}, sha256 {reference['sha256'][:12]}",
    ]
    lines += [
        f"features: {network['name']}, sha256 {network['sha256'][:12]}"
        for network in facts["feature_networks"]
    ]
    return lines

"""What stands beside a sample: classes, latents, sources; other data sets; games that use them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ganforge.cli import main
from ganforge.errors import UsageError
from ganforge.testing import Finding, check_plugin, examine

ACME = Path(__file__).parent / "acme"
Write = Callable[..., Path]


def acme(write: Write, kind: str, *replacements: tuple[str, str]) -> Path:
    source = (ACME / f"acme_{kind}.py").read_text()
    for old, new in replacements:
        assert old in source
        source = source.replace(old, new)
    return write(source, f"acme_{kind}.py")


def of(found: list[Finding], check: str) -> Finding:
    return next(finding for finding in found if finding.check == check)


def failed(found: list[Finding]) -> set[str]:
    return {finding.check for finding in found if finding.failed}


CLASSES = (
    ("latent_dim: int,", "latent_dim: int,\n        num_classes: int,"),
    ("nn.Tanh()\n", "nn.Tanh()\n        self.of = nn.Embedding(num_classes, width)\n"),
    ("latents: Tensor)", "latents: Tensor, labels: Tensor)"),
)
"""A generator that is class-conditional; what it does with the labels is missing."""


def test_a_class_conditional_generator_gets_labels(write: Write) -> None:
    check = (
        "        assert labels.shape == latents.shape[:1] and labels.dtype == torch.int64\n"
        "        assert labels.is_meta or 0 <= labels.min() <= labels.max() < 10\n"
        "        hidden = self.norm("
    )
    path = acme(
        write,
        "generator",
        *CLASSES,
        ("        hidden = self.norm(", check),
        ("self.shift\n", "self.shift + self.of(labels)\n"),
    )
    found = check_plugin(path)
    assert of(found, "forward-arguments").message == "it takes labels"
    assert of(found, "without-classes").message == "it is made for classes alone"


def test_labels_do_not_stand_for_latents(write: Write) -> None:
    path = acme(
        write,
        "generator",
        *CLASSES,
        ("self.hidden(latents)", "self.hidden(latents * 0)"),
        ("self.shift\n", "self.shift + self.of(labels)\n"),
    )
    assert failed(examine(path)) == {"latents-matter"}


def test_a_class_that_is_forgotten_is_noticed(write: Write) -> None:
    path = acme(write, "generator", *CLASSES)
    found = examine(path)
    assert failed(found) == {"parameter-gradients"}
    assert "no gradient reaches of.weight" in of(found, "parameter-gradients").message


def test_a_discriminator_may_ask_for_everything(write: Write) -> None:
    shapes = "image_shape: tuple[int, ...], source_shape: tuple[int, ...], latent_dim: int, "
    path = acme(
        write,
        "discriminator",
        ("image_shape: tuple[int, ...], num", f"{shapes}code_dim: int, num"),
        (
            "        self.logit = ",
            "        self.more = nn.Linear(latent_dim + torch.Size(source_shape).numel(), width)\n"
            "        self.codes = nn.Linear(width, code_dim)\n"
            "        self.of = nn.Embedding(num_classes or 1, width)\n        self.logit = ",
        ),
        (
            "images: Tensor)",
            "images: Tensor, *, labels: Tensor | None = None, latents: Tensor, source: Tensor)",
        ),
        (
            "        features = features + 0.1",
            "        beside = torch.cat([latents, source.flatten(1)], dim=1)\n"
            "        features = features + self.more(beside)\n"
            "        features = features + (0 if labels is None else self.of(labels))\n"
            "        features = features + 0.1",
        ),
        ("return {", 'return {"codes": self.codes(features), '),
    )
    assert of(check_plugin(path), "forward-arguments").message == "it takes labels, latents, source"


def test_an_encoder_of_codes(write: Write) -> None:
    path = acme(write, "encoder", ("latent_dim", "code_dim"))
    check_plugin(path)


TRANSLATES = (
    ("        latent_dim: int,\n", "        source_shape: tuple[int, int, int],\n"),
    ("nn.Linear(latent_dim, width)", "nn.Linear(torch.Size(source_shape).numel(), width)"),
    ("self.hidden(latents)", "self.hidden(latents.flatten(1))"),
)


def test_a_generator_that_translates_starts_from_the_shape_of_the_source(write: Write) -> None:
    check_plugin(acme(write, "generator", *TRANSLATES))
    path = acme(write, "generator", *TRANSLATES, ("Size(source_shape)", "Size(image_shape)"))
    found = examine(path)
    assert failed(found) == {"call"}
    told = of(found, "call").message
    assert told.startswith("made for samples (1, 28, 28) and called in training mode with samples")
    assert "(4, 3, 28, 28)" in told


def test_a_generator_may_want_a_source_like_what_it_makes(write: Write) -> None:
    refusal = (
        "if height % 4 or columns % 4:",
        'if source_shape != image_shape:\n            raise UsageError("two shapes")\n'
        "        if height % 4 or columns % 4:",
    )
    check_plugin(acme(write, "generator", *TRANSLATES, refusal))


def test_a_generator_may_start_from_latents_and_from_a_source(write: Write) -> None:
    path = acme(
        write,
        "generator",
        ("latent_dim: int,", "latent_dim: int,\n        source_shape: tuple[int, int, int],"),
        (
            "        self.norm",
            "        self.of = nn.Linear(source_shape[0], width)\n        self.norm",
        ),
        ("latents: Tensor)", "latents: Tensor, source: Tensor)"),
        ("self.shift\n", "self.shift + self.of(source.mean((2, 3)))\n"),
    )
    check_plugin(path)


WRAPPED = (
    ("*, count: int = 6)", "*, of: DatasetOption)"),
    ("api import Dataset\n", "api import Dataset, DatasetOption\n"),
    ("        generator = ", "        count = len(of)\n        generator = "),
    ("(samples=images.to(torch.uint8)", "(samples=255 - of.samples"),
    ("count: How many.", "of: The data set whose images are changed."),
)


def test_a_small_data_set_stands_for_one_that_is_an_option(write: Write) -> None:
    path = acme(write, "dataset", *WRAPPED)
    found = check_plugin(path)
    assert of(found, "options").message == "a small data set stands for of"
    assert of(found, "samples").message == "16 samples (1, 28, 28), uint8"


def test_a_data_set_that_is_an_option_can_be_given(write: Write) -> None:
    path = acme(write, "dataset", *WRAPPED)
    given = {"use": "mnist", "split": "test", "classes": [3, 7]}
    found = check_plugin(path, options={"dataset.acme": {"of": given}})
    assert of(found, "options").message == ""
    assert of(found, "samples").message.endswith(" samples (1, 28, 28), uint8")
    assert 1900 < int(of(found, "samples").message[:5].replace(",", "")) < 2200  # 3s and 7s


@pytest.mark.parametrize(
    ("written", "message", "hint"),
    [
        ({"use": "mnits"}, "dataset.acme.of: unknown dataset 'mnits'", "Did you mean 'mnist'?"),
        ({"split": "test"}, "dataset.acme.of: it does not say which dataset", "{use: NAME}"),
        ({"use": "mnist", "splt": 1}, "unknown option 'splt'", "Did you mean 'split'?"),
        (
            {"use": "invert", "of": {"use": "mnits"}},
            "dataset.acme.of: unknown dataset 'mnits'",
            "Did you mean 'mnist'?",
        ),
        ({"use": "invert"}, "missing option 'of'", ""),
        ("mnist", "dataset.acme: of: should be a mapping", ""),
    ],
)
def test_mistakes_in_it_are_told(write: Write, written: Any, message: str, hint: str) -> None:
    path = acme(write, "dataset", *WRAPPED)
    with pytest.raises(UsageError) as caught:
        examine(path, options={"dataset.acme": {"of": written}})
    assert message in caught.value.message
    assert hint in f"{caught.value.message} {caught.value.hint}"


def test_it_is_written_as_in_recipes_on_the_command_line(
    write: Write,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    acme(write, "dataset", *WRAPPED)
    monkeypatch.chdir(tmp_path)
    written = "dataset.acme.of={use: invert, of: {use: mnist, split: test}}"
    monkeypatch.setattr(
        sys, "argv", ["ganforge", "check-plugin", "acme_dataset.py", written, "--json"]
    )
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    told = json.loads(capsys.readouterr().out)
    (found,) = (f["message"] for f in told["findings"] if f["check"] == "samples")
    assert found == "10,000 samples (1, 28, 28), uint8"


RETURN = "return share * slope.flatten(1).square().sum(1) + self.drift * scores.square()"


def test_a_term_may_only_hold_weights_in_bounds(write: Write) -> None:
    path = acme(
        write,
        "regularizer",
        (
            RETURN,
            "return round.real.new_zeros(())\n\n    @torch.no_grad()\n"
            "    def after_step(self, networks):\n"
            "        for parameter in networks['discriminator'].parameters():\n"
            "            parameter.clamp_(-100.0, 100.0)",
        ),
    )
    check_plugin(path)


def test_a_term_of_two_phases_is_tried_in_both(write: Write) -> None:
    path = acme(
        write,
        "regularizer",
        (
            'phase: ClassVar[str] = "discriminator"',
            'phase: ClassVar = ("discriminator", "generator")',
        ),
    )
    check_plugin(path)
    fails = "round.learns('generator') and 1 / 0\n        share = "
    path.write_text(path.read_text().replace("share = ", fails))
    assert "ZeroDivisionError" in of(examine(path), "penalty").message


CODED = (
    ('"critic": "discriminator"}', '"critic": "discriminator", "q": "encoder"}'),
    ('("generator",), (second,)', '("generator", "q"), (second, Term("guess", self.guess))'),
    (
        "    def stronger(",
        "    def guess(self, round):\n        codes = round.latent[:, round.play.latent.dim :]\n"
        "        return (round.network('q')(round.fake) - codes).square().sum(1)\n\n"
        "    def stronger(",
    ),
)


def test_a_game_with_an_encoder_of_codes_or_of_latents(write: Write) -> None:
    check_plugin(acme(write, "game", *CODED))
    latents = ("round.latent[:, round.play.latent.dim :]", "round.latent")
    check_plugin(acme(write, "game", *CODED, latents))


def test_a_game_of_an_encoder_that_fits_neither_is_told(write: Write) -> None:
    path = acme(write, "game", *CODED, ("round.play.latent.dim :]", "1:]"))
    found = examine(path)
    assert failed(found) == {"step"}
    assert "RuntimeError" in of(found, "step").message


def test_a_game_that_translates_gets_a_source(write: Write) -> None:
    path = acme(
        write,
        "game",
        ("    judge: ClassVar", '    samples_of: ClassVar = "source"\n    judge: ClassVar'),
        ("return AdversarialRound(", "return Translation("),
        (
            "class AcmeGame(Game)",
            "class Translation(AdversarialRound):\n    @property\n    def latent(self):\n"
            "        assert self.labels is not None\n        return self.source\n\n\n"
            "class AcmeGame(Game)",
        ),
    )
    check_plugin(path)


def test_a_game_may_show_its_discriminator_packs(write: Write) -> None:
    path = acme(
        write,
        "game",
        ("return AdversarialRound(", "return Pairs("),
        (
            "class AcmeGame(Game)",
            "class Pairs(AdversarialRound):\n    def presented(self, samples, beside):\n"
            "        paired = samples.unflatten(0, (-1, 2)).flatten(1, 2)\n"
            "        return paired, {}, len(paired)\n\n\n"
            "class AcmeGame(Game)",
        ),
        ("    def members(", "    portions = 2\n\n    def members("),
    )
    assert failed(examine(path)) == {"step"}
    shapes = (
        "    def shapes(self, network, sample, source):\n"
        "        packed = (2 * sample[0], *sample[1:]) if network == 'critic' else sample\n"
        "        return {'image_shape': packed, 'source_shape': source}\n\n    def members("
    )
    path.write_text(path.read_text().replace("    def members(", shapes))
    check_plugin(path)

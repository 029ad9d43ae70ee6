"""What is unusual and yet right passes; what cannot be tried is skipped and says why."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ganforge.testing import Finding, check_plugin, examine

ACME = Path(__file__).parent / "acme"
Write = Callable[..., Path]


def acme(write: Write, kind: str, *replacements: tuple[str, str]) -> Path:
    source = (ACME / f"acme_{kind}.py").read_text()
    for old, new in replacements:
        assert old in source
        source = source.replace(old, new)
    return write(source, f"acme_{kind}.py")


def only(found: list[Finding], check: str) -> Finding:
    return next(finding for finding in found if finding.check == check)


def test_options_without_a_default_are_given(write: Write) -> None:
    path = acme(write, "generator", ("width: int = 8", "width: int"))
    assert only(examine(path), "build").message == "its options are not known"
    found = check_plugin(path, options={"generator.acme": {"width": 5}})
    assert only(found, "build").outcome == "ok"


def test_given_options_are_those_that_are_checked(write: Write) -> None:
    path = acme(write, "optimizer")
    found = examine(path, options={"optimizer.acme": {"lr": 0.0}})
    assert [finding.check for finding in found if finding.failed] == ["step"]


def test_a_generator_may_turn_images_into_images(write: Write) -> None:
    path = acme(
        write,
        "generator",
        ("        latent_dim: int,\n", ""),
        ("nn.Linear(latent_dim, width)", "nn.Linear(channels * height * columns, width)"),
        ("self.hidden(latents)", "self.hidden(latents.flatten(1))"),
    )
    check_plugin(path)


def test_a_generator_of_points_may_leave_their_range(write: Write) -> None:
    path = acme(
        write,
        "generator",
        ("channels, height, columns = image_shape\n", "channels = image_shape[0]\n"),
        ("if height % 4 or columns % 4:", "if len(image_shape) > 1:"),
        ("channels * height * columns // 16", "channels"),
        ("nn.Unflatten(1, (channels, height // 4, columns // 4)), nn.Upsample(scale_factor=4)", ""),
        ("nn.Tanh()", "nn.Identity()"),
    )
    found = check_plugin(path)
    assert only(found, "call").message.startswith("tried with (2,); it refuses (1, 28, 28), ")
    told = "these are no images, and their numbers may be any"
    assert only(found, "output-range") == Finding("generator acme", "output-range", "skipped", told)


def test_a_generator_of_one_size_gets_a_note(write: Write) -> None:
    path = acme(
        write,
        "generator",
        ("        image_shape: tuple[int, int, int],\n", ""),
        ("= image_shape\n", "= (1, 8, 12)\n"),
    )
    found = only(check_plugin(path), "output-shape")
    assert found.outcome == "note"
    assert found.message == "it does not ask for image_shape, so it fits data (1, 8, 12) only"


def test_a_network_of_large_images_only(write: Write) -> None:
    path = acme(write, "generator", ("if height % 4 or columns % 4:", "if height < 128:"))
    assert only(check_plugin(path), "call").message.startswith("tried with (3, 128, 128); it")


def test_gradients_may_need_labels(write: Write) -> None:
    path = acme(
        write,
        "generator",
        ("latent_dim: int,", "latent_dim: int, num_classes: int,"),
        ("nn.Tanh()\n", "nn.Tanh()\n        self.of = nn.Embedding(num_classes, width)\n"),
        ("latents: Tensor)", "latents: Tensor, labels: Tensor | None = None)"),
        ("self.shift\n", "self.shift + (0 if labels is None else self.of(labels))\n"),
    )
    check_plugin(path)


def test_a_patch_discriminator_gives_a_map_of_logits(write: Write) -> None:
    path = acme(
        write,
        "discriminator",
        (
            "features = self.hidden(images)",
            "features = self.hidden(images.mean((1, 2, 3))[:, None])",
        ),
        ("nn.Linear(size, width)", "nn.Linear(1, width)"),
        ("self.logit(features),", "self.logit(features)[:, :, None, None].expand(-1, 1, 3, 2),"),
    )
    check_plugin(path)


@pytest.mark.parametrize(
    ("kind", "old", "new", "skipped"),
    [
        (
            "loss",
            'round.scores("fake"))\n\n    def b',
            "round.energy)\n\n    def b",
            "generator-loss",
        ),
        ("regularizer", '"discriminator"', '"encoder"', "phase"),
        ("regularizer", '("fake",)', '("fake", "mixed")', "differentiates"),
    ],
)
def test_what_needs_a_game_of_its_own_is_skipped(
    write: Write, kind: str, old: str, new: str, skipped: str
) -> None:
    game = (ACME / "acme_game.py").read_text().replace("acme_game:", f"acme_{kind}:")
    path = acme(write, kind, (old, new))
    assert only(examine(path), skipped).failed
    path.write_text(path.read_text() + "\n" + game)
    found = [finding for finding in examine(path) if finding.component == f"{kind} acme"]
    assert not any(finding.failed for finding in found)
    told = only(found, skipped)
    assert told.outcome == "skipped"
    assert "the plugin's own" in told.message


def test_a_callback_that_needs_company_gets_it(write: Write) -> None:
    alone = "raise __import__('ganforge.api').api.UsageError('I am alone')"
    start = (
        f"    def on_start(self, run):\n        if len(run.callbacks) < 2:\n            {alone}\n\n"
    )
    path = acme(write, "callback", ("    def on_end(", start + "    def on_end("))
    told = "with the callbacks that every run has"
    assert only(check_plugin(path), "watches").message == told


def test_a_fault_names_the_plugins_own_line(write: Write) -> None:
    path = acme(write, "dataset", ("(count, 1, 8, 8)", "(-count, 1, 8, 8)"))
    told = only(examine(path), "build")
    assert told.message.startswith("it cannot be made: RuntimeError: ")
    line = path.read_text().partition("-count")[0].count("\n") + 1
    assert told.change == f"Correct what raises it: {path}:{line}."


def test_an_exit_is_a_fault_and_an_interrupt_is_not(write: Write) -> None:
    path = acme(write, "loss", ("self.rounds += 1", "raise SystemExit('enough')"))
    assert "SystemExit: enough" in only(examine(path), "discriminator-loss").message
    with pytest.raises(KeyboardInterrupt):
        examine(acme(write, "loss", ("self.rounds += 1", "raise KeyboardInterrupt")))

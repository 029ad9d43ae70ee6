"""Progressive growing: its game, its networks, and the penalty that holds its critic in place."""

from ganforge import Register, hookimpl


@hookimpl
def register_generators(register: Register) -> None:
    register(
        "progressive",
        "ganforge_progressive.generator:ProgressiveGenerator",
        summary="grows from 4x4 or 7x7 to full size (Karras et al. 2018)",
    )


@hookimpl
def register_discriminators(register: Register) -> None:
    register(
        "progressive",
        "ganforge_progressive.discriminator:ProgressiveDiscriminator",
        summary="grows as its generator does (Karras et al. 2018)",
    )


@hookimpl
def register_games(register: Register) -> None:
    register(
        "progressive",
        "ganforge_progressive.game:Progressive",
        summary="small images first, then larger ones (Karras et al. 2018)",
    )


@hookimpl
def register_regularizers(register: Register) -> None:
    register(
        "drift",
        "ganforge_progressive.drift:Drift",
        summary="keeps the scores of real samples near 0 (Karras et al. 2018)",
    )

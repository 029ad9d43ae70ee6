"""BiGAN: a game with an encoder, and the networks that it needs beside a generator."""

from ganforge import Register, hookimpl


@hookimpl
def register_games(register: Register) -> None:
    register(
        "bigan",
        "ganforge_bigan.game:BiGAN",
        summary="pairs of samples and latents; learns an encoder (Donahue et al. 2017)",
    )


@hookimpl
def register_encoders(register: Register) -> None:
    register(
        "bigan",
        "ganforge_bigan.networks:BiGANEncoder",
        summary="images to latents: DCGAN's convolutions (Donahue et al. 2017)",
    )


@hookimpl
def register_discriminators(register: Register) -> None:
    register(
        "bigan",
        "ganforge_bigan.networks:BiGANDiscriminator",
        summary="judges images with their latents (Donahue et al. 2017)",
    )

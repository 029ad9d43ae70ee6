"""Unrolled GANs: a generator that looks ahead, and the networks of its authors' ring."""

from ganforge import Register, hookimpl


@hookimpl
def register_games(register: Register) -> None:
    register(
        "unrolled",
        "ganforge_unrolled.game:Unrolled",
        summary="the generator looks ahead at the discriminator's next steps (Metz et al. 2017)",
    )


@hookimpl
def register_generators(register: Register) -> None:
    register(
        "unrolled_ring",
        "ganforge_unrolled.networks:UnrolledRingGenerator",
        summary="2 x 128 ReLU units with orthogonal weights, for vectors (Metz et al. 2017)",
    )


@hookimpl
def register_discriminators(register: Register) -> None:
    register(
        "unrolled_ring",
        "ganforge_unrolled.networks:UnrolledRingDiscriminator",
        summary="128 ReLU units with orthogonal weights, for vectors (Metz et al. 2017)",
    )

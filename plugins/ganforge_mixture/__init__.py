"""Mixtures of Gaussians in the plane, and networks for vectors."""

from ganforge import Register, hookimpl


@hookimpl
def register_datasets(register: Register) -> None:
    register(
        "mixture",
        "ganforge_mixture.dataset:Mixture",
        summary="points of a ring, a grid or a spiral of Gaussians (Srivastava et al. 2017)",
    )


@hookimpl
def register_metrics(register: Register) -> None:
    register(
        "mixture_modes",
        "ganforge_mixture.metric:MixtureModes",
        summary="modes of a ring or grid that are found, and the share of samples near one",
    )


@hookimpl
def register_generators(register: Register) -> None:
    register(
        "mlp",
        "ganforge_mixture.mlp:MLPGenerator",
        summary="fully connected layers, for vectors or images of any shape",
    )
    register(
        "pacgan_mixture",
        "ganforge_mixture.pacgan:PacGANMixtureGenerator",
        summary="4 x 400 units with batch norm, for vectors (Lin et al. 2018)",
    )


@hookimpl
def register_discriminators(register: Register) -> None:
    register(
        "mlp",
        "ganforge_mixture.mlp:MLPDiscriminator",
        summary="fully connected layers, for vectors or images of any shape",
    )
    register(
        "pacgan_mixture",
        "ganforge_mixture.pacgan:PacGANMixtureDiscriminator",
        summary="3 x 200 maxout units of 5 pieces, for vectors (Lin et al. 2018)",
    )

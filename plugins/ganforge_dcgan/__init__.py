"""DCGAN (Radford, Metz and Chintala 2015, arXiv:1511.06434), and a quicker one of patches."""

from ganforge import Register, hookimpl


@hookimpl
def register_generators(register: Register) -> None:
    register(
        "dcgan",
        "ganforge_dcgan.models:DCGANGenerator",
        summary="transposed convolutions with batch norm (Radford et al. 2015)",
    )
    register(
        "dcgan_fast",
        "ganforge_dcgan.fast:FastGenerator",
        summary="convolutions on a grid of patches: quick and good on CPUs",
    )
    register(
        "pacgan_images",
        "ganforge_dcgan.pacgan:PacGANImageGenerator",
        summary="a DCGAN with 5x5 kernels for images of any size (Lin et al. 2018)",
    )


@hookimpl
def register_discriminators(register: Register) -> None:
    register(
        "dcgan",
        "ganforge_dcgan.models:DCGANDiscriminator",
        summary="strided convolutions with batch norm (Radford et al. 2015)",
    )
    register(
        "dcgan_fast",
        "ganforge_dcgan.fast:FastDiscriminator",
        summary="convolutions on a grid of patches: quick and good on CPUs",
    )
    register(
        "pacgan_images",
        "ganforge_dcgan.pacgan:PacGANImageDiscriminator",
        summary="a DCGAN with 5x5 kernels for images of any size (Lin et al. 2018)",
    )

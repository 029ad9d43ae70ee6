"""Translation of images into images: CycleGAN, pix2pix, and the networks of both."""

from ganforge import Register, hookimpl


@hookimpl
def register_games(register: Register) -> None:
    register(
        "cyclegan",
        "ganforge_translation.cyclegan:CycleGAN",
        summary="two domains without pairs, there and back again (Zhu et al. 2017)",
    )
    register(
        "pix2pix",
        "ganforge_translation.pix2pix:Pix2Pix",
        summary="pairs of images; one makes the other (Isola et al. 2017)",
    )


@hookimpl
def register_generators(register: Register) -> None:
    register(
        "resnet",
        "ganforge_translation.resnet:ResNetGenerator",
        summary="images to images: residual blocks, instance norm (CycleGAN, 2017)",
    )
    register(
        "unet",
        "ganforge_translation.unet:UNetGenerator",
        summary="images to images: down, up and across (pix2pix, 2017)",
    )


@hookimpl
def register_discriminators(register: Register) -> None:
    register(
        "patch",
        "ganforge_translation.patch:PatchDiscriminator",
        summary="PatchGAN: a logit for each patch of an image (Isola et al. 2017)",
    )

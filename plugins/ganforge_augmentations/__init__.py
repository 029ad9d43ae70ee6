"""The hook module of what is done to samples before the discriminator judges them."""

from ganforge import Register, hookimpl


@hookimpl
def register_augmentations(register: Register) -> None:
    register(
        "diffaugment",
        "ganforge_augmentations.diffaugment:DiffAugment",
        summary="color, translation, cutout (Zhao 2020)",
    )
    register(
        "ada",
        "ganforge_augmentations.ada:AdaptiveAugmentation",
        summary="blits, geometry and color, as often as overfitting asks for (Karras 2020)",
    )
    register(
        "instance_noise",
        "ganforge_augmentations.instance_noise:InstanceNoise",
        summary="Gaussian noise that fades (Sonderby 2017)",
    )

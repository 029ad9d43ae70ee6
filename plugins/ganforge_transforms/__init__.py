"""Data sets made of others: changed images, and two domains joined for games that translate."""

from ganforge import Register, hookimpl


@hookimpl
def register_datasets(register: Register) -> None:
    module = "ganforge_transforms.transforms"
    register("invert", f"{module}:invert", summary="another data set's images, dark for light")
    register("blur", f"{module}:blur", summary="another data set's images through a Gaussian")
    register("edges", f"{module}:edges", summary="the outlines of another data set's images")
    register("thicken", f"{module}:thicken", summary="another data set's images, light parts grown")
    module = "ganforge_transforms.joining"
    register("paired", f"{module}:paired", summary="two data sets, sample by sample in pairs")
    register("unpaired", f"{module}:unpaired", summary="two data sets that do not correspond")
    register(
        "paired_folder",
        "ganforge_transforms.folders:PairedFolder",
        summary="pairs of image files of the same name in two folders",
    )

"""Data sets larger than memory: arrays in files, read where they lie."""

from ganforge import Register, hookimpl


@hookimpl
def register_datasets(register: Register) -> None:
    register(
        "shards",
        "ganforge_shards.dataset:Shards",
        summary="images in .npy files, as many as fit on a disk",
    )

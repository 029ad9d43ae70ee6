"""A plugin file with the name of a plugin that comes with ganforge."""

from ganforge import Register, hookimpl


@hookimpl
def register_losses(register: Register) -> None:
    register("zero", "dcgan:zero")


def zero() -> float:
    return 0.0

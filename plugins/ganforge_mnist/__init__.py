"""The MNIST data set of handwritten digits; the four files ship with the package."""

from ganforge import Register, hookimpl


@hookimpl
def register_datasets(register: Register) -> None:
    register(
        "mnist",
        "ganforge_mnist.dataset:MNIST",
        summary="Handwritten digits, 28x28 grey, 60,000 train and 10,000 test images; shipped.",
    )

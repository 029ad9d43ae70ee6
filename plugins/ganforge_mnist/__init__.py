"""The MNIST data set of handwritten digits; the four files ship with the package."""

from ganforge import Register, hookimpl


@hookimpl
def register_datasets(register: Register) -> None:
    register(
        "mnist",
        "ganforge_mnist.dataset:MNIST",
        summary="Handwritten digits, 28x28 grey, 60,000 train and 10,000 test images; shipped.",
    )
    register(
        "stacked_mnist",
        "ganforge_mnist.stacked:StackedMNIST",
        summary="Three random digits as the channels of one image: 1,000 modes.",
    )


@hookimpl
def register_feature_networks(register: Register) -> None:
    package = "ganforge_mnist.classifier"
    register(
        "mnist_classifier",
        f"{package}:MNISTClassifier",
        summary="A small classifier of digits: 64 features, 10 classes; shipped.",
    )
    register(
        "stacked_mnist_classifier",
        f"{package}:StackedMNISTClassifier",
        summary="The same on each of three channels: 192 features, 1,000 classes.",
    )

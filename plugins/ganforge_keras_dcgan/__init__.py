"""The generator and the discriminator of the Keras DCGAN on MNIST, 2019 write-up."""

from ganforge import Register, hookimpl


@hookimpl
def register_generators(register: Register) -> None:
    register(
        "keras_dcgan",
        "ganforge_keras_dcgan.models:KerasDCGANGenerator",
        summary="dense layers, upsampling and 5x5 convolutions with tanh (Keras, 2019)",
    )


@hookimpl
def register_discriminators(register: Register) -> None:
    register(
        "keras_dcgan",
        "ganforge_keras_dcgan.models:KerasDCGANDiscriminator",
        summary="5x5 convolutions, max pooling and dense layers with tanh (Keras, 2019)",
    )

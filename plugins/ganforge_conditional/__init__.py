"""Class-conditional GANs and InfoGAN: networks, terms, a loss and a game."""

from ganforge import Register, hookimpl


@hookimpl
def register_generators(register: Register) -> None:
    register(
        "conditional_dcgan",
        "ganforge_conditional.generators:ConditionalDCGANGenerator",
        summary="dcgan of a class: joined to the latent, or by batch norm",
    )


@hookimpl
def register_discriminators(register: Register) -> None:
    module = "ganforge_conditional.discriminators"
    register(
        "conditional_dcgan",
        f"{module}:ConditionalDCGANDiscriminator",
        summary="cGAN: the class as maps beside the image's channels (Mirza 2014)",
    )
    register(
        "projection",
        f"{module}:ProjectionDiscriminator",
        summary="inner product of features and class (Miyato and Koyama 2018)",
    )
    register(
        "acgan",
        f"{module}:ACGANDiscriminator",
        summary="a classifier beside real or fake (Odena 2017)",
    )
    register(
        "multi_hinge",
        f"{module}:MultiHingeDiscriminator",
        summary="one classifier of K classes and 'fake' (Kavalerov 2021)",
    )
    register(
        "infogan",
        "ganforge_conditional.codes:InfoGANDiscriminator",
        summary="guesses the codes beside real or fake (Chen 2016)",
    )


@hookimpl
def register_encoders(register: Register) -> None:
    register(
        "infogan",
        "ganforge_conditional.codes:InfoGANEncoder",
        summary="guesses the codes that an image was made of (Chen 2016)",
    )


@hookimpl
def register_games(register: Register) -> None:
    register(
        "infogan",
        "ganforge_conditional.game:InfoGAN",
        summary="two players, and a network that guesses the codes (Chen 2016)",
    )


@hookimpl
def register_losses(register: Register) -> None:
    register(
        "multi_hinge",
        "ganforge_conditional.multi_hinge:MultiHinge",
        summary="margins between K classes and 'fake' (Kavalerov 2021)",
    )


@hookimpl
def register_regularizers(register: Register) -> None:
    register(
        "auxiliary_classifier",
        "ganforge_conditional.auxiliary_classifier:AuxiliaryClassifier",
        summary="ACGAN: cross-entropy of the class, for D and G (Odena 2017)",
    )
    register(
        "mutual_information",
        "ganforge_conditional.mutual_information:MutualInformation",
        summary="InfoGAN: how well the codes can be guessed, for D and G (Chen 2016)",
    )

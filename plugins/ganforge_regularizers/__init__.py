"""The hook module of the penalties on the discriminator."""

from ganforge import Register, hookimpl


@hookimpl
def register_regularizers(register: Register) -> None:
    module = "ganforge_regularizers.gradients"
    register("r1", f"{module}:R1", summary="gradient of D at real samples (Mescheder 2018)")
    register("r2", f"{module}:R2", summary="gradient of D at generated samples (Mescheder 2018)")
    register("gradient_penalty", f"{module}:GradientPenalty", summary="WGAN-GP (Gulrajani 2017)")
    register("lipschitz_penalty", f"{module}:LipschitzPenalty", summary="WGAN-LP (Petzka 2018)")
    register("dragan", f"{module}:Dragan", summary="gradient of D near real samples (Kodali 2017)")
    register(
        "lecam",
        "ganforge_regularizers.lecam:LeCam",
        summary="scores near the other side's mean (Tseng 2021)",
    )

"""The hook module of the terms beside the adversarial loss."""

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
    module = "ganforge_regularizers.consistency"
    register("consistency", f"{module}:Consistency", summary="CR-GAN: moved images (Zhang 2020)")
    register(
        "balanced_consistency",
        f"{module}:BalancedConsistency",
        summary="bCR: moved images, real and fake (Zhao 2021)",
    )
    register(
        "latent_consistency",
        f"{module}:LatentConsistency",
        summary="zCR: moved latents, for D and G (Zhao 2021)",
    )
    register(
        "path_length",
        "ganforge_regularizers.path_length:PathLength",
        summary="steps in latent space of one length (Karras 2020)",
    )
    register(
        "feature_matching",
        "ganforge_regularizers.feature_matching:FeatureMatching",
        summary="mean features of D, for G (Salimans 2016)",
    )
    module = "ganforge_regularizers.weights"
    register("orthogonal", f"{module}:Orthogonal", summary="filters at right angles (Brock 2019)")
    register(
        "weight_clipping",
        f"{module}:WeightClipping",
        summary="WGAN: D's weights within a limit (Arjovsky 2017)",
    )

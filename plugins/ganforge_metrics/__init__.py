"""The hook module of the metrics."""

from ganforge import Register, hookimpl


@hookimpl
def register_metrics(register: Register) -> None:
    package = "ganforge_metrics"
    register(
        "frechet_distance",
        f"{package}.frechet:FrechetDistance",
        summary="distance of feature means and covariances",
    )
    register(
        "kernel_distance",
        f"{package}.kernel:KernelDistance",
        summary="KID: the cubic kernel's distance of features",
    )
    register(
        "inception_score",
        f"{package}.score:InceptionScore",
        summary="how sure a classifier is of each, how varied of all",
    )
    register(
        "precision_recall",
        f"{package}.neighbours:PrecisionRecall",
        summary="share of fakes near reals, and of reals near fakes",
    )
    register(
        "density_coverage",
        f"{package}.neighbours:DensityCoverage",
        summary="as precision and recall, less shaken by outliers",
    )
    register(
        "class_modes",
        f"{package}.classes:ClassModes",
        summary="classes that are made, and reverse KL of their shares",
    )
    register(
        "ms_ssim",
        f"{package}.similarity:MultiScaleSimilarity",
        summary="how alike pairs of fakes are",
    )


@hookimpl
def register_feature_networks(register: Register) -> None:
    register(
        "inception",
        "ganforge_metrics.inception:Inception",
        summary="InceptionV3 as FID uses it; needs torch-fidelity and its weights",
    )

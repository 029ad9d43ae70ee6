"""The hook module of the adversarial losses."""

from ganforge import Register, hookimpl


@hookimpl
def register_losses(register: Register) -> None:
    module = "ganforge_losses.losses"
    register("non_saturating", f"{module}:NonSaturating", summary="-log D(G(z)) for G (2014)")
    register("minimax", f"{module}:Minimax", summary="log(1 - D(G(z))) for G: saturates (2014)")
    register("hinge", f"{module}:Hinge", summary="margins of 1 for D (2017)")
    register("least_squares", f"{module}:LeastSquares", summary="LSGAN: targets 0 and 1 (2017)")
    register("wasserstein", f"{module}:Wasserstein", summary="WGAN: difference of scores (2017)")
    module = "ganforge_losses.relativistic"
    register(
        "relativistic_pairing",
        f"{module}:RelativisticPairing",
        summary="RpGAN: a real against a fake sample (2018)",
    )
    register(
        "relativistic_average",
        f"{module}:RelativisticAverage",
        summary="RaGAN: a sample against the other side's mean (2018)",
    )

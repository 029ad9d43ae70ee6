"""The hook module of the optimizers."""

from ganforge import Register, hookimpl


@hookimpl
def register_optimizers(register: Register) -> None:
    module = "ganforge_optimizers.optimizers"
    register("adam", f"{module}:adam", summary="Adam (Kingma and Ba 2015)")
    register("adamw", f"{module}:adamw", summary="Adam with decoupled weight decay (2019)")
    register("rmsprop", f"{module}:rmsprop", summary="RMSprop (Hinton 2012)")
    register("sgd", f"{module}:sgd", summary="gradient descent, momentum, Nesterov")
    module = "ganforge_optimizers.adaptive"
    register("adadelta", f"{module}:adadelta", summary="Adadelta (Zeiler 2012)")
    register("adafactor", f"{module}:adafactor", summary="Adafactor (Shazeer and Stern 2018)")
    register("adagrad", f"{module}:adagrad", summary="Adagrad (Duchi et al. 2011)")
    register("adamax", f"{module}:adamax", summary="Adam by the largest gradient (2015)")
    register("nadam", f"{module}:nadam", summary="Adam with Nesterov's momentum (Dozat 2016)")
    register("radam", f"{module}:radam", summary="rectified Adam (Liu et al. 2020)")
    module = "ganforge_optimizers.classic"
    register("asgd", f"{module}:asgd", summary="averaged gradient descent (Polyak 1992)")
    register("rprop", f"{module}:rprop", summary="signs of gradients (Riedmiller 1993)")
    module = "ganforge_optimizers.divided"
    register("muon", f"{module}:muon", summary="Muon for matrices, AdamW for the rest (2024)")
    register("sparse_adam", f"{module}:sparse_adam", summary="Adam for sparse gradients too")
    register(
        "optimistic_adam",
        "ganforge_optimizers.optimistic:OptimisticAdam",
        summary="Adam for games (Daskalakis et al. 2018)",
    )

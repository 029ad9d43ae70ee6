"""The hook module of the optimizers."""

from ganforge import Register, hookimpl


@hookimpl
def register_optimizers(register: Register) -> None:
    module = "ganforge_optimizers.optimizers"
    register("adam", f"{module}:adam", summary="Adam (Kingma and Ba 2015)")
    register("adamw", f"{module}:adamw", summary="Adam with decoupled weight decay (2019)")
    register("rmsprop", f"{module}:rmsprop", summary="RMSprop (Hinton 2012)")
    register("sgd", f"{module}:sgd", summary="gradient descent, momentum, Nesterov")

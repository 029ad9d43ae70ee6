"""The hook module of the learning-rate schedules."""

from ganforge import Register, hookimpl


@hookimpl
def register_schedules(register: Register) -> None:
    module = "ganforge_schedules.falling"
    register("linear", f"{module}:linear", summary="along a line to the end of the run")
    register("cosine", f"{module}:cosine", summary="along half a cosine (Loshchilov 2017)")
    register("step", f"{module}:step", summary="by a factor at shares of the run")
    register(
        "warmup",
        "ganforge_schedules.warmup:warmup",
        summary="up along a line, then constant or down (Goyal 2017)",
    )

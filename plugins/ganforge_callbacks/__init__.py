"""The hook module of the callbacks."""

from ganforge import Register, hookimpl


@hookimpl
def register_callbacks(register: Register) -> None:
    package = "ganforge_callbacks"
    register("progress", f"{package}.progress:ProgressBar", summary="a live bar, or plain lines")
    register("metrics", f"{package}.metrics:Metrics", summary="every step's losses as JSON lines")
    register("sample_grid", f"{package}.sample_grid:SampleGrid", summary="pictures of samples")
    register(
        "terminal_preview",
        f"{package}.terminal_preview:TerminalPreview",
        summary="samples drawn in the terminal",
    )
    register(
        "evaluate",
        f"{package}.evaluate:Evaluate",
        summary="metrics while training; keeps the best",
    )
    register(
        "health",
        f"{package}.health:Health",
        summary="says when a run goes wrong, and why",
    )
    register("checkpoint", f"{package}.checkpoint:Checkpoint", summary="when to save, what to keep")
    register("loss_plot", f"{package}.loss_plot:LossPlot", summary="a plot of the losses")

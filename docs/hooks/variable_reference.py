"""The environment variables, and how shells complete; the names come from the code."""

from __future__ import annotations

from markdown_text import code, fence, table

from ganforge.selection import LOAD, STRICT

COMPLETION = "_GANFORGE_COMPLETE"  # click makes it from the name of the program

VARIABLES = {
    LOAD: "Loads only these installed plugins beside ganforge's own: names of plugins or of their "
    "packages, separated by commas. Set but empty: only ganforge's own.",
    STRICT: "Set to `1`, an installed plugin that cannot be loaded is an error that stops the "
    "command. Unset, empty, `0`, `false`, `no` or `off`: it is reported in one line.",
    "GANFORGE_CACHE": "The folder for what is computed of reference data when samples are "
    "measured; without it, `ganforge` in the folder of XDG_CACHE_HOME.",
    "XDG_CACHE_HOME": "Where ganforge remembers which plugins are installed, and what it has "
    "computed of reference data; without it, `~/.cache`.",
    "NO_COLOR": "Set to anything, the terminal gets no colours.",
}

SHELLS = {
    "bash": ("~/.bashrc", 'eval "$({})"'),
    "zsh": ("~/.zshrc", 'eval "$({})"'),
    "fish": ("~/.config/fish/completions/ganforge.fish", "{} | source"),
}


def every_variable() -> str:
    """Every variable that ganforge reads."""
    return table(("variable", "what it does"), [(code(k), v) for k, v in VARIABLES.items()])


def completion() -> str:
    """The line that a shell's start-up file needs, for each shell that click knows."""
    parts = []
    for shell, (file, form) in SHELLS.items():
        line = form.format(f"{COMPLETION}={shell}_source ganforge")
        parts.append(f"**{shell}**: add this line to `{file}`.\n\n{fence('sh', line)}")
    return "\n\n".join(parts)

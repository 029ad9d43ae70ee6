"""Checks of every component's constructor: what recipes, ``describe`` and ganforge need of it."""

from __future__ import annotations

import difflib
import inspect
from typing import Any

from ganforge.errors import PluginError
from ganforge.explain import described_options, documented
from ganforge.nested import Nested
from ganforge.options import INJECTED, read_signature
from ganforge.testing.findings import Remark, Wrong, checks
from ganforge.testing.subject import STAND_IN, Subject

TYPES = {
    "image_shape": "tuple[int, int, int]",
    "source_shape": "tuple[int, int, int]",
    "latent_dim": "int",
    "code_dim": "int",
    "num_classes": "int | None",
    "loss": "AdversarialLoss",
    "regularizers": "Sequence[Term]",
    "augmentations": "Sequence[Augmentation]",
    "params": "list[nn.Parameter]",
    "optimizer": "Optimizer",
    "total_steps": "int",
}
"""What ganforge supplies, as a constructor annotates it."""

OTHER_NAMES = {
    "image_shape": "img_shape image_size img_size input_shape output_shape sample_shape data_shape "
    "resolution img_resolution image_channels img_channels in_channels out_channels num_channels "
    "nc",
    "latent_dim": "latent_size latent_dims z_dim dim_z z_size nz noise_dim noise_size latents_dim",
    "num_classes": "n_classes nclasses n_class num_class class_count num_labels n_labels y_dim",
    "source_shape": "src_shape source_size source_channels input_image_shape domain_shape",
    "code_dim": "codes_dim code_size n_codes num_codes c_dim dim_c",
    "augmentations": "augmentation augments augs transforms",
    "loss": "losses criterion adversarial_loss",
    "regularizers": "regularisers penalties terms",
    "params": "parameters param_groups model_params",
    "optimizer": "optim opt",
    "total_steps": "num_steps n_steps max_steps num_training_steps t_max total_iters",
}
"""Spellings that other code bases have for what ganforge supplies."""

_MEANT = {other: name for name, others in OTHER_NAMES.items() for other in others.split()}


def target(subject: Subject) -> None:
    """The target is where the plugin says it is, and can be called."""
    hook = f"Correct the target of {subject.kind} '{subject.component.name}' in the hook module"
    try:
        found = subject.component.load()
    except PluginError as error:
        told = error.message.partition("): ")[2] or error.message
        raise Wrong(told, f"{hook}: it is 'package.module:Name'.") from error
    if not callable(found):
        raise Wrong(f"{found!r} is no class or function", f"{hook}.")
    subject.target = found


def constructor(subject: Subject) -> None:
    """It takes named, annotated options with valid defaults, and nothing that swallows others."""
    made = subject.known_target()
    parameters = _parameters(made)
    if inspect.isclass(made) and "__init__" not in vars(made) and _swallows(parameters):
        raise Wrong(
            f"{made.__qualname__} has no __init__ of its own, and its base class's takes anything",
            "Write an __init__ that names the options, even if there are none: "
            "def __init__(self) -> None.",
        )
    try:
        signature = read_signature(made, subject.kind)
    except PluginError as error:
        example = "Write its type, and a default if there is a good one: channels: int = 64."
        raise Wrong(error.message, error.hint or example) from error
    bare = [
        p.name
        for p in parameters
        if p.name in signature.injected and p.annotation is inspect.Parameter.empty
    ]
    if bare:
        written = ", ".join(f"{name}: {TYPES[name]}" for name in bare)
        raise Wrong(f"{', '.join(bare)}: no type annotation", f"Write {written}.")
    subject.signature = signature


def keyword_only(subject: Subject) -> None:
    """House style; ganforge calls by name anyway, so anything else breaks nothing."""
    subject.known_signature()
    loose = [p.name for p in _parameters(subject.target) if p.kind is p.POSITIONAL_OR_KEYWORD]
    if loose:
        raise Remark(f"write '*' before {', '.join(loose)}, so that options can be reordered later")


def injected_names(subject: Subject) -> None:
    """What ganforge could supply is spelt as ganforge spells it."""
    signature = subject.known_signature()
    supplied = INJECTED.get(subject.kind, frozenset())
    everything = frozenset[str]().union(*INJECTED.values())
    remarks = []
    for name, option in signature.model.model_fields.items():
        meant = _meant(name, supplied - signature.injected)
        if meant and option.is_required():
            raise Wrong(
                f"'{name}' has no default, so every recipe must give it; ganforge supplies "
                f"'{meant}'",
                f"Rename '{name}' to '{meant}: {TYPES[meant]}', or give it a default if it is "
                "something else.",
            )
        if name in everything and option.is_required():
            known = ", ".join(sorted(supplied)) or "nothing"
            raise Wrong(
                f"'{name}' is not supplied to a {subject.kind}",
                f"Remove it; a {subject.kind} is supplied with: {known}.",
            )
        if meant:
            remarks.append(f"if '{name}' is what ganforge calls '{meant}', ask for it by that name")
    if remarks:
        raise Remark("; ".join(remarks))


def options(subject: Subject) -> str | None:
    """Every option has a value: a default, or one that the user gave.

    A small data set stands for one that is an option.
    """
    signature = subject.known_signature()
    label = f"{subject.kind}.{subject.component.name}"
    required = [n for n, field in signature.model.model_fields.items() if field.is_required()]
    absent = [name for name in required if name not in subject.given]
    data = {name: STAND_IN for name in absent if signature.nested.get(name) == Nested("dataset")}
    missing = [name for name in absent if name not in data]
    if missing:
        raise Wrong(
            f"no default for {', '.join(missing)}, so it cannot be tried out",
            "Give a value to check it with: "
            + " ".join(f"{label}.{name}=VALUE" for name in missing)
            + f' (in a test: options={{"{label}": {{"{missing[0]}": VALUE}}}}), or a default.',
        )
    values, problems = signature.check({**subject.given, **data})
    if problems:  # what the user gave was checked before; a default can raise too
        raise Wrong(problems[0].message, problems[0].hint or "Correct its type.")
    subject.options = values
    return f"a small data set stands for {', '.join(data)}" if data else None


def documentation(subject: Subject) -> None:
    """A docstring, whose Args section explains each option: ``describe`` shows them."""
    signature = subject.known_signature()
    text = documented(subject.target)
    if not text:
        raise Wrong(
            "it has no docstring", "Write what it is, and an Args section with its options."
        )
    described = described_options(text)
    silent = [name for name in signature.model.model_fields if not described.get(name)]
    if silent:
        raise Wrong(
            f"the docstring does not explain {', '.join(silent)}",
            "Add a section 'Args:' to it, with a line '    name: What it is.' for each option.",
        )


def summary(subject: Subject) -> None:
    """One line for ``list-plugins``."""
    text = subject.component.summary
    if not text.strip():
        raise Wrong("it has no summary", 'Register it with summary="what it is, in a few words".')
    if "\n" in text:
        raise Wrong("its summary has more than one line", "Shorten it to one.")


CHECKS = checks(
    target,
    constructor,
    keyword_only,
    injected_names,
    options,
    documentation,
    summary,
)


def _parameters(made: Any) -> list[inspect.Parameter]:
    if inspect.isclass(made):
        function = made.__init__
        if function is object.__init__:
            return []
        return list(inspect.signature(function).parameters.values())[1:]
    return list(inspect.signature(made).parameters.values())


def _swallows(parameters: list[inspect.Parameter]) -> bool:
    return any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters)


def _meant(name: str, supplied: frozenset[str]) -> str | None:
    """What ganforge supplies under another spelling of ``name``."""
    meant = _MEANT.get(name.lower())
    if meant is None:
        alike = difflib.get_close_matches(name, supplied, n=1, cutoff=0.85)
        meant = alike[0] if alike else None
    return meant if meant in supplied else None

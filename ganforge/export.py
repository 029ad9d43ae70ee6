"""Networks as self-describing safetensors files: enough to generate without recipe or data."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Annotated, Any, Literal

import pydantic
import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

import ganforge
from ganforge.engine.calling import asks_for, call
from ganforge.engine.files import write_atomic
from ganforge.engine.latent import Latent
from ganforge.engine.layout import has_channels_last, lay_out
from ganforge.engine.memory import ran_out
from ganforge.errors import GanforgeError, PluginError, UsageError
from ganforge.options import read_signature
from ganforge.recipe.schema import LatentBlock
from ganforge.registry import Registry

FORMAT = 1
READABLE = (1,)
_KEY = "ganforge"
_LATENTS = 1 << 16
"""Numbers that a latent may have whatever the size of its network."""
_PACKAGE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_MAX_HEADER = 4 << 20
"""Of names, shapes and the description; a network of 20,000 tensors has one of 3 MB."""


class Description(pydantic.BaseModel):
    """What an exported file says of its network; more may stand there."""

    model_config = pydantic.ConfigDict(extra="allow")

    format: int
    kind: str
    sampler: bool = True
    judge: bool | None = None
    use: str
    plugin: str
    package: str
    plugin_file: str | None = None
    options: dict[str, Any]
    injected: dict[str, Any]
    latent: LatentBlock
    dataset: dict[str, Any] | None = None
    num_classes: Annotated[int, pydantic.Field(ge=1, le=10**7)] | None = None
    samples_of: Literal["latents", "source"] = "latents"
    source_shape: tuple[Annotated[int, pydantic.Field(ge=1, le=1 << 20)], ...] | None = None


@dataclass(frozen=True)
class Exported:
    """A network read back from a file, in evaluation mode.

    Args:
        network: With its weights.
        facts: What the file says of it: ``kind``, ``sampler``, ``use``, ``options``, ``injected``,
            ``latent``, ``sample_shape``, ``num_classes``, ``samples_of``, ``source_shape``,
            ``step``, ``averaged`` and the versions that wrote it.
    """

    network: nn.Module
    facts: dict[str, Any]

    @property
    def latent(self) -> Latent:
        return Latent(**self.facts["latent"])

    @property
    def conditional(self) -> bool:
        """Whether the network takes labels."""
        return "labels" in asks_for(self.network)

    def __call__(self, inputs: Tensor, labels: Tensor | None = None) -> Tensor:
        """The network's output, without a graph; labels are passed on if it takes them."""
        with torch.no_grad():
            output: Tensor = call(self.network, inputs, labels=labels)
        return output


def write(path: Path, network: nn.Module, facts: dict[str, Any]) -> None:
    """Write a network's weights and ``facts``, whole or not at all."""
    tensors = {
        # A copy each: the format refuses tensors that share memory, as tied weights do.
        name: value.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, value in network.state_dict().items()
    }
    head = {"format": FORMAT, "ganforge": ganforge.__version__}
    # Read back it computes as it did, to the last bit.
    last = {"channels_last": True} if has_channels_last(network) else {}
    metadata = {_KEY: json.dumps({**head, **facts, **last})}
    write_atomic(path, safetensors.torch.save(tensors, metadata))


def read(path: Path, registry: Registry, *, device: torch.device) -> Exported:
    """Rebuild the network that a file holds.

    Raises:
        UsageError: There is no such file, or it is none of ours.
        GanforgeError: It is damaged, or needs a plugin that is not installed.
    """
    if not path.is_file():
        raise UsageError(f"there is no file '{path}'")
    facts, tensors = _contents(path, device)
    qualified = f"{facts['plugin']}:{facts['use']}"
    try:
        target = registry.find(facts["kind"], qualified).load()
    except UsageError as error:
        raise _missing(path, qualified, facts) from error
    signature = read_signature(target, facts["kind"])
    options, problems = signature.check(facts["options"])
    if problems:
        raise GanforgeError(f"{path}: {problems[0].message}", hint=problems[0].hint)
    missing = sorted(signature.injected - set(facts["injected"]))
    if missing:
        raise GanforgeError(
            f"{path}: its description is damaged: it does not say {', '.join(missing)}"
        )
    try:
        injected = {name: facts["injected"][name] for name in signature.injected}
        for name in ("image_shape", "source_shape"):
            if injected.get(name) is not None:
                injected[name] = tuple(injected[name])
        _check_size(path, lambda: target(**options, **injected), tensors)
        network = target(**options, **injected)
        network.load_state_dict(tensors)
        if facts.get("channels_last") is True:
            lay_out([network], "channels_last")
    except GanforgeError:
        raise
    except Exception as error:
        raise PluginError(f"{path}: {qualified} cannot be rebuilt: {error!r}") from error
    return Exported(network.to(device).eval().requires_grad_(False), facts)


def describes(path: Path, role: Literal["sampler", "judge"]) -> bool:
    """Whether a file holds the network with which its game samples, or which ranks samples.

    Raises:
        GanforgeError: It cannot be read, or is none of ours.
    """
    said: bool | None = _description(path)[role]
    return path.stem == "discriminator" if said is None else said


def _missing(path: Path, qualified: str, facts: dict[str, Any]) -> GanforgeError:
    """That a plugin is not there; a stranger's words are not made into a command unseen."""
    file, package = facts["plugin_file"], facts["package"].partition(" ")[0]
    origin = f"the file {file}" if file else f"{facts['package']}, which is not installed"
    hint = f"Load it with -p {quote(file)}" if file else f"pip install {package}"
    if not file and not _PACKAGE.fullmatch(package):
        hint = "Ask whoever made the file for the plugin's package."
    return GanforgeError(f"{path}: needs {facts['kind']} '{qualified}' of {origin}", hint=hint)


def _check_size(path: Path, make: Callable[[], nn.Module], tensors: dict[str, Tensor]) -> None:
    """See that the network is no larger than the file, before memory is taken for it.

    Raises:
        GanforgeError: It is: the file's description is not that of its tensors.
    """
    try:
        with torch.device("meta"):
            wanted = {name: tuple(value.shape) for name, value in make().state_dict().items()}
    except Exception as error:  # its constructor may want real numbers, or fail: told later
        if ran_out(error):
            raise GanforgeError(
                f"{path}: its description asks for more memory than there is"
            ) from error
        return
    for name, shape in wanted.items():
        found = tuple(tensors[name].shape) if name in tensors else "none"
        if found != shape:
            raise GanforgeError(
                f"{path}: its description is damaged: it makes '{name}' {shape}, but the file has "
                f"{found}"
            )


def _check_header(path: Path) -> None:
    """See that the header is of a size that a network's can have."""
    try:
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
    except OSError as error:
        raise GanforgeError(f"{path}: cannot be read: {error.strerror or error}") from error
    if size > _MAX_HEADER:
        raise GanforgeError(
            f"{path}: not a readable safetensors file: its header claims {size:,} bytes",
            hint="Name a run folder, or a generator.safetensors that ganforge wrote.",
        )


def _contents(path: Path, device: torch.device) -> tuple[dict[str, Any], dict[str, Tensor]]:
    facts = _description(path)
    with _opened(path, device) as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    _check_latents(path, facts, tensors)
    return facts, tensors


@contextmanager
def _opened(path: Path, device: torch.device) -> Iterator[Any]:
    """The file as safetensors reads it; what it says against it is told as ours."""
    _check_header(path)
    try:
        with safetensors.safe_open(path, framework="pt", device=str(device)) as file:
            yield file
    except (OSError, safetensors.SafetensorError) as error:
        raise GanforgeError(
            f"{path}: not a readable safetensors file: {error}",
            hint="Name a run folder, or a generator.safetensors that ganforge wrote.",
        ) from error


def _description(path: Path) -> dict[str, Any]:
    """What a file says of its network."""
    with _opened(path, torch.device("cpu")) as file:
        metadata = file.metadata() or {}
    if _KEY not in metadata:
        raise UsageError(
            f"{path}: this file does not say how to build its network",
            hint="Only files that ganforge wrote can be used.",
        )
    try:
        facts = Description.model_validate_json(metadata[_KEY]).model_dump()
    except pydantic.ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(map(str, fault["loc"])) or "it"
        raise GanforgeError(
            f"{path}: its description is damaged: {where}: {fault['msg']}"
        ) from error
    if facts["format"] not in READABLE:
        raise GanforgeError(
            f"{path}: it has format {facts['format']}; this version reads format "
            f"{', '.join(map(str, READABLE))}"
        )
    return facts


def _check_latents(path: Path, facts: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    """See that the latents are those of such a network, before there is memory taken for them."""
    size = Latent(**facts["latent"]).size
    known = facts["injected"].get("latent_dim", size)
    if known != size:
        raise GanforgeError(
            f"{path}: its description is damaged: latents of {size} numbers for a network that "
            f"takes {known}"
        )
    weights = sum(value.numel() for value in tensors.values())
    if size > max(_LATENTS, weights):
        raise GanforgeError(
            f"{path}: its description is damaged: latents of {size} numbers for a network that has "
            f"{weights:,}"
        )

"""Collects the state of everything that moves, and gives it back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ganforge.errors import GanforgeError

Group = Mapping[str, Any]
"""Owners of state by name: each has ``state_dict`` and ``load_state_dict``."""

_HINT = "Resume with the recipe that made the checkpoint."


def collect(groups: Mapping[str, Group]) -> dict[str, Any]:
    """The state of every owner of every group."""
    return {
        group: {name: owner.state_dict() for name, owner in owners.items()}
        for group, owners in groups.items()
    }


def restore(groups: Mapping[str, Group], state: Mapping[str, Any]) -> None:
    """Give every owner back what :func:`collect` took of it.

    Raises:
        GanforgeError: The state belongs to other owners.
    """
    for group, owners in groups.items():
        if set(owners) != set(state[group]):
            raise GanforgeError(
                f"the checkpoint's {group} ({', '.join(sorted(state[group])) or 'none'}) are "
                f"not this recipe's ({', '.join(sorted(owners)) or 'none'})",
                hint=_HINT,
            )
        for name, owner in owners.items():
            try:
                owner.load_state_dict(state[group][name])
            except (RuntimeError, ValueError, KeyError) as error:
                reason = " ".join(str(error).split()[:40])  # torch lists every weight
                raise GanforgeError(
                    f"the checkpoint does not fit the {group[:-1]} '{name}': {reason}", hint=_HINT
                ) from error

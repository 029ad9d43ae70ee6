"""torch's compiler is imported only where something compiles; each test is a process of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

TRAIN = """
import sys, torch
from ganforge.cli.quickstart import StandIn, put_off_compiler
put_off_compiler()
layer = torch.nn.Linear(2, 1)
adam = torch.optim.Adam(layer.parameters(), fused=True)
adam.add_param_group({"params": [torch.nn.Parameter(torch.ones(2))]})
torch.optim.lr_scheduler.StepLR(adam, 1).step()
layer(torch.ones(3, 2)).sum().backward()
adam.step()
adam.zero_grad()
adam.load_state_dict(adam.state_dict())
print(type(sys.modules["torch._dynamo"]) is StandIn, "sympy" in sys.modules)
"""


def said(code: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_optimizers_do_without_it() -> None:
    assert said(TRAIN) == ["True", "False"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "use",
    [
        "print(torch.compile(layer, backend='aot_eager')(torch.ones(3, 2)).shape[0])",
        "import torch._dynamo.config as config; print(3 if config.recompile_limit else 0)",
        "torch.compiler.reset(); print(3)",
        "with torch.compiler.set_stance('force_eager'): print(len(layer(torch.ones(3, 2))))",
    ],
)
def test_whoever_compiles_gets_the_real_one(use: str) -> None:
    found = said(TRAIN + use + "\nprint(type(sys.modules['torch._dynamo']).__name__)")
    assert found[:2] == ["True", "False"]
    assert found[2:] == ["3", "module"]


def test_where_it_is_already_it_stays() -> None:
    code = (
        "import sys, torch._dynamo; from ganforge.cli.quickstart import put_off_compiler; "
        "put_off_compiler(); print(type(sys.modules['torch._dynamo']).__name__)"
    )
    assert said(code) == ["module"]


@pytest.mark.slow
def test_what_asks_every_module_where_it_comes_from_leaves_it_there() -> None:
    look = "\nimport inspect; inspect.getmodule(compile('', 'nowhere', 'exec'))"
    look += "\nprint(type(sys.modules['torch._dynamo']) is StandIn)"
    assert said(TRAIN + look) == ["True", "False", "True"]
    compare = "\nimport torch.testing; torch.testing.assert_close(torch.ones(2), torch.ones(2))"
    assert said(TRAIN + compare + "\nprint('same')") == ["True", "False", "same"]

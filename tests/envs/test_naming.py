"""An environment named `module:name` is found, called and checked like one of the table."""

import shlex
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import mastac
from envs.ponds import PONDS, Folder, working_in
from mastac.cli.main import main
from mastac.envs.naming import ImportedEnvironment, environment_from

ODD = """
import mastac
number = 3
def make(number): return number
def broken(depth=1):
    return depth / 0
def leaves(): raise SystemExit(3)
def nothing(): return None
def plain(): return 3
from shlex import quote
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    with working_in(tmp_path) as folder:
        folder.write("odd.py", ODD)
        folder.write("loud.py", "import numpy\n\ndeep = numpy.zeros(3).reshape(2, 2)\n")
        folder.write("twice.py", "import mastac\n\nenv = mastac.Couplings(['a', 'a'])\n")
        folder.write("torn.py", "x = 1\ndef")
        folder.write("wanting.py", "import surely_not_installed")
        folder.write("lakes/__init__.py", "")
        folder.write("lakes/deep.py", PONDS)
        yield folder


@pytest.mark.parametrize(
    ("text", "options", "agents", "horizon"),
    [
        ("ponds:env", {}, 2, 3),
        ("ponds:make", {}, 2, 3),
        ("ponds:make", {"number": 4, "horizon": 5}, 4, 5),
        ("lakes.deep:make", {"number": np.int64(3)}, 3, 3),
    ],
)
def test_an_object_or_what_a_function_returns(folder, text, options, agents, horizon) -> None:
    found = environment_from(text, options)
    assert isinstance(found, ImportedEnvironment)
    env = found.build()
    assert (env.num_agents, env.horizon, found.discrete) == (agents, horizon, False)
    assert found.structure.couplings is env.couplings
    assert found.origin.place == text and found.origin.directory == str(folder.path)
    assert found.origin.options == options


def test_the_working_directory_comes_before_installed_modules(folder) -> None:
    folder.write("tabnanny.py")  # the standard library has a module of this name
    assert environment_from("tabnanny:env").build().id == "ponds"


MISTAKES = {
    "pond:env": "there is no module 'pond' in {here} or on the path; did you mean 'ponds'?",
    "lakes.shallow:env": "there is no module 'lakes.shallow'",
    "ponds:enw": "unknown name in module 'ponds' 'enw'; did you mean 'env'?",
    "ponds.py:env": "'ponds.py' is a file; name the module, as in ponds:env",
    "lakes/deep.py:env": "as in lakes.deep:env",
    "ponds:": "'ponds:' is not understood; write module:name, as in my_package.my_module:make",
    ":env": "not understood",
    ".ponds:env": "not understood",
    "ponds:make:3": "not understood",
    "odd:number": "'odd:number' gives int; it must be a mastac.Environment, a PettingZoo Parallel",
    "odd:plain": "gives int",
    "odd:nothing": "gives None",
    "ponds:mastac": "gives module",
    "odd:plane": "did you mean 'plain'? (known: number, make, broken, leaves, nothing, plain)",
    "odd:make": "'odd:make' needs a value for number; set it with --env-set number=VALUE",
    "odd:broken": "'odd:broken' raised ZeroDivisionError: division by zero (odd.py, line 6)",
    "odd:leaves": "'odd:leaves' raised SystemExit: 3 (odd.py, line 7)",
    "loud:env": "importing module 'loud' raised ValueError: cannot reshape",
    "loud:deep": "(loud.py, line 3)",
    "twice:env": "(twice.py, line 3)",
    "torn:env": "importing module 'torn' raised SyntaxError: invalid syntax (torn.py, line 2)",
    "wanting:env": "module 'wanting' imports 'surely_not_installed', which is not installed",
    "ponds:make --env-set numbr=3": "unknown option of 'ponds:make' 'numbr'; did you mean 'number'",
    "ponds:env --env-set number=3": "'ponds:env' is no function but an object, and takes no option",
    "odd:plain --env-set number=3": "'odd:plain' takes no options; leave out 'number'",
    "ponds:make --env-set number=NaN": "number in options of 'ponds:make' is nan",
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_answered_by_one_sentence(mistake: str, folder: Folder, capsys) -> None:
    words = shlex.split(mistake)
    before = sorted(folder.path.rglob("*"))
    for command in ("train", "graph"):
        assert main([command, *words]) == 2, command
        out, err = capsys.readouterr()
        assert out == "" and err.startswith("mastac: ") and err.count("\n") == 1
        assert MISTAKES[mistake].format(here=folder.path) in err
        folder.forget()
    assert sorted(folder.path.rglob("*")) == before, "a mistake leaves nothing behind"


def test_every_command_takes_it(folder: Folder, capsys) -> None:
    named = ["ponds:make", "--env-set", "number=3"]
    assert main(["graph", *named]) == 0
    answer = capsys.readouterr().out
    assert "3 agents" in answer and "mastac train ponds:make --env-set number=3" in answer
    assert main(["check", *named, "--points", "8"]) == 0
    assert main(["discover", *named, "--points", "8", "--against", "ponds:make"]) == 0
    assert "precision" in capsys.readouterr().out
    assert main(["discover", *named, "--points", "8", "--against", "ponds:env"]) == 2
    assert "'agent-2'" in capsys.readouterr().err
    assert main(["variance", "ponds:env", "--samples", "64"]) == 2
    assert "simple" in capsys.readouterr().err


def test_python_takes_it_and_names_what_it_cannot_take(folder: Folder) -> None:
    assert mastac.check("ponds:make", points=4, env_options={"number": 3}).ok
    with pytest.raises(mastac.UserError, match="did you mean 'number'"):
        mastac.train("ponds:make", env_options={"numbers": 3})
    with pytest.raises(mastac.UserError, match=r"number in options .* cannot be stored as JSON"):
        mastac.train("ponds:make", env_options={"number": object()})
    with pytest.raises(mastac.UserError, match=r"env is a int; give a mastac\.Environment"):
        mastac.train(3)  # pyright: ignore[reportArgumentType]

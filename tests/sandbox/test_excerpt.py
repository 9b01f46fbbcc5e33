"""What a function needs of its notebook, and no more."""

import ast

import pytest

from smatch_edu.sandbox.excerpt import excerpt, imports, odd_names, of_the_library, statements

ANSWER = "def f(x):\n    def inner(y):\n        return np.abs(y) + K\n    z = inner(x)\n    return z"


def chosen(answer, *groups):
    """The text of what is chosen from groups of cells, each a text."""
    found = excerpt(statements(answer, "answer"), *[statements(group, "other") for group in groups])
    return [ast.unparse(one.node) for one in found]


def test_a_name_that_the_function_reads_is_looked_up_and_so_is_what_that_needs():
    assert chosen(ANSWER, "import numpy as np\nimport torch\nL = 2\nK = L + 1\nM = 7") == [
        "import numpy as np",
        "L = 2",
        "K = L + 1",
    ]


def test_names_of_its_own_are_not_looked_up():
    assert chosen(ANSWER, "x = y = z = inner = train()\nf = 3") == []


def test_the_first_group_that_knows_a_name_gives_it_and_the_last_runs_first():
    assert chosen("a = b + c", "b = 1", "c = d = b = 2", "d = c = 3") == ["c = d = b = 2", "b = 1"]


def test_every_change_of_a_name_comes_along_in_order():
    text = "t = {}\nt['a'] = 1\nu = 1\nt.update(b=2)\nprint(t)\nt.a.b[0] = 3\nfor k in u:\n    t[k] = 0"
    assert chosen("a = t", text) == [
        "t = {}",
        "t['a'] = 1",
        "u = 1",
        "t.update(b=2)",
        "t.a.b[0] = 3",
        "for k in u:\n    t[k] = 0",
    ]


def test_classes_decorators_defaults_and_comprehensions_have_needs():
    answer = "@d\ndef f(x=e, *, k=g) -> h:\n    return [i(j) for j in x]\n"
    answer += "class C(B):\n    n = m\n    def go(self):\n        return p"
    names = ["d", "e", "g", "h", "i", "B", "m", "p"]
    assert chosen(answer, "\n".join(f"{name} = 1" for name in [*names, "j", "x", "n", "self"])) == [
        f"{name} = 1" for name in names
    ]


def test_magic_is_left_out_and_no_python_is_an_error():
    assert [ast.unparse(one.node) for one in statements("%%time\n%pip install x\na = 1\n!ls\n?a", "cell")] == ["a = 1"]
    with pytest.raises(SyntaxError):
        statements("def f(:", "cell")


def test_imports_are_found_wherever_they_stand():
    text = (
        "import numpy as np, torch.nn\ndef f():\n    from scipy import linalg\n    from . import no\nfrom math import *"
    )
    assert imports(statements(text, "cell")) == {"numpy", "torch.nn", "scipy.linalg", "math.*"}


def test_the_library_is_seen_in_imports_and_in_texts():
    text = "from smatch_edu.text import visible\nfrom smatch_edu import checks\n"
    text += "name = 'smatch_edu.exact.mdp'\nother = 'smatch'"
    assert of_the_library(statements(text, "cell")) == ["smatch_edu.exact.mdp", "smatch_edu.text.visible"]


def test_names_that_deceive_are_seen():
    text = "import ctypes, numpy\nfrom smatch_edu.checks import occupancy\n"
    text += "x = occupancy.f.oracle\nsys._getframe().f_back\ndraw = 1"
    assert odd_names(statements(text, "cell")) == [".oracle", "_getframe", "ctypes", "f_back", "smatch_edu.checks"]

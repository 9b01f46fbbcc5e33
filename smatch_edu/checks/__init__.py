"""One module for each notebook, named as it is without its number: what an exercise must satisfy, and its hints.

>>> from smatch_edu import checks
>>> mine = checks.occupancy.visits_along_a_chain(visits)
2.1 ✓ visits along a chain (100 random chains, largest error 1.1e-16)

What comes back is the answer if it passes, and if it does not yet the course's own function, so that what follows runs.

values                      what was returned beside what was wanted
patterns                    what wrong results have in common
general_hints               hints that any exercise may give
limits                      time and memory that an answer may take
exercise                    what an exercise is, and what an answer is told
start_here                  00
figure_1                    01
occupancy                   02
divergences                 03
duality                     04
objective_on_logits         05
backspace_masking           06
transformer_and_generation  07
neural_divergence           08
training_sequencematch      09
arithmetic                  10
finetune_pretrained         12
reading_the_summary         A1
set_1_occupancies           problem set 1, in notebooks/assignments/
set_2_divergences           problem set 2
set_3_backspace_masks       problem set 3
set_4_neural_typist         problem set 4
set_5_research              problem set 5
"""

import importlib
import pkgutil
from types import ModuleType

_ENGINE = {"exercise", "values", "general_hints", "patterns", "limits"}
__all__ = sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name not in _ENGINE)


def __getattr__(name: str) -> ModuleType:
    """Import a notebook's checks when they are first asked for."""
    if name not in __all__:
        raise AttributeError(f"no checks named {name!r}; there are {', '.join(__all__)}")
    return importlib.import_module(f"{__name__}.{name}")

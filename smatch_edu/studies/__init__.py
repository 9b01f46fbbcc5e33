"""The main jobs, the experiments, and their pages.

walkthrough  typists on a keyboard that slips, trained exactly
report       the walkthrough's page
comparison   trained models that answer the same questions, and their page
experiments  runs over a grid of settings, whose table grows and is never begun anew
"""

from smatch_edu.configs import ComparisonConfig, NeuralDivergenceConfig, SweepConfig, WalkthroughConfig
from smatch_edu.studies.comparison import TITLES, compare, load_models
from smatch_edu.studies.experiments import neural_divergence, sweep
from smatch_edu.studies.report import page
from smatch_edu.studies.walkthrough import walkthrough
from smatch_edu.support.results import read_table

__all__ = [
    "TITLES",
    "ComparisonConfig",
    "NeuralDivergenceConfig",
    "SweepConfig",
    "WalkthroughConfig",
    "compare",
    "load_models",
    "neural_divergence",
    "page",
    "read_table",
    "sweep",
    "walkthrough",
]

"""The main jobs, the experiments, and their pages.

walkthrough  typists on a keyboard that slips, trained exactly
report       the walkthrough's page
keyboard     networks trained on such keyboards, over a grid of settings and seeds, beside the exact limits
typists      three of these networks at work, and their page
comparison   trained models that answer the same questions, and their page
experiments  runs over a grid of settings, whose table grows and is never begun anew
finetuning   a pretrained language model, finetuned in several ways; needs the extra `[hf]`, so nothing of it is above
"""

from smatch_edu.configs import (
    ComparisonConfig,
    KeyboardConfig,
    NeuralDivergenceConfig,
    SweepConfig,
    TypistsConfig,
    WalkthroughConfig,
)
from smatch_edu.studies.comparison import TITLES, compare, load_models
from smatch_edu.studies.experiments import neural_divergence, sweep
from smatch_edu.studies.keyboard import Problem, keyboard_experiment
from smatch_edu.studies.report import page
from smatch_edu.studies.typists import KEYBOARDS, NETWORKS, load_networks, real_words_by_noise, runs_table, typists
from smatch_edu.studies.walkthrough import walkthrough
from smatch_edu.support.results import read_table

__all__ = [
    "KEYBOARDS",
    "NETWORKS",
    "TITLES",
    "ComparisonConfig",
    "KeyboardConfig",
    "NeuralDivergenceConfig",
    "Problem",
    "SweepConfig",
    "TypistsConfig",
    "WalkthroughConfig",
    "compare",
    "keyboard_experiment",
    "load_models",
    "load_networks",
    "neural_divergence",
    "page",
    "read_table",
    "real_words_by_noise",
    "runs_table",
    "sweep",
    "typists",
    "walkthrough",
]

"""What each command can be told: plain data, whose ranges are checked before any work is done.

Nothing here loads torch, which takes seconds: so `smatch train --help` answers at once, and a typo is named at once.
Where a check does need the library, it is imported in the method that needs it.

    training     Algorithm 1: everything that a run can be told, and what follows from it for each step
    typists      three trained networks on a keyboard that slips
    walkthrough  typists on a keyboard that slips, trained exactly
    comparison   three trained models that answer the same questions
    experiments  runs over a grid of settings
    finetune     a pretrained language model of another library
"""

from smatch_edu.configs.comparison import ComparisonConfig
from smatch_edu.configs.experiments import KeyboardConfig, NeuralDivergenceConfig, SweepConfig, arm_config
from smatch_edu.configs.finetune import FinetuneConfig, FinetuneStudyConfig
from smatch_edu.configs.training import METHODS, REPLAY, SLIPS, TYPING, TrainingConfig
from smatch_edu.configs.typists import TypistsConfig
from smatch_edu.configs.walkthrough import WalkthroughConfig

__all__ = [
    "METHODS",
    "REPLAY",
    "SLIPS",
    "TYPING",
    "ComparisonConfig",
    "FinetuneConfig",
    "FinetuneStudyConfig",
    "KeyboardConfig",
    "NeuralDivergenceConfig",
    "SweepConfig",
    "TrainingConfig",
    "TypistsConfig",
    "WalkthroughConfig",
    "arm_config",
]

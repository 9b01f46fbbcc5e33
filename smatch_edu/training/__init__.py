"""SequenceMatch as it is trained: losses on logits along trajectories, Algorithm 1, and what was learned.

What a run can be told is in `smatch_edu.configs`.

keyboard     V of the next text, averaged over the keyboard on which the learner types
objectives   likelihood and SequenceMatch along trajectories, from logits
policy       the logits at every text of many trajectories, from one pass; of any network
replay       the model's latest trajectories
updates      one update: demonstrations, samples, loss
metrics      what the backspace key was used for; confidence intervals
evaluation   what a model answers, with the key and without
loop         Algorithm 1 as a loop, killed and resumed to the same bits; begin with `train`
neural       a network on samples, held against the exact optimum of `exact`
"""

from smatch_edu.configs.training import METHODS, REPLAY, SLIPS, TYPING, TrainingConfig
from smatch_edu.training.evaluation import Condition, Evaluation, evaluate, generate_answers
from smatch_edu.training.keyboard import expected_next_value, leads_of
from smatch_edu.training.loop import load_checkpoint, load_policy, read_log, save_checkpoint, start_run, train
from smatch_edu.training.metrics import Interval, Telemetry, mean_interval, share_interval, telemetry
from smatch_edu.training.neural import LOSSES, ExactOptimum, Expert, NeuralConfig, NeuralPolicy, train_policy
from smatch_edu.training.objectives import (
    Trajectories,
    alpha_of_coefficient,
    discounted_telescope,
    log_likelihood,
    sequencematch_objective,
    sequencematch_terms,
    training_objective,
)
from smatch_edu.training.policy import Keys, Policy, TextPolicy
from smatch_edu.training.replay import ReplayBuffer
from smatch_edu.training.updates import Batcher, Run, loss_of

__all__ = [
    "LOSSES",
    "METHODS",
    "REPLAY",
    "SLIPS",
    "TYPING",
    "Batcher",
    "Condition",
    "Evaluation",
    "ExactOptimum",
    "Expert",
    "Interval",
    "Keys",
    "NeuralConfig",
    "NeuralPolicy",
    "Policy",
    "ReplayBuffer",
    "Run",
    "Telemetry",
    "TextPolicy",
    "TrainingConfig",
    "Trajectories",
    "alpha_of_coefficient",
    "discounted_telescope",
    "evaluate",
    "expected_next_value",
    "generate_answers",
    "leads_of",
    "load_checkpoint",
    "load_policy",
    "log_likelihood",
    "loss_of",
    "mean_interval",
    "read_log",
    "save_checkpoint",
    "sequencematch_objective",
    "sequencematch_terms",
    "share_interval",
    "start_run",
    "telemetry",
    "train",
    "train_policy",
    "training_objective",
]

"""What can be computed exactly: a keyboard as a Markov decision process, and the best typist on it, with a proof.

Nothing is sampled and no network is trained here. What `training` does with samples is held against this folder.

    figure1      the paper's Figure 1 as a Markov chain: errors compound, unless they can be undone
    divergences  f, φ and domain of eight f-divergences between occupancy measures
    mdp          `StringMDP`: all texts up to a length, the keyboard that slips, occupancies in linear time
    soft_values  what the best entropy-regularised policy earns for a given reward
    problem      what is minimised over policies, and maximised over rewards: one optimum from two sides
    solvers      the two ways to it, each with a certificate; read `problem` first
    tabular      the doors to both: minimise_divergence, maximise_objective, and what the sampled loss minimises
    summary      a machine-written summary's loss, to be read critically
"""

from smatch_edu.exact.divergences import DIVERGENCES, Divergence, chi2_mixture, get_divergence, skew_kl
from smatch_edu.exact.figure1 import Figure1Chain
from smatch_edu.exact.mdp import StringMDP
from smatch_edu.exact.problem import Solution
from smatch_edu.exact.soft_values import soft_values
from smatch_edu.exact.summary import SummaryTerms, minimise_summary_objective, summary_terms
from smatch_edu.exact.tabular import maximise_objective, minimise_divergence, objective, sampled_mixture

__all__ = [
    "DIVERGENCES",
    "Divergence",
    "Figure1Chain",
    "Solution",
    "StringMDP",
    "SummaryTerms",
    "chi2_mixture",
    "get_divergence",
    "maximise_objective",
    "minimise_divergence",
    "minimise_summary_objective",
    "objective",
    "sampled_mixture",
    "skew_kl",
    "soft_values",
    "summary_terms",
]

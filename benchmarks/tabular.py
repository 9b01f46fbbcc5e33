"""Exact divergence minimisation: the package's dual and primal against the convex program, in one run. `make bench`
runs it.

The convex program is the tests' oracle: cvxpy with Clarabel, over occupancies with flow constraints. Every value is
the cost of a policy (the dual's a lower bound), so where convex-dual is far above primal-dual the convex program
stopped early. Real words, backspace, 10 % noise, γ = 0.9, α = 0.1, one core.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import torch
from table import Table, machine, median

from smatch_edu.exact import StringMDP, maximise_objective, minimise_divergence
from smatch_edu.text import Vocabulary, load_words

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
import oracles

GAMMA, ALPHA, NOISE = 0.9, 0.1, 0.1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=3, help="repetitions of each")
    parser.add_argument("--divergences", nargs="+", default=["js", "chi2_mixture", "skew_kl"])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(machine())
    header = [
        "letters",
        "length",
        "states",
        "divergence",
        "dual s",
        "primal s",
        "convex s",
        "convex/dual",
        "convex/primal",
    ]
    rows = Table([*header, "primal-dual", "convex-dual"])
    for characters, length in (("aehot", 3), (Vocabulary().characters, 2), (Vocabulary().characters, 3)):
        vocabulary = Vocabulary(characters)
        found = load_words(length)
        words = [(w, c) for w, c in zip(*found, strict=True) if set(w) <= set(characters)]
        mdp = StringMDP(len(vocabulary), length, True, NOISE)
        clean = mdp.without_noise()
        expert = clean.occupancy(
            clean.demonstrator([vocabulary.encode(w) for w, _ in words], [c for _, c in words]), GAMMA
        )
        within_reach = mdp.num_states < 1000  # the oracle's transitions are dense
        for divergence in arguments.divergences:
            times: dict[str, list[float]] = {"dual": [], "primal": [], "convex": []}
            for _ in range(arguments.pairs):
                dual = maximise_objective(mdp, expert, divergence, GAMMA, ALPHA)
                times["dual"].append(dual.seconds)
                primal = minimise_divergence(mdp, expert, divergence, GAMMA, ALPHA)
                times["primal"].append(primal.seconds)
                if within_reach:
                    transitions = oracles.transition_tensor(len(vocabulary), length, True, NOISE)
                    start = time.perf_counter()
                    convex = oracles.convex_program(transitions, mdp.legal, expert, divergence, GAMMA, ALPHA)
                    times["convex"].append(time.perf_counter() - start)
            seconds = {name: median(values) if values else float("nan") for name, values in times.items()}
            rows.add(
                len(characters),
                length,
                f"{mdp.num_states:,}",
                divergence,
                *(f"{seconds[name]:.3f}" for name in ("dual", "primal", "convex")),
                f"{seconds['convex'] / seconds['dual']:.1f}×",
                f"{seconds['convex'] / seconds['primal']:.1f}×",
                f"{primal.value - dual.value:.0e}",
                f"{convex.value - dual.value:.0e}" if within_reach else "nan",
            )
            rows.print_last()


if __name__ == "__main__":
    main()

"""Divergence minimisation by a network, on a keyboard small enough to hold it against the exact optimum.

The policy is a transformer. The whole tree of texts is laid out by `text.tree`, so that a single pass over it gives the
logits at every text. Training looks only at sampled
trajectories; the measure of success looks at all texts: how much of the way from the uniform policy to the exact
optimum is still to go.

Built by hand in notebooks/08_neural_divergence.ipynb. Source: Cundy & Ermon 2023, section 3; the exact yardstick is
this project's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from smatch_edu.exact.divergences import DIVERGENCES, Divergence, get_divergence
from smatch_edu.exact.mdp import StringMDP
from smatch_edu.exact.problem import Problem
from smatch_edu.exact.soft_values import soft_values
from smatch_edu.exact.tabular import maximise_objective, minimise_divergence, sampled_mixture
from smatch_edu.network.transformer import Transformer, TransformerConfig
from smatch_edu.support.errors import nearest
from smatch_edu.support.progress import Progress
from smatch_edu.text.packing import visible
from smatch_edu.training.keyboard import every_text
from smatch_edu.training.objectives import MARGIN, Trajectories, log_likelihood, needs_model, training_objective

LOSSES = ("mle", "sampled_mixture", *DIVERGENCES)


class NeuralPolicy(nn.Module):
    """A transformer as the policy of a keyboard.

    Args:
        mdp: the keyboard, with backspace.
        num_layers, num_heads, width: of the `Transformer`.
        seed: of its initial weights.
    """

    def __init__(
        self, mdp: StringMDP, *, num_layers: int = 2, num_heads: int = 4, width: int = 64, seed: int = 0
    ) -> None:
        super().__init__()
        if not mdp.backspace:
            raise ValueError("the keyboard has no backspace; the tree of texts is walked by typing and deleting")
        self.mdp = mdp
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            start = mdp.num_actions  # one more token, which stands before every text
            shape = TransformerConfig(mdp.num_actions + 1, num_layers, num_heads, width, mdp.max_length + 1)
            self.transformer = Transformer(shape)
        self.absorbing_value = nn.Parameter(torch.zeros(()))
        self.raised = 0.0  # added to every logit: moves V, and not the policy
        self.every = every_text(mdp, [start])
        self.seen = visible(self.every.expires)

    def table(self) -> Float[Tensor, "states actions"]:
        """ℓ(a|s) for every state, in one pass. Entries of illegal actions mean nothing."""
        outputs = self.transformer(self.every.tokens, self.every.positions, self.seen) + self.raised
        at_texts = outputs.flatten(0, 1)[self.every.at, : self.mdp.num_actions]
        is_eos = torch.arange(self.mdp.num_actions) == self.mdp.eos
        return torch.cat([at_texts, torch.where(is_eos, self.absorbing_value, 0.0)[None]])

    @torch.no_grad()
    def policy(self) -> Float[np.ndarray, "states actions"]:
        """π = softmax ℓ over legal actions."""
        legal = torch.tensor(self.mdp.legal)
        return torch.softmax(self.table().double().masked_fill(~legal, -math.inf), dim=1).numpy()

    def raise_into_domain(self, divergence: str | Divergence, gamma: float, alpha: float) -> None:
        """Raise all logits so far that the rewards start inside φ's domain: forward KL needs r > 0 everywhere.

        With ℓ = C everywhere V is at most C + log(actions), and r = C - γV at least (1-γ)C - γ log(actions).
        """
        if math.isfinite(get_divergence(divergence).domain):
            self.raised = raised_into_domain(self.mdp.num_actions, divergence, gamma, alpha)
            nn.init.constant_(self.absorbing_value, self.raised)


def raised_into_domain(num_actions: int, divergence: str | Divergence, gamma: float, alpha: float) -> float:
    """How high all logits must begin so that every reward is inside φ's domain; 0 where it has no edge."""
    edge = get_divergence(divergence).domain
    return max((edge / alpha + gamma * math.log(num_actions) + 1) / (1 - gamma), 0.0) if math.isfinite(edge) else 0.0


# -- what is learned from ------------------------------------------------------------------------------------------


class Source(NamedTuple):
    """Somebody who types: how often it is she, her keyboard, and her policy."""

    weight: float
    mdp: StringMDP
    policy: Float[np.ndarray, "states actions"]


@dataclass(frozen=True)
class Expert:
    """Demonstrations, and their occupancy: one typist or several, each with a keyboard of her own.

    Attributes:
        sources: their weights sum to 1.
    """

    sources: Sequence[Source]

    def __post_init__(self) -> None:
        total = sum(source.weight for source in self.sources)
        if not abs(total - 1) < 1e-9 or min(source.weight for source in self.sources) < 0:
            raise ValueError(f"the weights of the sources sum to {total:.6g}; weights ≥ 0 that sum to 1 were wanted")

    @classmethod
    def of_texts(
        cls, mdp: StringMDP, texts: Sequence[Sequence[int]], weights: Sequence[float], uniform: float = 0.0
    ) -> Expert:
        """Clean demonstrations of these texts; a share `uniform` of them from somebody who presses anything on the
        learner's own keyboard, which makes every divergence finite."""
        clean = mdp.without_noise()
        sources = [Source(1 - uniform, clean, clean.demonstrator(texts, weights))]
        if uniform:
            sources.append(Source(uniform, mdp, mdp.uniform()))
        return cls(sources)

    def occupancy(self, gamma: float) -> Float[np.ndarray, "states actions"]:
        """ρ_E, exactly."""
        return sum(source.weight * source.mdp.occupancy(source.policy, gamma) for source in self.sources)

    def sample(
        self, num_trajectories: int, max_actions: int, rng: np.random.Generator
    ) -> tuple[Int[np.ndarray, "trajectories passed"], Int[np.ndarray, "trajectories time"]]:
        """As `StringMDP.sample`, each trajectory from a source drawn by weight."""
        counts = rng.multinomial(num_trajectories, [source.weight for source in self.sources])
        parts = [
            source.mdp.sample(source.policy, int(count), max_actions, int(rng.integers(2**31)))
            for source, count in zip(self.sources, counts, strict=True)
            if count
        ]
        return np.concatenate([states for states, _ in parts]), np.concatenate([actions for _, actions in parts])


# -- training ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class NeuralConfig:
    """How a `NeuralPolicy` is trained.

    Attributes:
        divergence: one of `LOSSES`: "mle", "sampled_mixture" (the paper's), or a key of `DIVERGENCES` by its φ.
        gamma: discount, in (0, 1).
        alpha: weight of the entropy, > 0.
        next_value: "expectation" or "sample": how V of the next text enters r on a keyboard that slips.
        num_steps: updates.
        batch: trajectories of each kind in an update.
        max_actions: a trajectory is cut after so many.
        learning_rate: Adam's highest; it falls to 0 along a straight line, after 20 steps of warm-up.
        seed: of all samples.
    """

    divergence: str = "sampled_mixture"
    gamma: float = 0.9
    alpha: float = 0.1
    next_value: str = "expectation"
    num_steps: int = 1000
    batch: int = 64
    max_actions: int = 40
    learning_rate: float = 5e-3
    seed: int = 0

    def __post_init__(self) -> None:
        if self.divergence not in LOSSES:
            raise nearest(self.divergence, LOSSES, "divergence")
        for name in ("num_steps", "batch", "max_actions"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1")

    @property
    def minimises(self) -> str:
        """What the loss minimises: the sampled mixture, its samples held fixed, the skew KL. (With `next_value`
        "sample" its penalty on r² is averaged over slips as well: it goes to the fixed point that
        `tabular.sampled_mixture` finds, and the skew KL is the cost to hold its typist against.)"""
        return "skew_kl" if self.divergence == "sampled_mixture" else self.divergence


def loss_on_samples(
    network: NeuralPolicy, expert: Expert, off_data: Tensor, config: NeuralConfig, rng: np.random.Generator
) -> Float[Tensor, ""]:
    """One estimate of -J/(1-γ) from fresh trajectories of the expert and, where the loss needs them, of the model.

    The model's samples are drawn from numbers, not from the graph: no gradient flows through them.

    Args:
        off_data: (states, actions) bool, the actions that no demonstration takes.
    """
    mdp, table = network.mdp, network.table()

    states, actions = expert.sample(config.batch, config.max_actions, rng)
    # Demonstrations were typed on keyboards of their own: where does the learner's lead?
    reached = mdp.step(states[:, :-1], actions, rng) if config.next_value == "sample" else None
    data = Trajectories.on_table(mdp, table, states, actions, config.next_value, reached)
    if config.divergence == "mle":
        return -log_likelihood(data, config.gamma)
    model = off = None
    if needs_model(config.divergence):
        legal = torch.tensor(mdp.legal)
        policy = torch.softmax(table.detach().double().masked_fill(~legal, -math.inf), dim=1)
        states, actions = mdp.sample(policy, config.batch, config.max_actions, int(rng.integers(2**31)))
        model = Trajectories.on_table(mdp, table, states, actions, config.next_value)
        off = off_data[states[:, :-1], actions]
        off = torch.nn.functional.pad(off, (0, model.actions.shape[1] - actions.shape[1]))
    terms = training_objective(
        data,
        network.absorbing_value,
        divergence=config.divergence,
        gamma=config.gamma,
        alpha=config.alpha,
        model=model,
        off_data=off,
    )
    return -terms.objective


def train_policy(
    network: NeuralPolicy,
    expert: Expert,
    config: NeuralConfig,
    yardstick: ExactOptimum | None = None,
    every: int = 100,
    progress: Progress | None = None,
) -> list[Measured]:
    """Train by Adam on `loss_on_samples`; with a `ExactOptimum`, measure at the start, every so many steps, and at the
    end.

    Args:
        progress: advances by a step for every update.

    Raises:
        FloatingPointError: a loss that is not a number, with the step and what to try.
    """
    rng = np.random.default_rng(config.seed)
    off_data = torch.as_tensor(expert.occupancy(config.gamma) == 0)
    if config.minimises != "mle":
        network.raise_into_domain(config.minimises, config.gamma, config.alpha)
    optimiser = torch.optim.Adam(network.parameters(), lr=config.learning_rate, betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: min(1, (step + 1) / 20) * (1 - step / config.num_steps)
    )
    measured = []
    for step in range(config.num_steps):
        if yardstick is not None and step % every == 0:
            measured.append(yardstick.measure(network, step))
        loss = loss_on_samples(network, expert, off_data, config, rng)
        if not loss.isfinite():
            raise FloatingPointError(
                f"the loss is {loss.item()} at step {step}; try a lower learning_rate than {config.learning_rate}"
            )
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 10.0)
        optimiser.step()
        schedule.step()
        if progress is not None:
            progress.advance()
    if yardstick is not None:
        measured.append(yardstick.measure(network, config.num_steps))
    return measured


# -- how far it got ------------------------------------------------------------------------------------------------


class Measured(NamedTuple):
    """A network held against the exact optimum.

    Attributes:
        step: updates so far.
        objective: J of its logits, moved into the domain where they are not.
        shortfall: (J* - J) / (J* - J of the uniform policy): 1 at the uniform policy, 0 at the optimum.
        cost_shortfall: the same for the policy's own cost D_f - αH (for "mle", the same number).
        outside: the share of legal actions whose reward had to be moved into the domain.
    """

    step: int
    objective: float
    shortfall: float
    cost_shortfall: float
    outside: float


class ExactOptimum:
    """The exact optimum of what a loss minimises, and how far logits are from it.

    The sampled mixture with `next_value` "sample" minimises nothing with a name: its J is then J_B of
    `tabular.sampled_mixture`, B being the samples of the policy at the fixed point.

    Args:
        mdp: the learner's keyboard.
        expert_occupancy: ρ_E, (states, actions).
        config: names the divergence, γ, α and `next_value`.

    Attributes:
        best: J*.
        uniform: J of the uniform policy's logits log π, raised as far as a start in φ's domain needs.
        policy: an optimal policy, (states, actions).
    """

    def __init__(self, mdp: StringMDP, expert_occupancy: Any, config: NeuralConfig) -> None:
        self.mdp, self.expert, self.config = mdp, np.asarray(expert_occupancy), config
        if config.minimises == "mle":
            visits = self.expert.sum(axis=1, keepdims=True)
            self.policy = np.where(visits > 0, self.expert / np.where(visits > 0, visits, 1), mdp.uniform())
            self.best, self.uniform = self._likelihood(self.policy), self._likelihood(mdp.uniform())
            return
        options = (config.minimises, config.gamma, config.alpha)
        own_fixed_point = config.divergence == "sampled_mixture" and config.next_value == "sample" and mdp.noise > 0
        if own_fixed_point:
            solution = sampled_mixture(mdp, self.expert, *options[1:], next_value="sample")
        else:
            solution = maximise_objective(mdp, self.expert, *options, next_value=config.next_value)
        if not (math.isfinite(solution.value) and solution.converged):
            raise ValueError(
                f"{config.minimises} has no finite optimum here, or none was found (gap {solution.gap:.3g}); "
                "with clean demonstrations and a noisy keyboard χ² and reverse KL need Expert.of_texts(uniform=...)"
            )
        self.best, self.policy = solution.value / config.alpha, solution.policy
        if own_fixed_point:
            buffer = mdp.key_occupancy(mdp.keys(torch.as_tensor(self.policy)), config.gamma)
            self.problem = Problem.of(mdp, self.expert, "chi2", *options[1:], buffer=buffer, sampled=True)
        else:
            self.problem = Problem.of(mdp, self.expert, *options, sampled=config.next_value == "sample")
        raised = raised_into_domain(mdp.num_actions, *options)
        logits = torch.log(torch.as_tensor(mdp.uniform()).clamp(min=1e-300)) + raised
        self.uniform = self.problem.objective(logits).item()
        self.best_cost = minimise_divergence(mdp, self.expert, *options, initial_policy=self.policy).value
        self.uniform_cost = self._cost(mdp.uniform())

    @torch.no_grad()
    def measure(self, network: NeuralPolicy, step: int) -> Measured:
        """How far a network has come."""
        return self.measure_logits(network.table(), step)

    def measure_logits(self, logits: Float[Tensor, "states actions"], step: int) -> Measured:
        """How far anything with these logits has come; those of illegal actions are ignored."""
        logits = logits.detach().double()
        policy = torch.softmax(logits.masked_fill(~torch.tensor(self.mdp.legal), -math.inf), dim=1).numpy()
        if self.config.minimises == "mle":
            found = self._likelihood(policy)
            shortfall = (self.best - found) / (self.best - self.uniform)
            return Measured(step, found, shortfall, shortfall, 0.0)
        found, outside = self.inside(logits)
        return Measured(
            step,
            found,
            (self.best - found) / (self.best - self.uniform),
            (self._cost(policy) - self.best_cost) / (self.uniform_cost - self.best_cost),
            outside,
        )

    def inside(self, logits: Float[Tensor, "states actions"]) -> tuple[float, float]:
        """J at rewards inside φ's domain, so a true lower bound on J*; and the share that had to be moved there.

        One reward below the edge makes J = -∞. Each such reward is raised: off the data to the edge, on the data a
        margin above it, where φ is finite.
        """
        mdp, problem, alpha, gamma = self.mdp, self.problem, self.config.alpha, self.config.gamma
        masked = logits.masked_fill(~torch.tensor(mdp.legal), -math.inf)
        values = torch.logsumexp(masked, dim=1)
        given = mdp.keys(masked, illegal=-math.inf).flatten() - gamma * mdp.next_values(values).flatten()
        legal = mdp.keys(torch.tensor(mdp.legal)).flatten()
        edge = problem.divergence.domain / alpha
        reward, outside = given, torch.zeros_like(legal)
        for _ in range(300):  # raising a reward raises values, and so what must be earned where a slip leads to them
            lowest = edge + gamma * self._surprise(values)
            outside |= legal & (given < lowest)
            if not bool((legal & (reward < lowest - torch.where(problem.support, 0.0, 1e-12))).any()):
                break
            inside = torch.where(problem.support, lowest + MARGIN / alpha, lowest)
            reward = torch.where(outside, torch.maximum(reward, inside), reward)  # never down again, so that it ends
            values, _ = soft_values(mdp, reward, gamma, values)
        gain = problem.gain(reward[problem.support], values)
        return (gain - (1 - gamma) * values[0]).item(), (outside.sum() / legal.sum()).item()

    def _surprise(self, values: Float[Tensor, " states"]) -> Float[Tensor, " keys"]:
        """By how much V of the best text that a slip may lead to exceeds what was expected; 0 if r is an expectation,
        and off the data."""
        mdp, ahead = self.mdp, self.mdp.next_values(values)
        if self.config.next_value == "expectation" or not mdp.noise:
            return torch.zeros_like(self.problem.floor)
        children = values[1 : 1 + mdp.num_inner * mdp.num_tokens].view(mdp.num_inner, mdp.num_tokens)
        best = children.max(dim=1, keepdim=True).values - ahead.tokens
        zero = torch.zeros_like(ahead.eos)
        return torch.where(self.problem.support, torch.cat([best.flatten(), zero, zero]), 0.0)

    def _likelihood(self, policy: np.ndarray) -> float:
        """E_ρE log π(a|s)."""
        on_data = self.expert > 0
        return float((self.expert[on_data] * np.log(policy[on_data])).sum())

    def _cost(self, policy: np.ndarray) -> float:
        """D_f(ρ_π ‖ ρ_E) - αH(π)."""
        occupancy = self.mdp.occupancy(policy, self.config.gamma)
        entropy = -(occupancy * np.log(np.where(policy > 0, policy, 1.0))).sum()
        return float(get_divergence(self.config.minimises)(occupancy, self.expert) - self.config.alpha * entropy)

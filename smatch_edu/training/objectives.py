"""Likelihood and SequenceMatch on logits along trajectories: what a network is trained with.

A trajectory s_0, a_0, s_1, ..., a_{N-1}, s_N is ended by `<eos>` (s_N is the absorbing state) or cut short. With
V(s) = log Σ_a exp ℓ(a|s) and r_i = ℓ(a_i|s_i) - γ V(s_{i+1}) (or its average over the learner's keyboard, see
`keyboard`) the objective, to be maximised, is

    E_data Σ_i γ^i (1/α) φ(α r_i)  -  V(s_0)

which is J/(1-γ) of `tabular.objective`: sums over a trajectory, not means, so that it mixes with a likelihood of the
same form. φ(x) = x makes it the discounted log-likelihood; φ(x) = x - x²/4 adds a penalty (α/4) r² on the Bellman
residual.

Built by hand in notebooks/05_objective_on_logits.ipynb. Source: Cundy & Ermon 2023, section 3.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, fields
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from smatch_edu.exact.divergences import DIVERGENCES, Divergence, get_divergence
from smatch_edu.exact.mdp import StringMDP, check_discount
from smatch_edu.support.errors import first_index, nearest

VALUE_ESTIMATES = ("start", "data", "half")
MARGIN = 0.02  # in training φ is continued from here above the edge of its domain, in units of α r
PENALTY = 2.0  # factor of `domain_penalty`; above 1 it is exact


@dataclass(frozen=True)
class Trajectories:
    """A batch of trajectories with the logits at the states they pass.

    Attributes:
        logits: (batch, time, actions), ℓ(·|s_i). A trajectory that was cut short needs one more state than it has
            actions.
        actions: (batch, time), a_i; what stands past a trajectory's length is ignored.
        lengths: (batch,), N, the number of actions taken, at least 1.
        ended: (batch,), whether the last action was `<eos>`, so that s_N is the absorbing state.
        legal: (batch, time, actions), the actions that the policy may choose from; all if left out.
        next_values: (batch, time), put in place of V(s_{i+1}) in r_i, for instance its expectation over a noisy
            keyboard.
        weights: (batch, time), factors on top of γ^i: 0 leaves a step out of the loss, and so does the last one with
            the tail. With other weights than 1 the value terms no longer telescope.
        terminal_values: (batch,), V of the terminal state that a trajectory ended in, where each finished text has one
            of its own; where all share one absorbing state it is the `absorbing_value` of every call.
        state_values: (batch, time), V(s_i), if whoever made the logits knew them already (`trusted`).

    Raises:
        ValueError: shapes that do not fit, a length out of range, an action that does not exist or is illegal, NaN
            logits; the message names trajectory and step.
    """

    logits: Float[Tensor, "batch time actions"]
    actions: Int[Tensor, "batch time"]
    lengths: Int[Tensor, " batch"]
    ended: Bool[Tensor, " batch"]
    legal: Bool[Tensor, "batch time actions"] | None = None
    next_values: Float[Tensor, "batch time"] | None = None
    weights: Float[Tensor, "batch time"] | None = None
    terminal_values: Float[Tensor, " batch"] | None = None
    state_values: ClassVar[Float[Tensor, "batch time"] | None] = None  # no field: `replace` shall not keep it

    def __post_init__(self) -> None:
        batch, time, num_actions = self.logits.shape
        if batch == 0:
            raise ValueError("the batch is empty; at least one trajectory was wanted")
        if self.logits.dtype in (torch.float16, torch.bfloat16):  # too coarse for γ^i: 0.998 would be 0.996
            object.__setattr__(self, "logits", self.logits.float())
        object.__setattr__(self, "actions", self.actions.long())
        wanted = {
            "actions": (batch, time),
            "lengths": (batch,),
            "ended": (batch,),
            "legal": (batch, time, num_actions),
            "next_values": (batch, time),
            "weights": (batch, time),
            "terminal_values": (batch,),
        }
        for name, shape in wanted.items():
            given = getattr(self, name)
            if given is not None and tuple(given.shape) != shape:
                raise ValueError(
                    f"{name} has shape {tuple(given.shape)}; with logits of shape {(batch, time, num_actions)} it must "
                    f"be {shape}"
                )
        longest = time - (~self.ended).long()
        wrong = (self.lengths < 1) | (self.lengths > longest)
        if wrong.any():
            (i,) = first_index(wrong)
            raise ValueError(
                f"trajectory {i} has length {self.lengths[i].item()}; with logits at {time} states it must be in "
                f"1..{longest[i].item()}"
            )
        step = self.taken
        wrong = step & ((self.actions < 0) | (self.actions >= num_actions))
        if wrong.any():
            i, t = first_index(wrong)
            raise ValueError(
                f"trajectory {i} takes action {self.actions[i, t].item()} at step {t}; actions are 0..{num_actions - 1}"
            )
        wrong = self.logits.isnan().any(dim=2) & self.passed
        if wrong.any():
            i, t = first_index(wrong)
            raise ValueError(f"trajectory {i} has NaN logits at step {t}; every logit must be a number")
        for name in ("next_values", "weights"):
            given = getattr(self, name)
            if given is not None and (given.isnan() & step).any():
                i, t = first_index(given.isnan() & step)
                raise ValueError(f"{name} of trajectory {i} is NaN at step {t}; a number was wanted")
        if self.legal is not None:
            wrong = ~self.legal.any(dim=2) & self.passed
            if wrong.any():
                i, t = first_index(wrong)
                raise ValueError(f"trajectory {i} has no legal action at step {t}; every state it passes needs one")
            wrong = step & ~self._of_action(self.legal)
            if wrong.any():
                i, t = first_index(wrong)
                raise ValueError(
                    f"trajectory {i} takes action {self.actions[i, t].item()} at step {t}, where it is illegal"
                )

    @classmethod
    def on_table(
        cls,
        mdp: StringMDP,
        logits: Float[Tensor, "states actions"],
        states: Int[np.ndarray, "batch passed"],
        actions: Int[np.ndarray, "batch time"],
        next_value: str = "sample",
        reached: Int[np.ndarray, "batch time"] | None = None,
    ) -> Trajectories:
        """Trajectories of `StringMDP.sample`, with logits from a table.

        Args:
            next_value: "sample" uses V of the state that was reached; "expectation" averages it over the keyboard's
                slips.
            reached: the state that each press led to, if it is another one than the trajectory's next: a demonstration
                was typed without slips, and the learner's keyboard slips ("sample" only).
        """
        where = torch.as_tensor(states[:, :-1])
        ended = torch.as_tensor(states[:, -1] >= mdp.absorbing)
        lengths = (where < mdp.absorbing).sum(dim=1)
        legal = torch.tensor(mdp.legal)
        pressed = torch.as_tensor(actions)
        if not ended.all():
            where = torch.as_tensor(states)
            pressed = torch.nn.functional.pad(pressed, (0, 1))
        if next_value not in ("expectation", "sample"):
            raise ValueError(f'next_value is {next_value!r}; it must be "expectation" or "sample"')
        ahead = None
        if next_value == "expectation" or reached is not None:
            values = torch.logsumexp(logits.masked_fill(~legal, -math.inf), dim=1)
            if next_value == "expectation":
                ahead = mdp.table(mdp.next_values(values))[where, pressed]
            else:
                ahead = torch.nn.functional.pad(values[torch.as_tensor(reached)], (0, int(not ended.all())))
        terminal = logits[torch.as_tensor(states[:, -1]), mdp.eos] if mdp.terminal == "each" else None
        return cls(logits[where], pressed, lengths, ended, legal[where], ahead, terminal_values=terminal)

    @classmethod
    def trusted(cls, **parts: Tensor | None) -> Trajectories:
        """The same without a look at any number, which would wait for a GPU: for parts that are right by how they were
        made, with logits in float32 at least."""
        found = object.__new__(cls)
        found.__dict__.update({name: parts.get(name) for name in cls._names()})
        return found

    @classmethod
    def _names(cls) -> list[str]:
        return [*(field.name for field in fields(cls)), "state_values"]

    def rows(self, start: int, stop: int) -> Trajectories:
        """Some of them, start..stop-1."""
        parts = {name: getattr(self, name) for name in self._names()}
        return self.trusted(**{name: part if part is None else part[start:stop] for name, part in parts.items()})

    @functools.cached_property
    def taken(self) -> Bool[Tensor, "batch time"]:
        """Which steps are within a trajectory's length."""
        return torch.arange(self.logits.shape[1], device=self.logits.device) < self.lengths[:, None]

    @functools.cached_property
    def passed(self) -> Bool[Tensor, "batch time"]:
        """Which states are passed: those of the steps taken, and the last one of a trajectory that was cut short."""
        steps = torch.arange(self.logits.shape[1], device=self.logits.device)
        return steps < (self.lengths + (~self.ended).long())[:, None]

    @property
    def counted(self) -> Bool[Tensor, "batch time"]:
        """Which steps are taken and have a weight."""
        return self.taken if self.weights is None else self.taken & (self.weights != 0)

    def _of_action(self, table: Tensor) -> Tensor:
        """Entry i of the action taken at step i; arbitrary past the end."""
        return table.gather(2, (self.actions * self.taken)[:, :, None]).squeeze(2)

    def _inside(self) -> Float[Tensor, "batch time"]:
        """V(s_i) = log Σ exp ℓ; meaningless past the end."""
        if self.state_values is not None:
            return self.state_values
        logits = self.logits if self.legal is None else self.logits.masked_fill(~self.legal, -math.inf)
        return torch.logsumexp(logits.masked_fill(~self.passed[:, :, None], 0.0), dim=2)

    def values(self, absorbing_value: Float[Tensor, ""]) -> Float[Tensor, "batch passed"]:
        """V(s_0)..V(s_N), (batch, time + 1), the absorbing state's being `absorbing_value`; 0 past the end."""
        values = torch.nn.functional.pad(torch.where(self.passed, self._inside(), 0.0), (0, 1))
        steps = torch.arange(values.shape[1], device=values.device)
        at_end = (steps == self.lengths[:, None]) & self.ended[:, None]
        return torch.where(at_end, self._terminal(absorbing_value)[:, None].to(values.dtype), values)

    def _terminal(self, absorbing_value: Float[Tensor, ""]) -> Float[Tensor, " batch"]:
        """V of the terminal state of each; meaningless for those that were cut short."""
        return absorbing_value.expand(len(self.lengths)) if self.terminal_values is None else self.terminal_values

    def tail_rewards(self, absorbing_value: Float[Tensor, ""], gamma: float) -> Float[Tensor, " batch"]:
        """r = (1-γ) V of staying in the terminal state, for ever; 0 for a trajectory that was cut short."""
        return torch.where(self.ended, (1 - gamma) * self._terminal(absorbing_value), 0.0)

    def rewards(self, absorbing_value: Float[Tensor, ""], gamma: float) -> Float[Tensor, "batch time"]:
        """r_i = ℓ(a_i|s_i) - γ V(s_{i+1}); 0 past the end."""
        ahead = self.values(absorbing_value)[:, 1:]
        if self.next_values is not None:
            last = torch.arange(ahead.shape[1], device=ahead.device) == self.lengths[:, None] - 1
            ahead = torch.where(last & self.ended[:, None], ahead, self.next_values)
        return torch.where(self.taken, self._of_action(self.logits) - gamma * ahead, 0.0)

    def discounts(self, gamma: float) -> Float[Tensor, "batch time"]:
        """γ^i times the step's weight; 0 past the end."""
        steps = torch.arange(self.logits.shape[1], device=self.logits.device, dtype=self.logits.dtype)
        weights = torch.ones_like(self.logits[:, :, 0]) if self.weights is None else self.weights
        return torch.where(self.taken, gamma**steps * weights, 0.0)

    def tail(self, gamma: float) -> Float[Tensor, " batch"]:
        """Σ_{i≥N} γ^i = γ^N/(1-γ), times the last step's weight, for a trajectory that ended; 0 for one that was cut
        short."""
        tail = torch.where(self.ended, gamma ** self.lengths.to(self.logits.dtype) / (1 - gamma), 0.0)
        return tail if self.weights is None else tail * self.weights.gather(1, self.lengths[:, None] - 1).squeeze(1)


class SequenceMatchTerms(NamedTuple):
    """The objective, taken apart: objective = data - value - model_penalty. Means over trajectories.

    Attributes:
        objective: J/(1-γ), to be maximised.
        data: E_data Σ γ^i (1/α) φ(α r_i), with the absorbing tail.
        value: the estimate of V(s_0).
        model_penalty: c E_model Σ γ^i r_i², with the absorbing tail (sampled mixture only).
        squared_reward_data: mean r² over the data's steps that count, for logs; no gradient.
        squared_reward_model: the same over the model's, NaN without them.
    """

    objective: Float[Tensor, ""]
    data: Float[Tensor, ""]
    value: Float[Tensor, ""]
    model_penalty: Float[Tensor, ""]
    squared_reward_data: Float[Tensor, ""]
    squared_reward_model: Float[Tensor, ""]


def log_likelihood(trajectories: Trajectories, gamma: float = 1.0) -> Float[Tensor, ""]:
    """E Σ_i γ^i log π(a_i|s_i), a sum over each trajectory and a mean over trajectories.

    Args:
        gamma: in (0, 1]. Below 1 it is SequenceMatch with φ(x) = x; behavioural cloning is the same sum on noised
            trajectories.
    """
    if not 0 < gamma <= 1:
        raise ValueError(f"gamma is {gamma}; it must be in (0, 1]")
    values = trajectories.values(torch.zeros((), dtype=trajectories.logits.dtype, device=trajectories.logits.device))
    chosen = torch.where(trajectories.counted, trajectories._of_action(trajectories.logits) - values[:, :-1], 0.0)
    return (trajectories.discounts(gamma) * chosen).sum(dim=1).mean()


def discounted_telescope(
    trajectories: Trajectories, absorbing_value: Float[Tensor, ""], gamma: float
) -> Float[Tensor, " batch"]:
    """Σ_i γ^i (V(s_i) - γ V(s_{i+1})) + γ^N V(s_N), which is V(s_0) on every trajectory: deleted, noised or cut short.

    With weights other than 1 it is not; then it is what subsampling transitions makes of V(s_0).
    """
    check_discount(gamma)
    values = trajectories.values(absorbing_value)
    steps = trajectories.discounts(gamma) * (values[:, :-1] - gamma * values[:, 1:])
    at_end = values.gather(1, trajectories.lengths[:, None]).squeeze(1)
    return steps.sum(dim=1) + gamma ** trajectories.lengths.to(values.dtype) * at_end


def alpha_of_coefficient(coefficient: float) -> float:
    """The α whose quadratic penalty on r² is `coefficient`: c = α/4, so α = 4c.

    The paper's "α = 0.01" can be read in two ways: as the weight of the entropy, c = 0.0025, or as IQ-Learn's
    1/(4α), c = 25.
    """
    if not (coefficient > 0 and math.isfinite(coefficient)):
        raise ValueError(f"coefficient is {coefficient}; the weight of r² must be a positive number")
    return 4 * coefficient


def sequencematch_terms(
    data: Trajectories,
    absorbing_value: Float[Tensor, ""],
    *,
    gamma: float,
    alpha: float | None = None,
    coefficient: float | None = None,
    divergence: str | Divergence = "sampled_mixture",
    model: Trajectories | None = None,
    value_estimate: str = "start",
    tail: bool = True,
) -> SequenceMatchTerms:
    """The SequenceMatch objective on trajectories and its parts.

    Args:
        data: demonstrations (noised or not), with the logits of the network at their states.
        absorbing_value: V after `<eos>`, one learned scalar (unless the trajectories have `terminal_values`). It earns
            r = (1-γ)V there for ever: the absorbing tail.
        gamma: discount, in (0, 1).
        alpha: weight of the entropy, > 0. Give either this,
        coefficient: or c = α/4, the coefficient of r² (see `alpha_of_coefficient`). "mle" needs neither.
        divergence: a key of `DIVERGENCES` or a `Divergence` (φ without clipping); "mle", φ(x) = x; or
            "sampled_mixture", the paper's: r - c r² on the data and -c r² on the model's samples.
        model: trajectories sampled from the model, held fixed (no gradient flows through the sampling).
        value_estimate: of V(s_0): "start", V(s_0) itself, over the data; "data", the telescoped sum over the data;
            "half", half of it over the data and half over `model`, as in the paper.
        tail: `False` leaves the absorbing tail out of φ, to show what that does.

    Raises:
        ValueError: an argument out of range; "sampled_mixture" or "half" without `model`; or a reward outside φ's
            domain, with the trajectory and step.
    """
    check_discount(gamma)
    if absorbing_value.device.type == "cpu" and absorbing_value.isnan():  # elsewhere the look would wait
        raise ValueError("absorbing_value is NaN; a number was wanted")
    if divergence == "mle" and alpha is None and coefficient is None:
        alpha = 1.0  # φ(x) = x has no use for it
    if (alpha is None) == (coefficient is None):
        raise ValueError(f"alpha is {alpha} and coefficient is {coefficient}; give exactly one of them")
    alpha = alpha_of_coefficient(coefficient) if coefficient is not None else alpha
    if not (alpha is not None and alpha > 0 and math.isfinite(alpha)):
        raise ValueError(f"alpha is {alpha}; the weight of the entropy must be a positive number")
    if value_estimate not in VALUE_ESTIMATES:
        raise nearest(value_estimate, VALUE_ESTIMATES, "value_estimate")
    if divergence not in ("mle", "sampled_mixture") and not isinstance(divergence, Divergence | str):
        raise ValueError(f"divergence is {divergence!r}; a name or a Divergence was wanted")
    if isinstance(divergence, str) and divergence not in (*DIVERGENCES, "mle", "sampled_mixture"):
        raise nearest(divergence, (*DIVERGENCES, "mle", "sampled_mixture"), "divergence")
    if model is None and (divergence == "sampled_mixture" or value_estimate == "half"):
        why = "divergence sampled_mixture" if divergence == "sampled_mixture" else "value_estimate half"
        raise ValueError(f"{why} needs trajectories sampled from the model; `model` is None")

    scale = float(alpha)

    def summed(trajectories: Trajectories, function: Any) -> tuple[Tensor, Tensor]:
        """E Σ_i γ^i function(r_i), the absorbing state's rewards for ever included; and the mean of r² for logs."""
        # What does not count must not be evaluated either: φ(0) may be -∞, and 0 · ∞ is not 0.
        counted = trajectories.counted
        rewards = torch.where(counted, trajectories.rewards(absorbing_value, gamma), 1.0)
        total = torch.where(counted, trajectories.discounts(gamma) * function(rewards), 0.0).sum(dim=1)
        if tail:
            ended, at_end = trajectories.ended, trajectories.tail_rewards(absorbing_value, gamma)
            gained = torch.where(ended, trajectories.tail(gamma) * function(torch.where(ended, at_end, 1.0)), 0.0)
            total = total + gained
        return total.mean(), torch.where(counted, rewards.detach(), 0.0).square().sum() / counted.sum()

    def phi(reward: Tensor) -> Tensor:
        if divergence == "mle":
            return reward
        if divergence == "sampled_mixture":
            return reward - scale / 4 * reward**2
        chosen = get_divergence(divergence)
        if reward.device.type == "cpu":  # elsewhere the look would wait
            _check_domain(chosen, scale * reward)
        return chosen.phi(scale * reward, clipped=False) / scale

    data_term, square_on_data = summed(data, phi)
    penalty, square_on_model = torch.zeros_like(data_term), torch.full_like(data_term, math.nan)
    if model is not None:
        penalty, square_on_model = summed(model, torch.square)
        penalty = scale / 4 * penalty if divergence == "sampled_mixture" else torch.zeros_like(penalty)

    if value_estimate == "start":
        value = data.values(absorbing_value)[:, 0].mean()
    else:
        value = discounted_telescope(data, absorbing_value, gamma).mean()
        if value_estimate == "half" and model is not None:
            value = (value + discounted_telescope(model, absorbing_value, gamma).mean()) / 2
    return SequenceMatchTerms(
        objective=data_term - value - penalty,
        data=data_term,
        value=value,
        model_penalty=penalty,
        squared_reward_data=square_on_data,
        squared_reward_model=square_on_model.detach(),
    )


def sequencematch_objective(
    data: Trajectories, absorbing_value: Float[Tensor, ""], **options: Any
) -> Float[Tensor, ""]:
    """J/(1-γ), to be maximised: the first of `sequencematch_terms`, which takes the same arguments."""
    return sequencematch_terms(data, absorbing_value, **options).objective


def domain_penalty(
    model: Trajectories,
    off_data: Bool[Tensor, "batch time"],
    absorbing_value: Float[Tensor, ""],
    *,
    gamma: float,
    alpha: float,
    divergence: str | Divergence,
) -> Float[Tensor, ""]:
    """How far rewards lie below the edge of φ's domain where the expert never goes: E_model Σ γ^i max(0, edge/α - r_i)
    over the steps that are off the data, and over the terminal state, if each finished text has one of its own and this
    one was finished off the data.

    φ is evaluated on the data alone, but α r must lie in its domain at every legal action. The Lagrange multiplier
    of that constraint is the learner's own occupancy, so this penalty, with a factor above 1, is exact: it moves no
    optimum. 0 for divergences whose φ is defined everywhere.

    Args:
        model: trajectories sampled from the model, held fixed.
        off_data: the steps whose (state, action) no demonstration has.
    """
    check_discount(gamma)
    edge = get_divergence(divergence).domain
    if not math.isfinite(edge):
        return torch.zeros_like(absorbing_value)
    below = torch.clamp(edge / alpha - model.rewards(absorbing_value, gamma), min=0)
    total = torch.where(model.taken & off_data, model.discounts(gamma) * below, 0.0).sum(dim=1)
    if model.terminal_values is not None:
        finished_off = model.ended & off_data.gather(1, model.lengths[:, None] - 1).squeeze(1)
        below = torch.clamp(edge / alpha - model.tail_rewards(absorbing_value, gamma), min=0)
        total = total + torch.where(finished_off, model.tail(gamma) * below, 0.0)
    return total.mean()


def training_objective(
    data: Trajectories,
    absorbing_value: Float[Tensor, ""],
    *,
    divergence: str,
    gamma: float,
    alpha: float,
    model: Trajectories | None = None,
    off_data: Bool[Tensor, "batch time"] | None = None,
) -> SequenceMatchTerms:
    """`sequencematch_terms` as it is trained: where φ has a domain it is continued by its tangent below `MARGIN`, and
    what the model types where no demonstration goes is kept inside by `PENALTY` times `domain_penalty`.

    Args:
        divergence: "sampled_mixture", or a key of `DIVERGENCES`.
        model, off_data: the model's samples, and their steps that no demonstration takes; where the divergence needs
            them (`needs_model`).
    """
    if divergence == "sampled_mixture":
        return sequencematch_terms(data, absorbing_value, gamma=gamma, alpha=alpha, model=model)
    chosen, options = get_divergence(divergence), dict[str, Any](gamma=gamma, alpha=alpha)
    terms = sequencematch_terms(data, absorbing_value, divergence=chosen.continued(MARGIN), model=model, **options)
    if model is None or off_data is None:
        return terms
    penalty = PENALTY * domain_penalty(model, off_data, absorbing_value, divergence=chosen, **options)
    return terms._replace(objective=terms.objective - penalty)


def needs_model(divergence: str) -> bool:
    """Whether `training_objective` looks at the model's own samples."""
    return divergence == "sampled_mixture" or math.isfinite(get_divergence(divergence).domain)


def _check_domain(divergence: Divergence, x: Tensor) -> None:
    outside = ~divergence.phi(x.detach()).isfinite()
    if not outside.any():
        return
    index = first_index(outside)
    where = f"at trajectory {index[0]}, step {index[1]}" if len(index) == 2 else "in the absorbing state"
    raise ValueError(
        f"α r is {x[index].item():.4g} {where}; φ of {divergence.name} needs more than {divergence.domain + 0.0:.4g}: "
        "start from larger logits, lower alpha, or take a divergence that is defined everywhere (chi2)"
    )

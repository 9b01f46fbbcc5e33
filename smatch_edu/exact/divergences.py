"""f-divergences between occupancy measures, and the φ that puts each of them into the objective on logits.

    D_f(ρ ‖ ρ_E) = Σ ρ_E f(ρ / ρ_E) = sup_r E_{ρ_E}[φ(r)] - E_ρ[r],     φ(x) = -f*(-x)

ρ is the learner's occupancy and ρ_E the expert's. The best r is -f'(ρ/ρ_E), so φ' takes -f'(u) back to u.

    >>> DIVERGENCES["chi2"](learner=np.array([0.5, 0.5]), expert=np.array([0.25, 0.75]))
    0.3333...

Source: Garg et al. 2021 (IQ-Learn), section 5; Cundy & Ermon 2023, section 3. The skew KL, and the fact that it is
what the sampled χ²-mixture loss minimises, is this project's (notebooks/04_duality.ipynb).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from smatch_edu.support.arrays import answers_in_kind, as_tensor, sum_tolerance
from smatch_edu.support.errors import first_index, nearest


@dataclass(frozen=True)
class Divergence:
    """An f-divergence and its dual.

    Attributes:
        name: key in `DIVERGENCES`.
        title: the name in words.
        perspective: ρ_E f(ρ/ρ_E) as a function of ρ, ρ_E > 0, unchecked. f(u) is its value at (u, 1).
        derivative: f' on u > 0.
        conjugate: φ inside its domain and before its peak, unchecked (`phi` is the checked version).
        f_at_zero: f(0), the price of never going where the expert goes; may be infinite.
        slope_at_infinity: f'(∞), the price per unit of mass where the expert never goes; may be infinite.
        slope_at_zero: f'(0). φ is constant from -f'(0) on.
        smooth: whether f' is continuous.
        scale: s for the divergence s·D (see `scaled`).
    """

    name: str
    title: str
    perspective: Callable[[Tensor, Tensor], Tensor]
    derivative: Callable[[Tensor], Tensor]
    conjugate: Callable[[Tensor], Tensor]
    f_at_zero: float
    slope_at_infinity: float
    slope_at_zero: float
    smooth: bool = True
    scale: float = 1.0

    @property
    def domain(self) -> float:
        """The lower end of φ's domain, -f'(∞). φ is finite above it."""
        return -self.scale * self.slope_at_infinity

    @property
    def peak(self) -> float:
        """-f'(0): φ is constant (and equal to f(0)) from here on."""
        return -self.scale * self.slope_at_zero

    @answers_in_kind
    def f(self, u: Tensor) -> Tensor:
        """f(u); ∞ for u < 0, and the limit at u = 0."""
        inside = u > 0
        value = self.scale * self.perspective(torch.where(inside, u, 1.0), torch.ones_like(u))
        at_zero = torch.full_like(u, self.scale * self.f_at_zero)
        return torch.where(inside, value, torch.where(u == 0, at_zero, math.inf)) + 0 * u

    @answers_in_kind
    def reward(self, u: Tensor) -> Tensor:
        """-f'(u), the reward that is optimal where ρ/ρ_E = u > 0."""
        return -self.scale * self.derivative(u)

    def phi(self, x: Any, clipped: bool = True) -> Any:
        """φ(x) = -f*(-x): concave, non-decreasing, φ(x) ≤ x + f(1); -∞ outside its domain.

        Args:
            x: any shape.
            clipped: keep φ constant past its peak, as the conjugate of an f on u ≥ 0 is. `False` follows the formula
                on: the maximum of the objective is the same and the gradient does not vanish, so training uses it.
        """
        return self._phi(x, clipped=clipped)

    @answers_in_kind
    def _phi(self, x: Tensor, clipped: bool) -> Tensor:
        edge = torch.tensor(-self.slope_at_infinity, dtype=x.dtype)
        closed = math.isfinite(edge) and math.isfinite(self.conjugate(edge))
        within = x >= self.domain if closed else x > self.domain
        x = x / self.scale
        ascending = torch.clamp(x, max=-self.slope_at_zero) if clipped else x
        value = self.conjugate(torch.where(within, ascending.clamp(min=edge.item()), 1.0))
        return self.scale * torch.where(x.isnan(), x, torch.where(within, value, -math.inf))

    def __call__(self, learner: Any, expert: Any) -> Any:
        """D_f(learner ‖ expert) of two distributions of equal shape: a float, possibly `inf` (a tensor for tensors).

        Raises:
            ValueError: shapes differ; an entry is negative or not a number; a side does not sum to 1.
        """
        if tuple(as_tensor(learner).shape) != tuple(as_tensor(expert).shape):
            raise ValueError(
                f"{self.name}: learner has shape {tuple(as_tensor(learner).shape)} and expert "
                f"{tuple(as_tensor(expert).shape)}; they must be equal"
            )
        for side, measure in (("learner", learner), ("expert", expert)):
            check_measure(f"{self.name}: {side}", measure)
        answer = self._divergence(learner, expert)
        # Equal measures may come out at -1e-17. A tensor keeps that, and with it its gradient.
        return answer if isinstance(answer, Tensor) else max(answer, 0.0)

    @answers_in_kind
    def _divergence(self, learner: Tensor, expert: Tensor) -> Tensor:
        return self.integrand(learner, expert).sum()

    def integrand(self, learner: Tensor, expert: Tensor) -> Tensor:
        """ρ_E f(ρ/ρ_E) entry by entry, with its limits where either side is zero; differentiable in `learner`."""
        on_data = expert > 0
        positive = on_data & (learner > 0)
        inside = self.perspective(torch.where(positive, learner, 1.0), torch.where(positive, expert, 1.0))
        missed = torch.where(on_data, expert * self.f_at_zero, 0.0)
        if math.isfinite(self.slope_at_infinity):
            invented = learner * self.slope_at_infinity
        else:
            invented = torch.where(learner > 0, math.inf, 0.0)
        return self.scale * torch.where(positive, inside, torch.where(on_data, missed, invented))

    def continued(self, margin: float = 0.02) -> Divergence:
        """φ as its own tangent from `margin` above the edge of its domain downwards, so that a network whose reward
        strays past the edge gets a finite loss that leads it back. As it is where φ is defined everywhere.

        Args:
            margin: > 0, in units of x.
        """
        if not (margin > 0 and math.isfinite(margin)):
            raise ValueError(f"{self.name}: margin is {margin}; it must be a positive number")
        if not math.isfinite(self.domain):
            return self
        near = torch.tensor(-self.slope_at_infinity + margin / self.scale, dtype=torch.float64, requires_grad=True)
        with torch.enable_grad():
            value = self.conjugate(near)
            (slope,) = torch.autograd.grad(value, near)
        edge, height, rise = near.item(), value.item(), slope.item()

        def conjugate(x: Tensor) -> Tensor:
            return torch.where(x < edge, height + rise * (x - edge), self.conjugate(torch.clamp(x, min=edge)))

        return replace(self, conjugate=conjugate, slope_at_infinity=math.inf)

    def scaled(self, scale: float) -> Divergence:
        """s·D, whose φ is s φ(x/s). (1/α) φ(α r) is the φ of D/α."""
        if not (scale > 0 and math.isfinite(scale)):
            raise ValueError(f"{self.name}: scale is {scale}; it must be a positive number")
        return replace(self, scale=self.scale * scale)


def check_measure(what: str, given: Any) -> None:
    """Raise a ValueError naming `what` unless the measure is non-negative, free of NaN, and sums to 1, within what its
    kind of number can tell (see `sum_tolerance`)."""
    measure = as_tensor(given)
    if measure.isnan().any():
        raise ValueError(f"{what} has NaN at index {first_index(measure.isnan())}; every entry must be a number")
    if (measure < 0).any():
        index = first_index(measure < 0)
        raise ValueError(f"{what} is {measure[index].item():.3g} at index {index}; every entry must be ≥ 0")
    total, within = measure.sum(dtype=torch.float64).item(), sum_tolerance(given, measure.numel())
    if not abs(total - 1) <= within:
        raise ValueError(f"{what} sums to {total:.9g}; it must sum to 1, within {within:.1g}")


def get_divergence(divergence: str | Divergence) -> Divergence:
    """The divergence of that name; a `Divergence` is passed through. ValueError (with the nearest name) if unknown."""
    if isinstance(divergence, Divergence):
        return divergence
    if divergence not in DIVERGENCES:
        raise nearest(divergence, DIVERGENCES, "divergence")
    return DIVERGENCES[divergence]


def chi2_mixture(c: float = 0.25) -> Divergence:
    """χ²(ρ_E ‖ (ρ_E+ρ)/2) / (2c): the penalty c on r² under both the data and the learner. c = 1/4 is the table's."""
    return DIVERGENCES["chi2_mixture"].scaled(1 / (4 * _checked_coefficient(c)))


def skew_kl(c: float = 0.25) -> Divergence:
    """(1/c) KL(ρ_E ‖ (ρ_E+ρ)/2), φ(x) = (1/c) log(1+2cx) - x: what the sampled mixture loss minimises."""
    return DIVERGENCES["skew_kl"].scaled(1 / (4 * _checked_coefficient(c)))


def _checked_coefficient(c: float) -> float:
    if not (c > 0 and math.isfinite(c)):
        raise ValueError(f"c is {c}; the coefficient of r² must be a positive number")
    return c


DIVERGENCES: dict[str, Divergence] = {
    d.name: d
    for d in (
        Divergence(
            "forward_kl",
            "forward KL",
            perspective=lambda p, q: q * (torch.log(q) - torch.log(p)),
            derivative=lambda u: -1 / u,
            conjugate=lambda x: 1 + torch.log(x),
            f_at_zero=math.inf,
            slope_at_infinity=0.0,
            slope_at_zero=-math.inf,
        ),
        Divergence(
            "reverse_kl",
            "reverse KL",
            perspective=lambda p, q: p * (torch.log(p) - torch.log(q)),
            derivative=lambda u: torch.log(u) + 1,
            conjugate=lambda x: -torch.exp(-x - 1),
            f_at_zero=0.0,
            slope_at_infinity=math.inf,
            slope_at_zero=-math.inf,
        ),
        Divergence(
            "js",
            "Jensen-Shannon",  # twice the Jensen-Shannon divergence in nats
            perspective=lambda p, q: p * torch.log(2 * p / (p + q)) + q * torch.log(2 * q / (p + q)),
            derivative=lambda u: torch.log(2 * u / (u + 1)),
            conjugate=lambda x: torch.log(2 - torch.exp(-x)),
            f_at_zero=math.log(2),
            slope_at_infinity=math.log(2),
            slope_at_zero=-math.inf,
        ),
        Divergence(
            "chi2",
            "χ²",
            perspective=lambda p, q: (p - q) * ((p - q) / q),
            derivative=lambda u: 2 * (u - 1),
            conjugate=lambda x: x - x**2 / 4,
            f_at_zero=1.0,
            slope_at_infinity=math.inf,
            slope_at_zero=-2.0,
        ),
        Divergence(
            "hellinger",
            "squared Hellinger",
            perspective=lambda p, q: (torch.sqrt(p) - torch.sqrt(q)) ** 2,
            derivative=lambda u: 1 - 1 / torch.sqrt(u),
            conjugate=lambda x: x / (1 + x),
            f_at_zero=1.0,
            slope_at_infinity=1.0,
            slope_at_zero=-math.inf,
        ),
        Divergence(
            "tv",
            "total variation",
            perspective=lambda p, q: (p - q).abs() / 2,
            derivative=lambda u: torch.sign(u - 1) / 2,
            conjugate=lambda x: torch.clamp(x, max=0.5),
            f_at_zero=0.5,
            slope_at_infinity=0.5,
            slope_at_zero=-0.5,
            smooth=False,
        ),
        Divergence(
            "chi2_mixture",
            "χ²-mixture",
            perspective=lambda p, q: (p - q) * ((p - q) / (p + q)),
            derivative=lambda u: 1 - 4 / (u + 1) ** 2,
            conjugate=lambda x: 4 * torch.sqrt(1 + x) - 4 - x,
            f_at_zero=1.0,
            slope_at_infinity=1.0,
            slope_at_zero=-3.0,
        ),
        Divergence(
            "skew_kl",
            "skew KL",
            perspective=lambda p, q: 2 * (p - q) + 4 * q * (torch.log(q) - torch.log((p + q) / 2)),
            derivative=lambda u: 2 - 4 / (1 + u),
            conjugate=lambda x: 4 * torch.log(1 + x / 2) - x,
            f_at_zero=4 * math.log(2) - 2,
            slope_at_infinity=2.0,
            slope_at_zero=-2.0,
        ),
    )
}

"""Independent oracles for the exact part of the course: slow, plain, and written without the package.

Nothing here imports the package under test. A string MDP's states are the texts that stand now (tuples of token ids,
the empty text first) followed by one absorbing state; its actions are the K tokens, then <eos> = K, then, if there is
one, <backspace> = K + 1. Occupancies rho(s, a) = (1 - gamma) sum_t gamma^t P(s_t = s) pi(a | s) sum to one.
"""

import itertools
import math
import time
import warnings
from dataclasses import dataclass

import cvxpy as cp
import numpy as np
from scipy.optimize import minimize_scalar

DIVERGENCE_NAMES = ("forward_kl", "reverse_kl", "js", "chi2", "hellinger", "tv", "chi2_mixture", "skew_kl")
INFINITE_OFF_THE_DATA = ("chi2", "reverse_kl")  # a learner with mass where the expert has none is infinitely far


# ---- Sequences as a Markov decision process ------------------------------------------------------------------------


def states_of(num_tokens, max_length):
    """All texts of at most `max_length` tokens: shorter first, lexicographic within a length."""
    return [text for n in range(max_length + 1) for text in itertools.product(range(num_tokens), repeat=n)]


def legal_actions(num_tokens, max_length, backspace, terminal="one"):
    """Boolean (states, actions): which action may be taken where; texts first, then the terminal states: one for all,
    or one for "each" text in its order."""
    states = states_of(num_tokens, max_length)
    count = len(states) + (len(states) if terminal == "each" else 1)
    legal = np.zeros((count, num_tokens + 2 if backspace else num_tokens + 1), dtype=bool)
    for s, text in enumerate(states):
        legal[s, :num_tokens] = len(text) < max_length
        legal[s, num_tokens] = True
        if backspace:
            legal[s, num_tokens + 1] = len(text) > 0
    legal[len(states) :, num_tokens] = True
    return legal


def transition_tensor(num_tokens, max_length, backspace, noise=0.0, terminal="one"):
    """Dense P[s, a, s'] of the noisy keyboard; the rows of illegal actions are zero.

    A pressed token is typed with probability 1 - noise, and each of the others with noise / (K - 1). <eos> and
    <backspace> always do what they say.
    """
    states, legal = states_of(num_tokens, max_length), legal_actions(num_tokens, max_length, backspace, terminal)
    index = {text: s for s, text in enumerate(states)}
    P = np.zeros((*legal.shape, len(legal)))
    for s, text in enumerate(states):
        for a in np.flatnonzero(legal[s]):
            if a == num_tokens:
                P[s, a, len(states) + (s if terminal == "each" else 0)] = 1.0
            elif a == num_tokens + 1:
                P[s, a, index[text[:-1]]] = 1.0
            else:
                for typed in range(num_tokens):
                    wrong = noise / (num_tokens - 1) if num_tokens > 1 else 0.0
                    P[s, a, index[(*text, typed)]] = 1.0 - (num_tokens - 1) * wrong if typed == a else wrong
    for end in range(len(states), len(legal)):
        P[end, num_tokens, end] = 1.0
    return P


def occupancy(P, policy, gamma):
    """rho of `policy` from the empty text, by one dense linear solve over the states that can be reached at all.

    Unreachable states get an exact zero (a solve over all states may leave round-off there, and a divergence that asks
    "is the expert zero here?" would notice).
    """
    step = np.einsum("sa,sat->st", policy, P)
    reached = {0}
    while True:
        wider = reached | {int(t) for s in reached for t in np.flatnonzero(step[s] > 0)}
        if wider == reached:
            break
        reached = wider
    rows = sorted(reached)
    assert np.allclose(step[rows].sum(1), 1.0), "policy rows must sum to one over legal actions"
    start = np.zeros(len(rows))
    start[0] = 1.0 - gamma
    visits = np.zeros(len(P))
    visits[rows] = np.linalg.solve(np.eye(len(rows)) - gamma * step[np.ix_(rows, rows)].T, start)
    return visits[:, None] * policy


def occupancy_by_power(P, policy, gamma, steps):
    """The same by explicit summation of `steps` terms; what is missing has mass gamma**steps."""
    step = np.einsum("sa,sat->st", policy, P)
    now, total = np.eye(len(P))[0], np.zeros(len(P))
    for t in range(steps):
        total += (1.0 - gamma) * gamma**t * now
        now = now @ step
    return total[:, None] * policy


# ---- Divergences ---------------------------------------------------------------------------------------------------


def numerical_phi(f, x, smallest=1e-18, largest=1e8, points=801):
    """phi(x) = -f*(-x) = inf over u >= 0 of f(u) + x u, for one scalar x, by minimising over log u.

    A grid brackets the minimum (the function is convex in u, hence unimodal) and a bounded scalar search refines it;
    u = 0 is tried too. Returns -inf when f(u) + x u still falls at u = `largest`, so x so near the edge of the domain
    that the minimiser lies beyond that is taken for outside.
    """

    def height(u):
        with np.errstate(all="ignore"):
            value = float(f(np.float64(u))) + x * u
        return value if not math.isnan(value) else math.inf

    if height(largest) < height(largest / 2) - 1e-3:
        return -math.inf
    grid = np.union1d(np.linspace(math.log(smallest), math.log(largest), points), [0.0])
    heights = [height(math.exp(z)) for z in grid]
    best = int(np.argmin(heights))
    bracket = (grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)])
    found = minimize_scalar(lambda z: height(math.exp(z)), bounds=bracket, method="bounded", options={"xatol": 1e-12})
    return min(height(0.0), heights[best], float(found.fun))


def _kl(p, q):
    """KL(p || q) with 0 log 0 = 0, infinite where p has mass and q has none."""
    total = 0.0
    for a, b in zip(np.ravel(p), np.ravel(q), strict=True):
        if a > 0:
            total += float(a) * math.log(a / b) if b > 0 else math.inf
    return total


def divergence(name, learner, expert):
    """D(learner || expert) of two distributions by its textbook definition, not through f."""
    pi, e = np.ravel(np.asarray(learner, float)), np.ravel(np.asarray(expert, float))
    if name == "forward_kl":
        return _kl(e, pi)
    if name == "reverse_kl":
        return _kl(pi, e)
    if name == "js":  # twice the Jensen-Shannon divergence, in nats
        return _kl(pi, (pi + e) / 2) + _kl(e, (pi + e) / 2)
    if name == "chi2":
        return math.inf if np.any(pi[e == 0] > 0) else float(np.sum((pi - e)[e > 0] ** 2 / e[e > 0]))
    if name == "hellinger":
        return float(np.sum((np.sqrt(pi) - np.sqrt(e)) ** 2))
    if name == "tv":
        return float(np.sum(np.abs(pi - e)) / 2)
    if name == "chi2_mixture":
        return float(np.sum((e - pi)[e + pi > 0] ** 2 / (e + pi)[e + pi > 0]))
    if name == "skew_kl":  # (1/c) KL(expert || mixture) with c = 1/4
        return 4.0 * _kl(e, (e + pi) / 2)
    raise KeyError(name)


def causal_entropy(rho):
    """H(rho) = -sum rho(s, a) log(rho(s, a) / sum_b rho(s, b))."""
    return -_kl(rho, np.broadcast_to(rho.sum(1, keepdims=True), rho.shape))


# ---- The saddle point: the primal as a convex program in the occupancy ---------------------------------------------


@dataclass
class ConvexSolution:
    """The optimum of min D_f(rho || rho_E) - alpha H(rho), bracketed: lower_bound <= optimum <= value."""

    value: float  # the objective at the exact occupancy of `policy`: feasible, hence an upper bound; inf if infeasible
    lower_bound: float  # from weak duality, by soft value iteration with costs the gradient of the divergence
    occupancy: np.ndarray  # (states, actions), the exact occupancy of `policy`
    policy: np.ndarray  # rows sum to one where visited, and are zero elsewhere
    seconds: float
    status: str
    solver_value: float  # what the solver itself reported


def _pairs_that_can_be_used(P, allowed):
    """The reachable part of the largest set of allowed pairs that a policy can stay in, wherever noise lands it."""
    usable = allowed.copy()
    while True:
        dead = ~usable.any(1)
        smaller = usable & ~(P[:, :, dead].sum(2) > 0)
        if (smaller == usable).all():
            break
        usable = smaller
    reached = np.zeros(len(P), dtype=bool)
    reached[0] = True
    for _ in range(len(P)):
        reached |= (P[reached] * usable[reached][:, :, None]).sum((0, 1)) > 0
    return usable & reached[:, None]


def _cvxpy_divergence(name, rho, e, unit):
    """D(rho || e) over pairs as a DCP expression; measuring in units of t = e + `unit` keeps the cones well scaled."""
    on = np.flatnonzero(e > 0)
    off_mass = cp.sum(rho[np.flatnonzero(e == 0)]) if len(on) < len(e) else 0.0
    w, t = e[on], e[on] + unit[on]
    p, q = cp.multiply(rho[on], 1.0 / t), w / t  # learner and expert in units of t
    if name == "forward_kl":
        return -(w @ (cp.log(p) - np.log(q)))
    if name == "reverse_kl":
        return t @ cp.rel_entr(p, q)
    if name == "js":  # off the data rel_entr(p, p / 2) = p log 2
        return t @ (cp.rel_entr(p, (p + q) / 2) + cp.rel_entr(q, (p + q) / 2)) + math.log(2) * off_mass
    if name == "chi2":
        return cp.sum_squares(cp.multiply(rho[on] - w, 1.0 / np.sqrt(w)))
    if name == "hellinger":
        return cp.sum(rho) + w.sum() - 2.0 * (np.sqrt(w * t) @ cp.sqrt(p))
    if name == "tv":
        return (cp.norm1(rho[on] - w) + off_mass) / 2
    if name == "chi2_mixture":  # (e - p)^2 / (e + p) = p - 3e + 4 e^2 / (e + p)
        return cp.sum(rho) - 3.0 * w.sum() + 4.0 * ((w * q) @ cp.inv_pos(p + q))
    if name == "skew_kl":
        return -4.0 * (w @ (cp.log((p + q) / 2) - np.log(q)))
    raise KeyError(name)


def _gradient(name, pi, e):
    """dD/dpi, elementwise; where e = 0 its limit (the divergences that are infinite there are not asked)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        off = {"forward_kl": 0.0, "js": math.log(2), "hellinger": 1.0, "chi2_mixture": 1.0, "skew_kl": 0.0}
        on = {
            "forward_kl": lambda: -e / pi,
            "reverse_kl": lambda: np.log(pi / e) + 1.0,
            "js": lambda: np.log(2 * pi / (pi + e)),
            "chi2": lambda: 2 * (pi / e - 1.0),
            "hellinger": lambda: 1.0 - np.sqrt(e / pi),
            "chi2_mixture": lambda: (pi - e) * (pi + 3 * e) / (pi + e) ** 2,
            "skew_kl": lambda: -4 * e / (pi + e),
        }[name]()
        return np.where(e > 0, on, off.get(name, math.nan))


def _soft_minimum(P, usable, cost, gamma, alpha):
    """min over policies of sum rho cost - alpha H(rho), by soft value iteration on the usable pairs."""
    value = np.zeros(len(P))
    for _ in range(math.ceil(math.log(1e-17) / math.log(gamma))):
        q = np.where(usable, -cost / alpha + gamma * (P @ value), -np.inf)
        top = np.where(usable.any(1), q.max(1), 0.0)
        value = np.where(usable.any(1), top + np.log(np.exp(q - top[:, None]).sum(1) + ~usable.any(1)), 0.0)
    return -alpha * (1.0 - gamma) * value[0]


def convex_program(P, legal, expert_occupancy, divergence_name, gamma, alpha, good_enough=1e-10):
    """Minimise D_f(rho || rho_E) - alpha H(rho) over the flow polytope, with cvxpy and Clarabel.

    An expert occupancy below 1e-15 counts as zero. For chi2 and reverse KL the learner is then held at zero there, and
    the value is infinite if no policy can do that. Scalings and tolerances are tried until the bracket is at most
    `good_enough` wide; the lowest value and the highest bound met are returned. The value errs by less than 1e-9; the
    bound alone is loose (up to 2e-6) for total variation at alpha = 1, where it leans on the solver's flow prices.
    """
    began, name = time.perf_counter(), divergence_name
    e_full = np.where(np.asarray(expert_occupancy, float) < 1e-15, 0.0, expert_occupancy)
    usable = _pairs_that_can_be_used(P, legal & (e_full > 0) if name in INFINITE_OFF_THE_DATA else legal.copy())
    if not usable.any(1)[0] or (name == "forward_kl" and np.any(e_full[~usable] > 0)):
        nothing, seconds = np.zeros(legal.shape), time.perf_counter() - began
        return ConvexSolution(math.inf, math.inf, nothing, nothing, seconds, "infeasible", math.inf)

    # Variables: z(s, a) = rho(s, a) / scale(s), for usable pairs; the scale is the uniform policy's visits to s.
    states, actions = np.nonzero(usable)
    visited = np.flatnonzero(usable.any(1))
    scale = occupancy(P, usable / np.maximum(usable.sum(1, keepdims=True), 1), gamma).sum(1)
    z = cp.Variable(len(states), nonneg=True)
    rho, e = cp.multiply(scale[states], z), e_full[states, actions]
    here = (states[None, :] == visited[:, None]).astype(float)  # (visited states, pairs): 1 where the pair starts there
    arrives = P[states, actions][:, visited].T  # (visited states, pairs)
    flow = (here - gamma * arrives) @ rho == (1.0 - gamma) * (visited == 0)
    minus_entropy = scale[states] @ cp.rel_entr(z, (here.T @ here) @ z)
    units = (0.0 * scale[states], scale[states])  # two scalings of the same cones: which is easier depends on the case
    goals = [_cvxpy_divergence(name, rho, e, unit) + alpha * minus_entropy for unit in units]
    problems = [cp.Problem(cp.Minimize(goal), [flow]) for goal in goals]
    problems = {"chi2": problems[:1], "tv": problems[:1], "chi2_mixture": problems}.get(name, problems[::-1])

    left_out = e_full[~usable].sum() if name == "chi2" else 0.0  # (0 - e)^2 / e at pairs that cannot be used
    best, bound = None, -math.inf
    for problem, tolerance in itertools.product(problems, (1e-12, 1e-10, 1e-9, 1e-8)):
        accuracy = dict.fromkeys(("tol_gap_abs", "tol_gap_rel", "tol_feas"), tolerance)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # "may be inaccurate": the certificate says how inaccurate
                problem.solve(solver=cp.CLARABEL, max_iter=500, **accuracy)
        except cp.SolverError:
            continue
        if z.value is None:
            continue
        raw = np.zeros(legal.shape)
        raw[states, actions] = scale[states] * np.maximum(z.value, 1e-14)
        policy = raw / np.where(usable.any(1), raw.sum(1), 1.0)[:, None]
        exact = occupancy(P, policy, gamma)
        value = divergence(name, exact, e_full) - alpha * causal_entropy(exact)
        # Weak duality: D is convex, so D(rho') >= D(rho) + g.(rho' - rho) for g a (sub)gradient at rho.
        if name == "tv":  # at the kinks the subgradient comes from the flow prices; any g in [-1/2, 1/2] is a bound
            prices = np.zeros(len(P))
            prices[visited] = -flow.dual_value
            g = prices[:, None] - gamma * (P @ prices) - alpha * np.log(np.where(usable, policy, 1.0))
            g = np.where(usable, np.clip(g, -0.5, 0.5), -0.5)
            constant = -np.sum(g * e_full)
        else:
            g = np.where(usable, _gradient(name, exact, e_full), 0.0)
            constant = divergence(name, exact, e_full) - np.sum(g * exact)
        bound = max(bound, constant + _soft_minimum(P, usable, g, gamma, alpha))
        if best is None or value < best.value:
            reported = float(problem.value + left_out)
            best = ConvexSolution(float(value), bound, exact, policy, 0.0, problem.status, reported)
        if best.value - bound <= good_enough:
            break
    if best is None:
        raise RuntimeError(f"Clarabel solved {name} at no tolerance")
    best.lower_bound, best.seconds = float(bound), time.perf_counter() - began
    return best


# ---- Experts to try things on --------------------------------------------------------------------------------------


def random_policy(rng, legal, concentration=1.0):
    """A Dirichlet row over the legal actions of every state."""
    policy = np.zeros(legal.shape)
    for s, row in enumerate(legal):
        policy[s, row] = rng.dirichlet(np.full(row.sum(), concentration))
    return policy


def random_sequences(rng, num_tokens, max_length, count):
    """`count` distinct texts (fewer if there are not so many; the empty one may be among them) and positive weights."""
    states = states_of(num_tokens, max_length)
    chosen = rng.choice(len(states), size=min(count, len(states)), replace=False)
    return [states[i] for i in chosen], rng.uniform(0.2, 1.0, size=len(chosen))


def demonstrator(states, legal, sequences, weights, num_tokens):
    """The policy that types exactly `sequences` and then <eos>, by counting prefixes.

    Texts that are no prefix of a sequence: uniform over the legal actions other than <backspace>.
    """
    policy = np.zeros(legal.shape)
    for s, text in enumerate(states):
        for sequence, weight in zip(sequences, weights, strict=True):
            if tuple(sequence[: len(text)]) == text:
                policy[s, sequence[len(text)] if len(sequence) > len(text) else num_tokens] += weight
        if policy[s].sum() == 0:
            policy[s, : num_tokens + 1] = legal[s, : num_tokens + 1]
        policy[s] /= policy[s].sum()
    policy[len(states) :, num_tokens] = 1.0
    return policy


# ---- The objective on logits ---------------------------------------------------------------------------------------


def objective_J(P, legal, expert_occupancy, logits, phi, gamma, alpha, next_value="expectation", slack=0.0):
    """J = E_E[(1/alpha) phi(alpha r)] - (1 - gamma) V(s0), with r = logits - gamma V(s').

    `next_value` is "expectation" (E[V(s')] inside phi) or "sample" (the mean of phi over s'). Every legal pair must lie
    in phi's domain, also one the expert never visits: else J = -inf. `phi` says so by -inf or NaN. Off the data `slack`
    is added to alpha r first: the optimum lies on the edge of the domain there, where round-off decides.
    """
    V = np.array([_log_sum_exp(logits[s][legal[s]]) for s in range(len(P))])
    total = 0.0
    for s, a in zip(*np.nonzero(legal), strict=True):
        if next_value == "expectation":
            cases = [(1.0, logits[s, a] - gamma * sum(P[s, a, t] * V[t] for t in np.flatnonzero(P[s, a])))]
        elif next_value == "sample":
            cases = [(P[s, a, t], logits[s, a] - gamma * V[t]) for t in np.flatnonzero(P[s, a])]
        else:
            raise ValueError(next_value)
        for probability, r in cases:
            weight = expert_occupancy[s, a] * probability
            with np.errstate(all="ignore"):
                value = float(phi(alpha * r + (slack if weight == 0 else 0.0)))
            if math.isnan(value) or value == -math.inf:
                return -math.inf
            total += weight * value / alpha
    return total - (1.0 - gamma) * V[0]


def sampled_mixture_J(P, legal, expert_occupancy, buffer, logits, gamma, alpha, next_value="expectation"):
    """J_B = E_E[r - c r^2] - c E_B[r^2] - (1 - gamma) V(s0), c = alpha/4, with the buffer's occupancy held fixed.

    `next_value` is "expectation" (E[V(s')] in r) or "sample" (both means run over s' as well).
    """
    V = np.array([_log_sum_exp(logits[s][legal[s]]) for s in range(len(P))])
    total = -(1.0 - gamma) * V[0]
    for s, a in zip(*np.nonzero(legal), strict=True):
        if next_value == "expectation":
            cases = [(1.0, logits[s, a] - gamma * P[s, a] @ V)]
        else:
            cases = [(P[s, a, t], logits[s, a] - gamma * V[t]) for t in np.flatnonzero(P[s, a])]
        for probability, r in cases:
            total += probability * expert_occupancy[s, a] * (r - alpha / 4 * r**2)
            total -= probability * buffer[s, a] * alpha / 4 * r**2
    return total


def _log_sum_exp(x):
    return float(np.max(x) + np.log(np.sum(np.exp(x - np.max(x)))))

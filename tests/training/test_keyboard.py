"""Whose keyboard a reward belongs to: branches, slips drawn without replacement, and V averaged over them."""

import dataclasses
import itertools
import math

import numpy as np
import pytest
import torch

import oracles
from smatch_edu.configs.training import TrainingConfig
from smatch_edu.exact.mdp import TERMINALS, StringMDP
from smatch_edu.tasks.keyboard import Keyboard
from smatch_edu.text.trajectories import Trajectory
from smatch_edu.training.keyboard import draw_slips, every_text, expected_next_value, leads_of
from smatch_edu.training.objectives import Trajectories
from smatch_edu.training.policy import Policy


def keyboard_of(rng, noise=None, **options):
    """A small keyboard of real words, a policy on it with random weights, and the same as an MDP."""
    letters = "".join(rng.choice(list("aehnorst"), size=4, replace=False))
    letters += "" if set(letters) & set("ao") else "a"
    task = Keyboard(longest_word=int(rng.integers(1, 4)), letters=letters)
    noise = float(rng.uniform(0.05, 0.6)) if noise is None else noise
    config = TrainingConfig(
        task="keyboard",
        noise=noise,
        num_layers=1,
        num_heads=2,
        width=16,
        value_head=bool(rng.random() < 0.5),
        seed=int(rng.integers(1000)),
        **options,
    )
    policy = Policy(task, config)
    with torch.no_grad():
        for part in policy.parameters():
            part += 0.3 * torch.randn(part.shape, generator=torch.Generator().manual_seed(int(rng.integers(2**31))))
    mdp = StringMDP(len(letters), task.max_length - 1, noise=noise, terminal=config.terminal)
    return task, policy, mdp


def random_walks(rng, task, mdp, count=5):
    """Trajectories of a random policy on the keyboard, some ended and some cut short, with slips."""
    letters, walks = mdp.num_tokens, []
    states, actions = mdp.sample(oracles.random_policy(rng, mdp.legal), count, 9, int(rng.integers(2**31)))
    names = {**{k: k for k in range(letters)}, mdp.eos: task.vocabulary.eos, mdp.eos + 1: task.vocabulary.backspace}
    for row, pressed in zip(states, actions, strict=True):
        length = int((row[:-1] < mdp.absorbing).sum())
        typed = [
            (after - 1) % letters if key < letters else names[key]
            for key, after in zip(pressed[:length].tolist(), row[1 : length + 1].tolist(), strict=True)
        ]
        meant = [names[key] for key in pressed[:length].tolist()]
        walks.append(Trajectory(np.array(task.vocabulary.encode(" ")), np.array(meant), np.array(typed)))
    return walks, states, actions


def test_v_of_the_next_text_is_averaged_as_the_exact_keyboard_slips(rng):
    mdp = StringMDP(int(rng.integers(2, 6)), 2, noise=float(rng.uniform(0, 0.9)))
    values = torch.tensor(rng.normal(size=(7, mdp.num_tokens)))
    wanted = mdp.slip(values)
    for pressed in range(mdp.num_tokens):
        others = [token for token in range(mdp.num_tokens) if token != pressed]
        found = expected_next_value(values[:, pressed], values[:, others], mdp.noise)
        torch.testing.assert_close(found, wanted[:, pressed])


@pytest.mark.parametrize("large", [False, True])
def test_slips_are_different_tokens_other_than_the_pressed_one_each_as_likely(rng, large):
    """Of a large keyboard few are drawn, in another way."""
    num_tokens, presses = int(rng.integers(257, 300) if large else rng.integers(3, 9)), 20_000
    count = int(rng.integers(1, 5 if large else num_tokens))
    pressed = rng.integers(num_tokens, size=presses)
    slips = draw_slips(pressed, num_tokens, count, rng)
    assert slips.shape == (presses, count)
    assert ((slips >= 0) & (slips < num_tokens) & (slips != pressed[:, None])).all()
    assert all(len(set(row)) == count for row in slips.tolist())
    share = np.bincount(((slips - pressed[:, None]) % num_tokens).ravel(), minlength=num_tokens)[1:] / presses
    expected = count / (num_tokens - 1)
    assert np.abs(share - expected).max() <= 5 * math.sqrt(expected * (1 - expected) / presses) + 1e-12
    for wrong in (0, num_tokens):
        with pytest.raises(ValueError, match=f"count is {wrong}; a keyboard of {num_tokens} tokens has 1 to"):
            draw_slips(pressed, num_tokens, wrong, rng)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_press_of_a_token_leads_to_that_token_or_to_a_slip_and_another_key_to_nothing_else(rng, count):
    num_tokens = int(rng.integers(2, 7))
    count, pressed = min(count, num_tokens - 1), rng.integers(num_tokens + 2, size=30)
    leads = leads_of(pressed, num_tokens, count, rng)
    assert leads.shape == (30, 1 + count)
    for press, row in zip(pressed.tolist(), leads.tolist(), strict=True):
        if press < num_tokens:
            assert row[0] == press and len(set(row)) == 1 + count and set(row) <= set(range(num_tokens))
        else:
            assert set(row) == {-1}


@pytest.mark.parametrize("terminal", TERMINALS)
@pytest.mark.parametrize("noise", [0.0, None])
def test_a_packed_pass_with_all_branches_has_the_rewards_of_the_exact_keyboard(rng, terminal, noise):
    """`updates` and `neural` meet here: the same trajectories, through branches and through the table of all texts."""
    task, policy, mdp = keyboard_of(rng, noise, terminal=terminal)
    walks, states, actions = random_walks(rng, task, mdp)
    table = policy.table(mdp, task.vocabulary.encode(" "))
    exact = Trajectories.on_table(mdp, table, states, actions, "expectation")
    absorbing, gamma = policy.absorbing_value.detach(), policy.config.gamma
    with torch.no_grad():
        found, reached = policy.on(walks, slips=rng), policy.on(walks)
    wanted, rewards = exact.rewards(absorbing, gamma), found.rewards(absorbing, gamma)
    for row, length in enumerate(found.lengths.tolist()):
        torch.testing.assert_close(rewards[row, :length], wanted[row, :length], atol=2e-5, rtol=1e-5)
        torch.testing.assert_close(found.logits[row, :length], reached.logits[row, :length], atol=1e-5, rtol=0)
    ended = found.ended
    torch.testing.assert_close(
        found.tail_rewards(absorbing, gamma)[ended], exact.tail_rewards(absorbing, gamma)[ended], atol=1e-5, rtol=1e-5
    )


@pytest.mark.parametrize("row_length", [1, 5, 40])
def test_how_the_tree_is_cut_into_rows_changes_no_number(rng, row_length):
    """With slips, texts that were cut short, and rows that are too short for a single text."""
    task, policy, mdp = keyboard_of(rng, None, terminal="each")
    walks, _, _ = random_walks(rng, task, mdp)
    seed = int(rng.integers(2**31))
    with torch.no_grad():
        policy.config = dataclasses.replace(policy.config, row_length=10**6)
        alone = policy.on(walks, slips=np.random.default_rng(seed))
        policy.config = dataclasses.replace(policy.config, row_length=row_length)
        shared = policy.on(walks, slips=np.random.default_rng(seed))
    passed = alone.passed
    torch.testing.assert_close(shared.logits[passed], alone.logits[passed], atol=1e-5, rtol=0)
    for name in ("actions", "lengths", "ended"):
        assert torch.equal(getattr(shared, name), getattr(alone, name))
    assert alone.next_values is not None and shared.next_values is not None
    torch.testing.assert_close(shared.next_values[alone.taken], alone.next_values[alone.taken], atol=1e-4, rtol=1e-5)
    ended = alone.ended
    assert alone.terminal_values is not None and shared.terminal_values is not None
    torch.testing.assert_close(shared.terminal_values[ended], alone.terminal_values[ended], atol=1e-4, rtol=1e-5)


def test_some_slips_are_unbiased_and_cost_the_square_what_the_docstring_says(rng):
    """Every set of m slips, by hand: the mean of E V is exact, that of r² too high by γ² η² s² (1/m - 1/(K-1))."""
    num_tokens, noise, gamma = 6, float(rng.uniform(0.1, 0.9)), float(rng.uniform(0.5, 0.99))
    meant, slips = torch.tensor(rng.normal()), torch.tensor(rng.normal(size=num_tokens - 1))
    reward, exact = float(rng.normal()), expected_next_value(meant, slips, noise)
    for count in range(1, num_tokens):
        drawn = torch.stack([slips[list(some)] for some in itertools.combinations(range(num_tokens - 1), count)])
        found = expected_next_value(meant.expand(len(drawn)), drawn, noise)
        assert found.mean().item() == pytest.approx(exact.item(), abs=1e-12)
        more = ((reward - gamma * found) ** 2).mean() - (reward - gamma * exact) ** 2
        spread = slips.var().item() * (1 / count - 1 / (num_tokens - 1))
        assert more.item() == pytest.approx(gamma**2 * noise**2 * spread, abs=1e-12)


@pytest.mark.parametrize("terminal", TERMINALS)
def test_the_table_has_the_logits_of_a_fresh_run_on_every_text(rng, terminal):
    task, policy, mdp = keyboard_of(rng, terminal=terminal)
    prompt = task.vocabulary.encode(" ")
    table = policy.table(mdp, prompt)
    columns = [*range(mdp.num_tokens), task.vocabulary.eos, task.vocabulary.backspace]
    for state in rng.choice(mdp.num_texts, size=min(20, mdp.num_texts), replace=False).tolist():
        with torch.no_grad():
            fresh = policy.transformer(torch.tensor([[*prompt, *mdp.text(state)]]))[0, -1][columns]
        legal = torch.tensor(mdp.legal[state])
        wanted, found = (row[legal].log_softmax(0) for row in (fresh, table[state]))
        torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)
        if not policy.config.value_head:
            torch.testing.assert_close(table[state][legal], fresh[legal], atol=1e-5, rtol=1e-5)
    assert table.shape == (mdp.num_states, mdp.num_actions)
    if terminal == "one":
        assert table[-1, mdp.eos] == policy.absorbing_value


def test_every_text_is_seen_from_its_input(rng):
    mdp = StringMDP(int(rng.integers(2, 5)), int(rng.integers(0, 4)))
    prompt = rng.integers(9, size=int(rng.integers(1, 4))).tolist()
    every = every_text(mdp, prompt)
    assert len(every.at) == mdp.num_texts
    for state in range(mdp.num_texts):
        row, column = divmod(int(every.at[state]), every.tokens.shape[1])
        seen = (torch.arange(len(every.tokens[0])) <= column) & (every.expires[row] > column)
        assert every.tokens[row][seen].tolist() == [*prompt, *mdp.text(state)]

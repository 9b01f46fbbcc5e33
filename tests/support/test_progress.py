"""A long job shows a bar where one can be drawn, and elsewhere a line now and then; threads are given back."""

import io
import sys

import pytest
import torch

from smatch_edu.support import progress as module
from smatch_edu.support.arrays import one_thread
from smatch_edu.support.progress import Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Notebook(io.StringIO):
    """As ipykernel's stream: no terminal, and told by where its class comes from."""


Notebook.__module__ = "ipykernel.iostream"


class Clock:
    now = 0.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def shown_on(stream, monkeypatch, clock, steps, seconds, **options):
    """What a job of so many steps, which takes so many seconds, writes on stderr."""
    monkeypatch.setattr(sys, "stderr", stream)
    with Progress(steps, "training", "update", **options) as progress:
        for step in range(steps):
            progress.now(f"loss={step}")
            clock.now += seconds / steps
            progress.advance()
    return stream.getvalue() if stream else ""


@pytest.mark.parametrize("stream", [Terminal, Notebook])
def test_a_bar_is_drawn_on_a_terminal_and_in_a_notebook(stream, monkeypatch, clock):
    text = shown_on(stream(), monkeypatch, clock, 5, 1)
    assert "training: 100%" in text and "5/5" in text and "loss=4" in text and "\r" in text
    assert shown_on(stream(), monkeypatch, clock, 5, 1, shown=False) == ""


def test_elsewhere_there_is_one_line_for_a_short_job(monkeypatch, clock):
    assert shown_on(io.StringIO(), monkeypatch, clock, 600, 9.5) == "training: 600 of 600 updates, 00:09 (loss=599)\n"


@pytest.mark.parametrize(("seconds", "fewest", "most"), [(60, 3, 7), (3600, 15, 30), (3 * 86400, 25, 50)])
def test_elsewhere_a_long_job_has_a_few_lines_and_never_hundreds(seconds, fewest, most, monkeypatch, clock):
    text = shown_on(io.StringIO(), monkeypatch, clock, 50_000, seconds)
    lines = text.splitlines()
    assert fewest <= len(lines) <= most and "\r" not in text
    assert "left" in lines[0] and lines[0].startswith("training: ")
    assert lines[-1].startswith("training: 50,000 of 50,000 updates")


def test_a_run_that_goes_on_foretells_by_what_it_has_done_itself(monkeypatch, clock):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with Progress(1000, "training", "update", done=900) as progress:
        clock.now += 30
        progress.advance(50)
        assert sys.stderr.getvalue() == "training: 950 of 1,000 updates, 00:30, about 00:30 left\n"


def test_a_part_of_a_longer_job_writes_no_lines_and_a_missing_stream_is_no_error(monkeypatch, clock):
    assert shown_on(io.StringIO(), monkeypatch, clock, 100, 1000, part=True) == ""
    assert shown_on(None, monkeypatch, clock, 100, 1000) == ""


def test_threads_are_given_back_also_after_an_error():
    torch.set_num_threads(2)
    try:
        with pytest.raises(ZeroDivisionError), one_thread():
            assert torch.get_num_threads() == 1
            1 / 0  # noqa: B018
        assert torch.get_num_threads() == 2
        assert one_thread()(torch.get_num_threads)() == 1
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)

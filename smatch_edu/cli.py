"""The `smatch` command. Each subcommand is a dataclass and the function that takes it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import tyro

from smatch_edu import course, report, show
from smatch_edu.experiments import NeuralDivergenceConfig, SweepConfig, neural_divergence, sweep
from smatch_edu.files import check_writable, write_atomically
from smatch_edu.vocabulary import Vocabulary, load_words
from smatch_edu.walkthrough import WalkthroughConfig, walkthrough

app = tyro.extras.SubcommandApp()


@app.command(name="walkthrough")
def run_walkthrough(config: tyro.conf.OmitArgPrefixes[WalkthroughConfig]) -> None:
    """Type real words at a noisy keyboard, train the typist exactly, and write a report."""
    check_writable(config.out)
    if config.figures is not None:
        config.figures.mkdir(parents=True, exist_ok=True)
    vocabulary, words = Vocabulary(), load_words(config.max_length, config.words)
    results = walkthrough(config, words, vocabulary)
    write_atomically(config.out, report.page(results, words, vocabulary, config))
    if config.figures is not None:
        for name, panel in report.panels(results, config).items():
            write_atomically(config.figures / f"{name}.svg", show.svg(panel.figure))
    print(f"Report: {config.out} (open it in a browser; it needs no network)")


@app.command(name="learn")
def run_learn(source: Path = Path("notebooks"), out: Path = Path("learn")) -> None:
    """Make the student versions of the notebooks. A file that you have changed is never overwritten.

    Args:
        source: the folder of the solved notebooks.
        out: the folder to work in.
    """
    for line in course.generate(source, out):
        print(line)


experiment = tyro.extras.SubcommandApp()
app.command(experiment, name="experiment", help="Run an experiment; one that was interrupted goes on where it was.")


@experiment.command(name="neural-divergence")
def run_neural_divergence(config: tyro.conf.OmitArgPrefixes[NeuralDivergenceConfig]) -> None:
    """Train a small transformer for every divergence and hold it against the exact optimum."""
    neural_divergence(config)
    print(f"Table: {config.out}")


@experiment.command(name="sweep")
def run_sweep(config: tyro.conf.OmitArgPrefixes[SweepConfig]) -> None:
    """Train with every combination of some settings, and see how well each answers."""
    sweep(config)
    print(f"Table: {config.out}")


@app.command(name="version")
def run_version() -> None:
    """Print the versions of the package and of what its results depend on."""
    import platform

    import numpy
    import scipy
    import torch

    from smatch_edu import __version__

    print(
        f"smatch_edu {__version__}  python {platform.python_version()}  torch {torch.__version__}  "
        f"numpy {numpy.__version__}  scipy {scipy.__version__}"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command. What the user can mend is said in one line, exit code 2; Ctrl-C ends with 130."""
    try:
        app.cli(prog="smatch", description="SequenceMatch, taught and implemented.", args=arguments)
    except (ValueError, OSError) as error:
        print(f"smatch: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("smatch: interrupted; nothing half-written is left", file=sys.stderr)
        return 130
    return 0

"""Three models that learned to add, side by side: maximum likelihood, behavioural cloning, SequenceMatch.

They are in data/checkpoints, with the commands that trained them. `smatch compare` lets them answer the same questions,
with the backspace key and without it, prints one table, trains a small model for half a minute, and writes one page.

Source: Cundy & Ermon 2023, section 5 (the comparison; here on a task that two cores can learn).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any, NamedTuple

from matplotlib.figure import Figure

from smatch_edu.configs.comparison import ComparisonConfig
from smatch_edu.configs.training import METHODS, TrainingConfig
from smatch_edu.network.generation import Trace
from smatch_edu.pictures import figures, show
from smatch_edu.support.arrays import one_thread
from smatch_edu.support.files import as_path, packaged
from smatch_edu.support.progress import Progress
from smatch_edu.support.tables import percent, text_table
from smatch_edu.tasks import Example, Task
from smatch_edu.training.evaluation import HEADER, LEGEND, Condition, Evaluation, evaluate, generate_answers, table_rows
from smatch_edu.training.loop import load_policy, read_log, start_run
from smatch_edu.training.policy import Policy

TITLES = {"mle": "maximum likelihood", "bc": "behavioural cloning", "sequencematch": "SequenceMatch"}
CONDITIONS = tuple(
    Condition(temperature, backspace, noise)
    for temperature, noise in ((1.0, 0.0), (0.0, 0.0), (1.0, 0.1))
    for backspace in (True, False)
)
AT_ONE = CONDITIONS[0]
BASE = "base"
FIGURES = ("accuracies", "learning_curves")


class Model(NamedTuple):
    """A trained model, how it was trained, and the lines of its log."""

    policy: Policy
    config: TrainingConfig
    log: list[dict[str, Any]]


def load_models(folder: str | Path | None = None) -> dict[str, Model]:
    """method → model, of the package's own checkpoints or of another folder's. ValueError naming what is missing."""
    folder = packaged("checkpoints") if folder is None else as_path(folder)
    return {method: Model(*load_policy(folder / method), read_log(folder / method)) for method in METHODS}


@one_thread()
def compare(config: ComparisonConfig) -> tuple[str, dict[str, Figure]]:
    """Print everything; returns the page and its figures by name."""
    folder = Path(config.checkpoints or packaged("checkpoints"))
    models = load_models(folder)
    task = next(iter(models.values())).policy.task
    examples = task.split(config.split)
    size, steps = models["mle"].policy.transformer.num_parameters(), models["mle"].config.steps
    print(
        f"Three models of {size:,} parameters, trained with {steps:,} updates each from the same start, are asked to "
        "add."
    )

    asked = examples[: config.shown]
    typed = {
        method: {on: generate_answers(model.policy, asked, Condition(1.0, on), config.seed) for on in (True, False)}
        for method, model in models.items()
    }
    print("\n".join(typing_lines(task, asked, typed)))

    found: dict[str, list[Evaluation]] = {}
    asking = f"{len(examples):,} questions ({config.split})"
    with Progress(len(models) * len(CONDITIONS), asking, "round") as progress:
        for method, model in models.items():
            progress.now(TITLES[method])
            found[method] = evaluate([model.policy], examples, CONDITIONS, config.seed, progress)
    header, body = table(found)
    print(text_table(header, body, words=2, group=1))
    print(LEGEND)
    live = train_live(models["sequencematch"].config, config.steps, folder / BASE) if config.steps else ""
    return _page(models, examples, typed, found, live), _figures(models, found)


def _figures(
    models: Mapping[str, Model], found: Mapping[str, Sequence[Evaluation]], narrow: bool = False
) -> dict[str, Figure]:
    """The figures of the page, by name."""
    accuracies = {TITLES[method]: {str(one.condition): one.accuracy for one in some} for method, some in found.items()}
    return {
        "accuracies": figures.accuracies_with_intervals(accuracies, narrow=narrow),
        "learning_curves": figures.learning_curves(*_curves(models), narrow=narrow),
    }


def typing_lines(
    task: Task, asked: Sequence[Example], typed: Mapping[str, Mapping[bool, Sequence[Trace]]]
) -> list[str]:
    """Every key of every answer, and whether what is left is right.

    Args:
        typed: method → whether backspace is allowed → one trace for each example.
    """
    lines = []
    for number, example in enumerate(asked):
        lines.append(f"{task.show(example.prompt)}{task.show(example.answer)}")
        for method, with_and_without in typed.items():
            for allowed, traces in with_and_without.items():
                trace = traces[number]
                right = trace.ended == "eos" and task.score(example, trace.text)
                keys = task.show(trace.actions)
                lines.append(f"  {TITLES[method]:<20} {'⌫ ' if allowed else '  '} {keys:<16} {'✓' if right else '✗'}")
    return lines


def table(found: Mapping[str, Sequence[Evaluation]]) -> tuple[list[str], list[list[str]]]:
    """Header and rows of the one table."""
    return ["trained by", *HEADER], [
        [TITLES[method], *row] for method, some in found.items() for row in table_rows(some)
    ]


def train_live(config: TrainingConfig, steps: int, base: str | Path) -> str:
    """The loop, alive: from where all three began, a quarter of warm-up and then SequenceMatch. Returns what is to be
    said of it."""
    changed = replace(config, init=str(base), steps=steps, warmup_steps=steps // 4, beta_steps=max(steps // 4, 1))
    run, switch, line = start_run(changed), 0.0, dict[str, Any]()
    with Progress(steps, "training one", "update") as progress:
        while run.step < steps:
            line = run.update()
            if run.step == changed.warmup_steps + 1:
                switch = line.get("r2_model", 0.0)
            shown = ("log_likelihood", "r2_data", "r2_model", "backspace_rate")
            if run.step % 10 == 0:
                progress.now(", ".join(f"{name}={line[name]:.3g}" for name in shown if name in line))
            progress.advance()
    share = evaluate([run.policy], run.task.split("validation")[:200], [AT_ONE])[0].accuracy
    told = (
        f"Trained before your eyes for {steps:,} updates, from where all three began: the mean of r² on its own texts "
        f"was {switch:.2f} when SequenceMatch was switched on and is {line.get('r2_model', 0.0):.2f} now; of 200 "
        f"answers {percent(share.estimate)} are right (the shipped one had {config.steps:,} updates)."
    )
    print(told)
    return told


def _page(
    models: Mapping[str, Model],
    examples: Sequence[Example],
    typed: Mapping[str, Mapping[bool, Sequence[Trace]]],
    found: Mapping[str, Sequence[Evaluation]],
    live: str,
) -> str:
    drawn, narrow = _figures(models, found), _figures(models, found, narrow=True)
    keys, players = models["mle"].policy.task.vocabulary, []
    for method, with_and_without in typed.items():
        strokes = [
            [show.Keystroke(key, key) for key in example.prompt] + list(map(show.Keystroke, one.pressed, one.actions))
            for example, one in zip(examples, with_and_without[True], strict=False)
        ]
        players.append(show.trace_html(strokes, keys, TITLES[method]))
    told = "; ".join(f"{TITLES[m]}, {one.condition}: {one.accuracy}" for m, some in found.items() for one in some)
    last = "; ".join(f"{name} {percent(values[-1])}" for name, (_, values) in _curves(models)[0].items() if values)
    template = (resources.files("smatch_edu.pictures") / "assets" / "comparison.html").read_text("utf-8")
    body = Template(template).substitute(
        num_questions=f"{len(examples):,}",
        players="".join(players),
        accuracies=show.figure_html(
            drawn["accuracies"], f"Accuracy with 95 % intervals: {told}.", narrow=narrow["accuracies"]
        ),
        curves=show.figure_html(
            drawn["learning_curves"],
            f"Accuracy on validation questions while they were trained; at the end: {last}. Beside it the mean of r² "
            "on demonstrations and on the model's own texts, from the moment SequenceMatch is switched on.",
            narrow=narrow["learning_curves"],
        ),
        table=show.table_html(*table(found), LEGEND.replace("\n", " ")),
        live=live,
    )
    return show.page_html("Three models that learned to add", body)


Columns = dict[str, tuple[list[int], list[float]]]


def _curves(models: Mapping[str, Model]) -> tuple[Columns, Columns]:
    """Of `figures.learning_curves`: accuracy by method, and r² by what it is averaged over."""
    log = models["sequencematch"].log
    rewards = {"demonstrations": _column(log, "r2_data"), "the model's own texts": _column(log, "r2_model")}
    return {TITLES[method]: _column(model.log, "accuracy") for method, model in models.items()}, rewards


def _column(log: Sequence[Mapping[str, Any]], name: str) -> tuple[list[int], list[float]]:
    lines = [line for line in log if name in line]
    return [int(line["step"]) + 1 for line in lines], [line[name] for line in lines]

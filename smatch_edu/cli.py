"""The `smatch` command: each subcommand is a function, and what can be told to it a dataclass of `configs`.

A command imports what it works with when it is run: torch takes seconds to load, and `--help` needs none of it.
"""

from __future__ import annotations

import codecs
import os
import shutil
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from smatch_edu.configs import (
    ComparisonConfig,
    FinetuneConfig,
    FinetuneStudyConfig,
    KeyboardConfig,
    NeuralDivergenceConfig,
    SweepConfig,
    TrainingConfig,
    TypistsConfig,
    WalkthroughConfig,
)
from smatch_edu.support import Progress, check_folder, check_seed, check_writable, text_table, write_atomically
from smatch_edu.support.files import as_path

if TYPE_CHECKING:
    from matplotlib.figure import Figure

app = tyro.extras.SubcommandApp()
paths = tyro.constructors.ConstructorRegistry()
MADE = "<!-- made by smatch -->\n"  # below a figure that we wrote


@paths.primitive_rule
def _path(info: tyro.constructors.PrimitiveTypeInfo) -> tyro.constructors.PrimitiveConstructorSpec[Path] | None:
    """No path is empty: `--out "$RUN"` with a variable that is not set would mean the current folder."""
    if info.type is not Path:
        return None
    return tyro.constructors.PrimitiveConstructorSpec(
        nargs=1,
        metavar="PATH",
        instance_from_str=lambda given: as_path(given[0]),
        is_instance=lambda value: isinstance(value, Path),
        str_from_instance=lambda value: [str(value)],
    )


# -- the commands --------------------------------------------------------------------------------------------------


def _check_places(out: Path, figures: Path | None, names: Iterable[str]) -> None:
    """Whether a page and the figures of these names can be written, over none but our own; their folder is made."""
    from smatch_edu.pictures import show

    check_writable(out, show.MARK)
    if figures is not None:
        figures.parent.mkdir(parents=True, exist_ok=True)
        check_folder(figures)
        for name in names:
            check_writable(figures / f"{name}.svg", MADE)


def _write_report(out: Path, page: str, figures: Path | None, drawn: Mapping[str, Figure]) -> None:
    """The page, and each figure as an SVG, if a folder was named."""
    from smatch_edu.pictures import show

    write_atomically(out, page)
    if figures is not None:
        for name, figure in drawn.items():
            write_atomically(figures / f"{name}.svg", show.svg(figure) + MADE)
    print(f"Report: {out} (open it in a browser; it needs no network)")


@app.command(name="typists")
def run_typists(config: tyro.conf.OmitArgPrefixes[TypistsConfig]) -> None:
    """Let three trained networks type words on a keyboard that slips, and show what all runs of the experiment did."""
    from smatch_edu.studies.typists import FIGURES, typists

    _check_places(config.out, config.figures, FIGURES)
    page, drawn = typists(config)
    _write_report(config.out, page, config.figures, drawn)


@app.command(name="walkthrough")
def run_walkthrough(config: tyro.conf.OmitArgPrefixes[WalkthroughConfig]) -> None:
    """Type real words at a noisy keyboard, train the typist exactly, and write a report."""
    from smatch_edu.studies import report
    from smatch_edu.studies.walkthrough import walkthrough
    from smatch_edu.text.vocabulary import Vocabulary, load_words

    _check_places(config.out, config.figures, report.FIGURES)
    vocabulary, words = Vocabulary(), load_words(config.max_length, config.words)
    results = walkthrough(config, words, vocabulary)
    drawn = {name: panel.figure for name, panel in report.panels(results, config).items()}
    _write_report(config.out, report.page(results, words, vocabulary, config), config.figures, drawn)
    if failed := sum(not result.converged for result in results):
        raise ValueError(
            f"{failed} of {len(results)} typists are not at their optimum, and marked in the table; try a larger alpha "
            f"than {config.alpha}"
        )


@app.command(name="compare")
def run_compare(config: tyro.conf.OmitArgPrefixes[ComparisonConfig]) -> None:
    """Let three trained models answer the same questions, and train one for half a minute."""
    from smatch_edu.studies.comparison import FIGURES, compare

    _check_places(config.out, config.figures, FIGURES)
    page, drawn = compare(config)
    _write_report(config.out, page, config.figures, drawn)


@app.command(name="train")
def run_train(
    config: tyro.conf.OmitArgPrefixes[TrainingConfig], out: Path, resume: bool = False, weights_only: bool = False
) -> None:
    """Train a model to answer. Everything is kept in one folder.

    Args:
        config: how.
        out: the folder, for the checkpoint, the config and the log.
        resume: go on with the run that is in the folder; it ends as if it had never stopped.
        weights_only: once it has ended, keep the weights and not what is needed to train on.
    """
    try:
        from smatch_edu.support.arrays import one_thread
        from smatch_edu.training.loop import train

        with one_thread():
            train(config, out, resume, weights_only=weights_only)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_kept_of_training(out)) from None
    print(f"Trained: {out}")


def _kept_of_training(out: Path) -> str:
    """What an interrupted training leaves, and how to go on."""
    if (out / "checkpoint.safetensors").exists():
        return f"the last checkpoint is in {out}, and the same command with --resume goes on from it"
    if out.exists():
        return f"{out} has no checkpoint yet, and the same command with --resume begins anew in it"
    return "nothing was begun"


@app.command(name="generate")
def run_generate(
    checkpoint: Path,
    prompt: str,
    trace: Path | None = None,
    count: int = 1,
    temperature: float = 1.0,
    backspace: bool = True,
    seed: int = 0,
) -> None:
    """Let a trained model type after a prompt, and show every key.

    Args:
        checkpoint: a folder made by `smatch train`.
        prompt: what it goes on from, such as 491+893=
        trace: a page on which the typing can be watched.
        count: how many texts.
        temperature: 0 is greedy.
        backspace: whether the key may be pressed.
        seed: of the typing.
    """
    if count < 1:
        raise ValueError(f"count is {count}; it must be at least 1")
    check_seed(seed)
    from smatch_edu.pictures import show
    from smatch_edu.tasks import Example
    from smatch_edu.training.evaluation import Condition, generate_answers
    from smatch_edu.training.loop import load_policy

    if trace is not None:
        check_writable(trace, show.MARK)
    policy, _ = load_policy(checkpoint)
    keys = policy.task.vocabulary
    asked = Example(keys.encode(prompt), ())
    typed = generate_answers(policy, [asked] * count, Condition(temperature, backspace), seed)
    for one in typed:
        print(f"{prompt}{keys.show(one.actions)}\n  {prompt}{keys.decode(one.text)}  (ended: {one.ended})")
    if trace is not None:
        strokes = [list(map(show.Keystroke, one.pressed, one.actions)) for one in typed]
        player = show.trace_html(strokes, keys, f"after {prompt}", autoplay=True)
        write_atomically(trace, show.page_html("Typing with a backspace key", player))
        print(f"Trace: {trace} (open it in a browser; it needs no network)")


@app.command(name="evaluate")
def run_evaluate(
    checkpoint: tuple[Path, ...], against: tuple[Path, ...] = (), split: str = "test", seed: int = 0
) -> None:
    """Let trained models answer the questions of a split, with the backspace key and without it.

    Args:
        checkpoint: folders made by `smatch train`: one, or the same training from several seeds.
        against: as many folders of another training, from the same seeds or starts in the same order: the differences
            of accuracy are reported too, question by question.
        split: which questions.
        seed: of the typing.
    """
    check_seed(seed)
    from smatch_edu.training.evaluation import CONDITIONS, HEADER, LEGEND, difference, evaluate, table_rows
    from smatch_edu.training.loop import load_policy

    if against and len(against) != len(checkpoint):
        raise ValueError(f"{len(against)} folders are given against {len(checkpoint)}; they are compared one by one")
    groups = [[load_policy(one)[0] for one in some] for some in (checkpoint, against) if some]
    examples = groups[0][0].task.split(split)
    models = sum(map(len, groups))
    print(f"{len(examples):,} questions ({split}), {models} model{'s' * (models > 1)}", flush=True)
    with Progress(len(CONDITIONS) * models, "answering", "round") as progress:
        found = [evaluate(policies, examples, seed=seed, progress=progress) for policies in groups]
    for some in found:
        print(text_table(HEADER, table_rows(some), words=1, group=0))
    print(LEGEND)
    if against:
        rows = [[str(one.condition), str(difference(one, other))] for one, other in zip(*found, strict=True)]
        print(text_table(("answers", "accuracy, first less second"), rows, words=1, group=0))


@app.command(name="finetune")
def run_finetune(config: tyro.conf.OmitArgPrefixes[FinetuneConfig]) -> None:
    """Finetune a pretrained language model, and let it type answers with the backspace key and without it."""
    _check_extra("hf", "transformers", "peft", "accelerate")
    from smatch_edu.huggingface.finetune import finetune, rows_of, shown

    check_folder(config.out)
    try:
        trainer, measured = finetune(config)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"the last checkpoint is in {config.out}, and the same command with --resume goes on from it"
            if any(config.out.glob("checkpoint-*"))
            else f"{config.out} has no checkpoint yet, and the same command with --resume begins anew in it"
        ) from None
    if not trainer.is_world_process_zero():
        return
    for line in shown(trainer, rows_of(config)[1]):
        print(line)
    rows = [[name.replace("_", " "), f"{value:.3f}"] for name, value in measured.items()]
    print(text_table(("answers that are right", "share"), rows, words=1, group=0))
    print(f"Finetuned: {config.out} (README.md in it says how to load it)")


@app.command(name="learn")
def run_learn(source: Path = Path("notebooks"), out: Path = Path("learn")) -> None:
    """Make the student versions of the notebooks. A file that you have changed is never overwritten.

    Args:
        source: the folder of the solved notebooks.
        out: the folder to work in.
    """
    from smatch_edu.course.student_versions import generate

    for line in generate(source, out):
        print(line)


@app.command(name="assignments")
def run_assignments(source: Path = Path("notebooks"), out: Path = Path("dist/assignments")) -> None:
    """Make the assignments: the folders source, release and solution, as nbgrader wants them.

    Args:
        source: the folder of the solved notebooks.
        out: where the folders go.
    """
    from smatch_edu.course.assignments import write_assignments

    for line in write_assignments(source, out):
        print(line)


@app.command(name="grade")
def run_grade(
    submitted: tyro.conf.Positional[Path],
    source: Path = Path("notebooks"),
    out: Path = Path("graded"),
    seed: int | None = None,
    seconds: float = 10.0,
    memory: float = 2.0,
    gradebook: Path | None = None,
) -> None:
    """Grade a class. One that was interrupted goes on where it was; what has not changed is not graded again.

    Args:
        submitted: the folder with one for each student, in that one for each assignment, in that the notebook.
        source: the folder of the solved notebooks.
        out: the folder for grades.csv, exercises.csv and feedback/.
        seed: of the inputs that are drawn; left out, a secret one, which is kept in the folder.
        seconds: of a processor, that all calls of one answer may take.
        memory: in GB, that an answer may use.
        gradebook: nbgrader's, into which the points go too, such as dist/assignments/gradebook.db.
    """
    if gradebook is not None:
        _check_extra("course", "nbgrader")
    if not (0 < seconds < 1e6 and 0 < memory < 1e6):
        raise ValueError(f"seconds is {seconds:g} and memory {memory:g}; both must be above 0 and below a million")
    from smatch_edu import course
    from smatch_edu.sandbox import Limits

    limits = Limits(seconds=seconds, memory=int(memory * 2**30))
    rows = []
    try:
        for row in course.grade_class(submitted, source, out, seed, limits):
            rows.append(row)
            course.write_feedback(out, row)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"what was graded is kept in {out}, and the same command goes on from it") from None
    course.write_grades(out, rows)
    if gradebook is not None:
        course.write_gradebook(gradebook, rows)
    print(course.report(rows))
    print(f"Grades: {out / 'grades.csv'}, each exercise: {out / 'exercises.csv'}, pages: {out / 'feedback'}")


experiment = tyro.extras.SubcommandApp()
app.command(experiment, name="experiment", help="Run an experiment; one that was interrupted goes on where it was.")


@experiment.command(name="neural-divergence")
def run_neural_divergence(config: tyro.conf.OmitArgPrefixes[NeuralDivergenceConfig]) -> None:
    """Train a small transformer for every divergence and hold it against the exact optimum."""
    from smatch_edu.studies.experiments import neural_divergence

    neural_divergence(config)
    print(f"Table: {config.out}")


@experiment.command(name="sweep")
def run_sweep(config: tyro.conf.OmitArgPrefixes[SweepConfig]) -> None:
    """Train with every combination of some settings, and see how well each answers."""
    from smatch_edu.studies.experiments import sweep

    sweep(config)
    print(f"Table: {config.out}")


@experiment.command(name="keyboard")
def run_keyboard(config: tyro.conf.OmitArgPrefixes[KeyboardConfig]) -> None:
    """Train networks to type words on keyboards that slip, and hold them against the exact limits."""
    from smatch_edu.studies.keyboard import keyboard_experiment

    keyboard_experiment(config)
    print(f"Table: {config.out}")


@app.command(name="check")
def run_check() -> None:
    """Look whether this environment can run the course, and say how to mend what cannot."""
    from smatch_edu.support.environment import examine

    faults = 0
    for finding in examine():
        print(finding, flush=True)
        faults += finding.good is False
    if faults:
        raise ValueError(f"{faults} fault{'s' * (faults > 1)}; what mends each stands behind its arrow")
    from smatch_edu.sandbox.surroundings import protection

    print(f"A submission would be held by: {', '.join(protection())}.")


@experiment.command(name="finetune")
def run_finetune_study(config: tyro.conf.OmitArgPrefixes[FinetuneStudyConfig]) -> None:
    """Finetune a pretrained model by likelihood, cloning and SequenceMatch, and see how well each answers."""
    _check_extra("hf", "transformers", "peft", "accelerate")
    from smatch_edu.studies.finetuning import finetuning

    finetuning(config)
    print(f"Table: {config.out}")


def _check_extra(extra: str, *packages: str) -> None:
    """ValueError if packages of an extra are not installed."""
    from importlib.util import find_spec

    if missing := [name for name in packages if find_spec(name) is None]:
        raise ValueError(f"{', '.join(missing)} is not installed; run `pip install -e '.[{extra}]'`")


@app.command(name="version")
def run_version() -> None:
    """Print the versions of the package and of what its results depend on."""
    import platform
    from importlib.metadata import version

    from smatch_edu import __version__

    others = "  ".join(f"{name} {version(name)}" for name in ("torch", "numpy", "scipy"))
    print(f"smatch_edu {__version__}  python {platform.python_version()}  {others}")


# -- the door: what may go wrong with any command --------------------------------------------------------------------

MENDABLE, INTERRUPTED, NO_READER = 2, 128 + 2, 128 + 13  # exit codes; the last two as shells give them for signals
NARROWEST = 40  # columns; in much fewer the parser finds no place for its help
PLAIN = str.maketrans({"─": "-", "⌫": "<backspace>", "⏎": "<eos>", "✓": "right", "✗": "wrong", "∞": "inf", "–": "-"})


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command. What the user can mend is said in one line, exit code 2; Ctrl-C ends with 130."""
    codecs.register_error("plain", _plain)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # in a notebook it has none, and needs none
            stream.reconfigure(errors="plain")
    # Before torch is loaded: threads that wait for one another sleep, where spinning would take a busy machine's time.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if shutil.get_terminal_size().columns < NARROWEST:
        os.environ["COLUMNS"] = str(NARROWEST)
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        try:
            _check_repeated(arguments)
            about = "SequenceMatch, taught and implemented."
            app.cli(prog="smatch", description=about, args=arguments, registry=paths)
        finally:
            print(end="", flush=True)  # here, where it is known what to do if it fails
    except BrokenPipeError:  # of `smatch ... | head -1`: nobody is left to be told
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NO_READER
    except (ValueError, OSError, FloatingPointError, MemoryError) as error:
        print(f"smatch: {error}", file=sys.stderr)
        return MENDABLE
    except KeyboardInterrupt as interrupted:
        print(f"smatch: interrupted; {str(interrupted) or 'nothing half-written is left'}", file=sys.stderr)
        return INTERRUPTED
    return 0


def _plain(error: UnicodeError) -> tuple[str, int]:
    """What is written for characters that the terminal or the file has not: a word, or else a code such as \\u03b3."""
    assert isinstance(error, UnicodeEncodeError)
    missing = error.object[error.start : error.end].translate(PLAIN)
    return missing.encode("ascii", "backslashreplace").decode("ascii"), error.end


def _check_repeated(arguments: Sequence[str]) -> None:
    """ValueError for a flag that is given twice: the parser would take the last one and drop the others."""
    flags = [one.partition("=")[0].replace("_", "-") for one in arguments if one.startswith("--")]
    for flag, times in Counter(flag.replace("--no-", "--", 1) for flag in flags).items():
        if times > 1:
            raise ValueError(f"{flag} is given {times} times; give it once, with all its values behind it")


if __name__ == "__main__":
    sys.exit(main())

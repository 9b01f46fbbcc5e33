"""What `smatch finetune` can be told, and what the experiment with it runs."""

from __future__ import annotations

import itertools
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smatch_edu.configs.experiments import combinations
from smatch_edu.configs.training import METHODS, TERMINALS
from smatch_edu.support.errors import check_seed, nearest
from smatch_edu.support.files import as_path

TASKS = ("addition", "in_base_10", "in_base", "words")
# What is taken where a setting is left out. The paper names γ, α, η, the model and the adapter, and nothing else.
PRESETS: dict[str, dict[str, Any]] = {
    "classroom": {
        "model": "smollm2",
        "lora": 16,
        "lora_alpha": 16.0,
        "quantise": False,
        "gamma": 0.95,
        "alpha": 0.01,
        "noise": 0.1,
        "learning_rate": 1e-3,
    },
    "paper": {
        "model": "meta-llama/Llama-2-7b-hf",
        "lora": 64,
        "lora_alpha": 16.0,
        "quantise": True,
        "gamma": 0.998,
        "alpha": 0.01,
        "noise": 0.001,
        "learning_rate": 2e-4,
    },
}


@dataclass(frozen=True)
class FinetuneConfig:
    """Finetune a pretrained language model.

    Attributes:
        out: a folder for the finetuned model, its checkpoints and its card.
        data: examples, one JSON object a line, with prompt and completion, messages, or text; or give
        task: a task of this package: addition, in_base_10 or in_base (sums), or words (of three letters at most, typed
            letter by letter, one as often as Shakespeare has it).
        eval_data: examples to measure on; the last tenth of `data`, at most 200, if left out.
        preset: what settings are that you leave out: "classroom" (SmolLM2 on two cores), or "paper" (Llama-2-7B by
            QLoRA on GPUs, with γ, α and η of the paper).
        model: smollm2 (from the package index), a folder, or a name on the hub.
        method: mle, bc or sequencematch.
        lora: rank of the adapter; 0 trains all weights.
        lora_alpha: its scale.
        quantise: load the model in 4 bits (bitsandbytes and a GPU are needed).
        steps: updates.
        batch_size: examples in an update, in each process.
        accumulate: parts into which those of one update are cut, to save memory.
        learning_rate: the highest; it falls along a cosine.
        gamma: discount, in (0, 1).
        alpha: weight of the entropy.
        noise: η, how often the learner's keyboard slips.
        demonstration_noise: how often the demonstrations' keyboard slipped; 0 never shows the key.
        beta_end: weight of cloning at the end.
        cloning_steps: updates by cloning alone; below 1 a share of all.
        beta_steps: updates after those in which β falls to beta_end; below 1 a share of all.
        terminal: "one" state after the end, or "each": one for each finished text, with its own value.
        keyboard: tokens that can be typed: "all", or those of the "answers"; if left out, these for a task, and all for
            other data.
        max_length: of a text, prompt included, in tokens; one more than the longest example if left out.
        max_actions: after so many keys a text that the model types is cut short; four for each token of the longest
            answer and its end, if left out.
        questions: examples that are answered at the end.
        seed: of everything.
        resume: go on from the last checkpoint in `out`.
    """

    out: Path
    data: Path | None = None
    task: str = ""
    eval_data: Path | None = None
    preset: str = "classroom"
    model: str | None = None
    method: str = "sequencematch"
    lora: int | None = None
    lora_alpha: float | None = None
    quantise: bool | None = None
    steps: int = 200
    batch_size: int = 16
    accumulate: int = 1
    learning_rate: float | None = None
    gamma: float | None = None
    alpha: float | None = None
    noise: float | None = None
    demonstration_noise: float | None = None
    beta_end: float = 0.5
    cloning_steps: float = 0.5
    beta_steps: float = 0.25
    terminal: str = "one"
    keyboard: str | None = None
    max_length: int | None = None
    max_actions: int | None = None
    questions: int = 100
    seed: int = 0
    resume: bool = False

    def __post_init__(self) -> None:
        check_seed(self.seed)
        if self.preset not in PRESETS:
            raise nearest(self.preset, PRESETS, "preset")
        if self.method not in METHODS:
            raise nearest(self.method, METHODS, "method")
        if self.terminal not in TERMINALS:
            raise nearest(self.terminal, TERMINALS, "terminal")
        if (self.data is None) == (not self.task):
            raise ValueError(f"data is {self.data} and task is {self.task!r}; give exactly one of them")
        if self.task and self.task not in TASKS:
            raise nearest(self.task, TASKS, "task")
        if self.task and self.eval_data is not None:
            raise ValueError(f"eval_data is {self.eval_data}, and the task {self.task!r} has its own; leave it out")
        for name in ("steps", "batch_size", "accumulate", "max_length", "max_actions"):
            if (given := getattr(self, name)) is not None and given < 1:
                raise ValueError(f"{name} is {given}; it must be at least 1")
        for name in ("lora", "questions"):
            if (getattr(self, name) or 0) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 0")
        if self.batch_size % self.accumulate:
            raise ValueError(f"batch_size is {self.batch_size}, which cannot be cut into {self.accumulate} equal parts")

    def setting(self, name: str) -> Any:
        """A setting, or if it is left out that of the preset."""
        given = getattr(self, name)
        return PRESETS[self.preset][name] if given is None else given


# Who types the demonstrations of each arm, and how it is trained. Where the key is never shown, settings are those that
# were chosen for small networks on keyboards (data/results/README.md).
ARMS: dict[str, dict[str, Any]] = {
    "mle": {"method": "mle"},
    "bc": {"method": "bc"},
    "sequencematch": {"method": "sequencematch"},
    "undemonstrated": {
        "method": "sequencematch",
        "demonstration_noise": 0.0,
        "cloning_steps": 0.0,
        "beta_steps": 1.0,
        "beta_end": 0.05,
        "alpha": 0.3,
    },
}
PLAIN = "–"  # settings: the arm's own


@dataclass(frozen=True)
class FinetuneStudyConfig:
    """A pretrained model is finetuned in several ways, for as many updates each.

    Attributes:
        out: the table; a run that is in it is not run again.
        model: as for `smatch finetune`.
        tasks: words, addition, in_base_10, in_base.
        arms: mle, bc (cloning demonstrations that slip and show the key), sequencematch (the same, and the objective),
            undemonstrated (SequenceMatch from clean demonstrations: the key is never shown).
        steps: updates.
        batch_size: examples in an update.
        noise: η of the learner's keyboard.
        learning_rate: of all arms.
        seeds: runs of each kind.
        questions: of the split, each answered four times: with the key and without it, with slips and without.
        split: choose on "validation", report on "test".
        vary: settings of `smatch finetune` that are others than the arm's, and their values, as name=value,value; all
            combinations are run.
    """

    out: Path = Path("data/results/finetune.tsv")
    model: str = "smollm2"
    tasks: tuple[str, ...] = ("words", "addition", "in_base_10")
    arms: tuple[str, ...] = tuple(ARMS)
    steps: int = 300
    batch_size: int = 16
    noise: float = 0.1
    learning_rate: float = 3e-3
    seeds: int = 1
    questions: int = 300
    split: str = "test"
    vary: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, known in (("tasks", TASKS), ("arms", ARMS)):
            for given in getattr(self, name):
                if given not in known:
                    raise nearest(given, known, name[:-1])
        if self.seeds < 1:
            raise ValueError(f"seeds is {self.seeds}; it must be at least 1")
        self.runs(Path("run"))

    def runs(self, folder: str | Path) -> dict[tuple[str, ...], FinetuneConfig]:
        """(task, arm, seed, model, steps, batch_size, noise, learning_rate, settings) as text → how it is finetuned,
        each in a folder of its own in this one. ValueError for a setting that there is not."""
        found = {}
        for seed, task, arm in itertools.product(range(self.seeds), self.tasks, self.arms):
            for varied in combinations(self.vary, FinetuneConfig):
                common = {"model": self.model, "steps": self.steps, "batch_size": self.batch_size, "noise": self.noise}
                common["learning_rate"] = self.learning_rate
                settings = " ".join(f"{name}={value}" for name, value in varied.items()) or PLAIN
                numbers = (f"{one:g}" if isinstance(one, float) else str(one) for one in common.values())
                key = (task, arm, str(seed), *numbers, settings)
                given = {**common, **ARMS[arm], **varied}
                own = as_path(folder) / f"run{zlib.crc32(repr(key).encode()):08x}"
                found[key] = FinetuneConfig(own, task=task, seed=seed, questions=self.questions, **given)
        return found

"""SequenceMatch as a `Trainer` of the `transformers` library, in the shape that TRL's users know:

    trainer = SequenceMatchTrainer(model, args, train_dataset, processing_class=tokenizer, peft_config=LoraConfig(r=64))
    trainer.train()

The objective, the packing, the noise and the replay buffer are the library's own; loops, devices, several processes,
files and logs are theirs. All chance of a demonstration comes from the seed, the step and its row in the data, so that
it does not matter how a batch is cut into parts or shared among processes. (Where the rows do not fill the last update
of an epoch, several processes take some from its beginning once more, as everywhere with Accelerate.)

Source: Cundy & Ermon 2023, Algorithm 1.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate.utils import gather_object
from jaxtyping import Int
from peft import PeftModel
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule
from torch.utils.data import Dataset
from transformers import Trainer, TrainingArguments

from smatch_edu.configs.training import BRANCHES, REPLAY, SLIPS, TrainingConfig
from smatch_edu.huggingface.arguments import SequenceMatchConfig
from smatch_edu.huggingface.backspace import BACKSPACE, add_backspace
from smatch_edu.huggingface.data import Read, as_examples, read_rows
from smatch_edu.huggingface.finetuned import load_heads, save_finetuned
from smatch_edu.huggingface.policy import LanguageModelPolicy
from smatch_edu.huggingface.preparation import as_policy
from smatch_edu.huggingface.pretrained import load_pretrained
from smatch_edu.huggingface.typing import TypingModel
from smatch_edu.network.batch import Trace
from smatch_edu.network.generation import generate
from smatch_edu.support.files import write_atomically
from smatch_edu.tasks import Example
from smatch_edu.text import TrajectoryBatch, augment_batch
from smatch_edu.training.objectives import log_likelihood, needs_model
from smatch_edu.training.replay import ReplayBuffer
from smatch_edu.training.updates import Shown, loss_of, type_texts

BUFFER = "replay_buffer.safetensors"
LAST_WRITTEN = "trainer_state.json"  # of a checkpoint's files
TAKEN = ("callbacks", "optimizers", "optimizer_cls_and_kwargs")  # of their options; the others would change the loss
NOT_TOLD = ("runtime", "per_second", "flos", "grad_norm", "learning_rate", "epoch", "step")  # on the card


class Demonstrations(Dataset):
    """Examples with their numbers."""

    def __init__(self, examples: Sequence[Example]) -> None:
        self.examples = examples

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, row: int) -> tuple[int, Example]:
        return row, self.examples[row]


def collate(chosen: Sequence[tuple[int, Example]]) -> dict[str, Any]:
    """A batch: the examples, and the rows of the data in which they stand."""
    rows, examples = zip(*chosen, strict=True)
    return {"rows": list(rows), "examples": list(map(tuple, examples))}


class PolicyLoss(nn.Module):
    """The loss as a module's forward: what wraps a module for several processes hears of every weight in it. All else
    is asked of the language model."""

    def __init__(self, policy: LanguageModelPolicy, language_model: Any, shown: Shown) -> None:
        super().__init__()
        self.policy, self.accepts_loss_kwargs = policy, True
        self._hf_peft_config_loaded = isinstance(language_model, PeftModel)  # weights of 4 bits need an adapter
        self.__dict__["language_model"], self.shown = language_model, shown  # its weights are the policy's: not twice

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(self.__dict__["language_model"], name)

    def forward(
        self,
        config: TrainingConfig,
        data: TrajectoryBatch,
        sampled: TrajectoryBatch | None,
        slips: Int[np.ndarray, "actions leads"] | None,
        step: int,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss in training, and its parts; else minus the log-likelihood of each demonstration."""
        if self.training:
            return loss_of(self.policy, config, data, sampled, step, self.shown, slips)
        found = self.policy.on(data, config.noised_label, pressed_only=True)
        return torch.stack([-log_likelihood(found.rows(row, row + 1)) for row in range(len(data))]), {}


@contextlib.contextmanager
def whole_weights(model: nn.Module) -> Iterator[None]:
    """All weights in place, where FSDP keeps parts of them in other processes: for passes that are not the forward of
    the module that it wrapped, as typing makes them."""
    parts = [module for module in model.modules() if isinstance(module, FSDPModule)]
    for module in parts:
        module.unshard()
        module.set_reshard_after_forward(False, recurse=False)
    try:
        yield
    finally:
        for module in parts:
            module.set_reshard_after_forward(module is not model, recurse=False)
            module.reshard()


class SequenceMatchTrainer(Trainer):
    """Finetune a causal language model by likelihood, cloning or SequenceMatch.

    Args:
        model: a model, or a name or folder for `load_pretrained`; `<backspace>` is added if it has none.
        args: see `SequenceMatchConfig`.
        train_dataset, eval_dataset: see `data.read_rows`.
        processing_class: the tokenizer; that of `model` if that is a name.
        peft_config: of an adapter, to train that alone, and the row of `<backspace>`.
        options: callbacks and optimizers, as for `transformers.Trainer`.

    Raises:
        ValueError: a model that does not see what it should (`make_visible`), or has no linear head; data that cannot
            be read, naming the row; a setting that does not fit.

    Attributes:
        policy: what is trained, as the library sees it; `generate_with_backspace` takes it.
        language_model: the same as `transformers` or PEFT sees it.
        buffer: the model's latest texts, those of all processes.
    """

    def __init__(
        self,
        model: Any,
        args: TrainingArguments | None = None,
        train_dataset: Any = None,
        eval_dataset: Any = None,
        processing_class: Any = None,
        peft_config: Any = None,
        **options: Any,
    ) -> None:
        args = args or SequenceMatchConfig(output_dir="trained")
        if not isinstance(args, SequenceMatchConfig):
            raise ValueError(f"args is a {type(args).__name__}; a SequenceMatchConfig was wanted")
        if args.n_gpu > 1:
            raise ValueError(f"one process sees {args.n_gpu} GPUs; start one a GPU with torchrun --nproc_per_node")
        if train_dataset is None:
            raise ValueError("train_dataset is None; the demonstrations were wanted")
        for name in sorted(options):
            if name not in TAKEN:
                raise ValueError(f"{name} is not taken here; of theirs are {', '.join(TAKEN)}")
        if isinstance(model, str | Path):
            model, named = load_pretrained(model)
            processing_class = processing_class or named
        if processing_class is None:
            raise ValueError("processing_class is None; the tokenizer of the model was wanted")
        self.tokenizer = tokenizer = processing_class
        base: Any = model.get_base_model() if isinstance(model, PeftModel) else model
        add_backspace(base, tokenizer)  # first, so that the key is no text to be read
        limit = args.max_length or getattr(base.config.get_text_config(), "max_position_embeddings", None)
        read = read_rows(train_dataset, tokenizer, limit, "train_dataset")
        held = self._read(eval_dataset, limit)
        every = [*read, *(one for some in held.values() for one in some)]
        # One more than the longest: where a text is full, only the end and the key are legal, and nothing is learned.
        longest = args.max_length or min(max(one.length for one in every) + 1, limit or 2**31)
        self.max_actions = 4 * (max(len(one.answer) for one in every) + 1)
        typed = {token for one in read for token in one.answer} if args.keyboard == "answers" else None
        config = args.training_config(1, self.max_actions)
        made = {"typed": typed, "max_length": longest, "peft_config": peft_config}
        self.policy, language_model = as_policy(model, tokenizer, config, **made)
        _check_trained(self.policy, language_model)
        if args.eval_answers or (config.method == "sequencematch" and needs_model(config.divergence)):
            TypingModel(self.policy)  # if it cannot type, that is said now
        self.examples = as_examples(read, self.policy.ids, tokenizer, "train_dataset")
        shown = Shown(self.examples, self.policy.keys, config.typed_noise > 0)
        self.buffer, self.typed_at = ReplayBuffer(args.buffer_size), -1
        self.args: SequenceMatchConfig
        self._sums: dict[str, Tensor] = {}  # of each part of the loss since the last line of the log, and its weight
        super().__init__(
            model=PolicyLoss(self.policy, language_model, shown),
            args=args,
            data_collator=collate,
            train_dataset=Demonstrations(self.examples),
            eval_dataset=self._evaluated(eval_dataset),
            processing_class=tokenizer,
            **options,
        )
        self.language_model = language_model

    def _read(self, rows: Any, longest: int | None) -> dict[str | None, list[Read]]:
        """Data to evaluate on, by name if they have names."""
        if isinstance(rows, dict):
            return {name: read_rows(some, self.tokenizer, longest, name) for name, some in rows.items()}
        return {} if rows is None else {None: read_rows(rows, self.tokenizer, longest, "eval_dataset")}

    def _evaluated(self, rows: Any) -> Any:
        """The same as the loops want it; as it is if it was read already."""
        if rows is None or isinstance(rows, Demonstrations | str):
            return rows
        ids, longest = self.policy.ids, self.policy.keys.max_length
        found = {
            name: Demonstrations(as_examples(read, ids, self.tokenizer, name or "eval_dataset"))
            for name, read in self._read(rows, longest).items()
        }
        return found.get(None, found)

    # -- what an update looks at -----------------------------------------------------------------------------------

    def config_now(self) -> TrainingConfig:
        """The library's settings, of as many updates as this training has."""
        return self.args.training_config(self.state.max_steps or 1, self.max_actions)

    def demonstrations(self, rows: Sequence[int], examples: Sequence[Example], step: int) -> TrajectoryBatch:
        """These examples as they are typed at a step."""
        config, keys = self.config_now(), self.policy.keys
        if not config.typed_noise:
            prompts, answers = zip(*examples, strict=True)
            return augment_batch(prompts, answers, 0.0, keys.backspace, keys.eos, seed=0, num_tokens=keys.num_keys)
        mistakes: list[Any] = [None] * len(rows)
        if config.noise_mode == "model":
            with self._typing():
                mistakes = self.policy.proposals(examples)
        return TrajectoryBatch.of(
            *(
                augment_batch(
                    [one.prompt],
                    [one.answer],
                    config.typed_noise,
                    keys.backspace,
                    keys.eos,
                    seed=np.random.default_rng([config.seed, SLIPS, step, row]),
                    num_tokens=keys.num_keys if wrong is None else None,
                    mistakes=None if wrong is None else [wrong],
                )
                for row, one, wrong in zip(rows, examples, mistakes, strict=True)
            )
        )

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> Tensor:
        config, step = self.config_now(), self.state.global_step
        if config.switched(step) and needs_model(config.divergence) and self.typed_at != step:
            if not len(self.buffer) or (step - config.warmup_steps) % config.sample_every == 0:
                self.type_texts(config, step)
            self.typed_at = step
        return super().training_step(model, inputs, num_items_in_batch)

    @contextlib.contextmanager
    def _typing(self) -> Iterator[None]:
        """The model as it types: whole, without dropout, in the numbers of its passes."""
        was_training, kind = self.policy.training, self.policy.theirs.device.type
        self.policy.eval()
        model: Any = self.model
        try:
            with whole_weights(model), torch.autocast(kind, torch.bfloat16, enabled=self.args.bf16):
                yield
        finally:
            self.policy.train(was_training)

    def type_texts(self, config: TrainingConfig, step: int) -> None:
        """The model types after some of the prompts, each process its part; every buffer takes in all."""
        part = self.accelerator.process_index, self.accelerator.num_processes
        with self._typing():
            typed, told = type_texts(TypingModel(self.policy), self.policy.keys, self.examples, config, step, part)
        self.buffer.add(gather_object(typed))
        counts = {"backspace_rate": sum(len(one.pressed) for one in typed), "finished": len(typed)}
        for name, value in told.items():
            self._note(name, torch.tensor(value), counts[name])

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """The mean over all trajectories of an update: of the parts into which it was cut, and of all processes."""
        config, step = self.config_now(), self.state.global_step
        rows, count = inputs["rows"], len(inputs["rows"])
        evaluated = not model.training
        data = self.demonstrations(rows, [Example(*one) for one in inputs["examples"]], 0 if evaluated else step)
        sampled = slips = None
        if config.switched(step) and not evaluated:
            if needs_model(config.divergence):
                chances = (np.random.default_rng([config.seed, REPLAY, step, row]) for row in rows)
                sampled = TrajectoryBatch.of(*(self.buffer.sample(1, rng)[0] for rng in chances))
            if config.next_value == "expectation":
                slips = self.slips(data, rows, step, 0)
                if sampled is not None:
                    slips = np.concatenate([slips, self.slips(sampled, rows, step, 1)])
        loss, parts = model(config, data, sampled, slips, step)
        steps = {"r2_data": _steps(data, config), "r2_model": 0 if sampled is None else _steps(sampled, config)}
        if not evaluated:
            parts["beta"] = torch.tensor(config.beta(step))
        for name, value in parts.items():
            self._note(name, value, steps.get(name, count))
        if num_items_in_batch is not None:
            loss = loss * (count * self.accelerator.num_processes / num_items_in_batch)
        return (loss, parts) if return_outputs else loss

    def slips(self, batch: TrajectoryBatch, rows: Sequence[int], step: int, which: int) -> np.ndarray:
        """What the presses of each trajectory may lead to on the learner's keyboard."""
        chances = [np.random.default_rng([self.args.seed, BRANCHES, step, row, which]) for row in rows]
        ones = map(TrajectoryBatch.of, batch)
        return np.concatenate([self.policy.draw(one, rng) for one, rng in zip(ones, chances, strict=True)])

    def _get_num_items_in_batch(self, batch_samples: list[Any], device: torch.device) -> Tensor:
        """Trajectories of an update, of all parts and processes."""
        count = torch.tensor(sum(len(part["rows"]) for part in batch_samples), device=device)
        return self.accelerator.gather(count).sum()

    # -- evaluation and logs ---------------------------------------------------------------------------------------

    def prediction_step(self, model: Any, inputs: Any, *_: Any, **__: Any) -> tuple[Tensor, None, None]:
        with torch.no_grad():
            each = self.compute_loss(model, inputs)
        self._losses |= dict(zip(inputs["rows"], each.tolist(), strict=True))
        return each.mean(), None, None

    def evaluate(self, eval_dataset: Any = None, ignore_keys: Any = None, metric_key_prefix: str = "eval") -> Any:
        """The loss is minus the log-likelihood of the demonstrations, the same slips in every evaluation. With
        `eval_answers`, prompts are answered, too: with the key and without it, and on a keyboard that slips if the
        learner's does."""
        return super().evaluate(self._evaluated(eval_dataset), ignore_keys, metric_key_prefix)

    def evaluation_loop(
        self,
        dataloader: Any,
        description: str,
        prediction_loss_only: bool | None = None,
        ignore_keys: list[str] | None = None,
        metric_key_prefix: str = "eval",
    ) -> Any:
        self._losses: dict[int, float] = {}  # of each row: processes may be given some rows twice, to have as many
        given = (dataloader, description, prediction_loss_only, ignore_keys, metric_key_prefix)
        output: Any = super().evaluation_loop(*given)
        every = dict(pair for pairs in gather_object([list(self._losses.items())]) for pair in pairs)
        told = {"loss": float(np.mean(list(every.values())))}
        if self.args.eval_answers:
            told |= self.answer(Demonstrations(dataloader.dataset.examples[: self.args.eval_answers]))
        output.metrics.update({f"{metric_key_prefix}_{name}": value for name, value in told.items()})
        return output

    def predict(self, *_: Any, **__: Any) -> Any:
        raise ValueError("predict gives logits of rows, and here texts are typed; use answer or evaluate")

    def answer(self, rows: Any) -> dict[str, float]:
        """The share of these, rows as those of `eval_dataset`, that are answered rightly, to the last token: with an
        answer that the data have for this prompt."""
        config, keys, found = self.config_now(), self.policy.keys, dict[str, float]()
        examples = self._evaluated(rows).examples
        right_ones = {*self.examples, *examples}
        rank, parts = self.accelerator.process_index, self.accelerator.num_processes
        mine = np.array_split(np.arange(len(examples)), parts)[rank].tolist()
        prompts = [examples[row].prompt for row in mine]
        options: dict[str, Any] = {"max_actions": config.max_actions, "temperature": config.temperature}
        options |= {"seed": [config.seed + (row << 32) for row in mine], "batch_size": self.args.eval_batch_size}
        for slips in (0.0, config.noise) if config.noise else (0.0,):
            for allowed in (True, False) if config.backspace else (False,):
                traces, how = list[Trace](), {**options, "noise": slips, "banned": keys.banned(allowed)}
                with self._typing():
                    if mine:
                        traces = generate(TypingModel(self.policy), prompts, keys.eos, keys.backspace, **how).traces
                right = [
                    trace.ended == "eos" and Example(prompt, tuple(trace.text)) in right_ones
                    for prompt, trace in zip(prompts, traces, strict=True)
                ]
                name = "accuracy" + ("_slips" if slips else "") + ("" if allowed else "_no_backspace")
                found[name] = float(np.mean(gather_object(right)))
        return found

    def _note(self, name: str, value: Tensor, count: int) -> None:
        if not count:
            return
        here = value.detach().float().to(self.accelerator.device)
        self._sums[name] = self._sums.get(name, 0.0) + torch.stack([here * count, torch.full_like(here, count)])

    def log(self, logs: dict[str, float], *others: Any, **more: Any) -> None:
        if "loss" in logs and "grad_norm" in logs:
            every = sorted({name for names in gather_object([list(self._sums)]) for name in names})
            for name in every:
                mine = self._sums.get(name, torch.zeros(2, device=self.accelerator.device))
                total, weight = self.accelerator.reduce(mine).tolist()
                logs[name] = total / weight
                if not math.isfinite(logs[name]):
                    raise FloatingPointError(
                        f"{name} is {logs[name]} in the updates up to {self.state.global_step}; try a lower "
                        "learning_rate, a higher alpha, or more cloning_steps"
                    )
            self._sums = {}
        super().log(logs, *others, **more)

    # -- files -----------------------------------------------------------------------------------------------------

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        if self.args.should_save:
            out = Path(output_dir or str(self.args.output_dir))
            told = {name: value for line in self.state.log_history for name, value in line.items()}
            kept = {name: told[name] for name in sorted(told) if not name.endswith(NOT_TOLD)}
            data = {"data": self.args.data_name or "not named", "demonstrations": len(self.examples)}
            about = {**data, "updates": self.state.global_step, **kept}
            save_finetuned(out, self.policy, self.language_model, self.tokenizer, about, state_dict)

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """It is written beside every saved model (`finetuned.save_finetuned`)."""

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        super()._save_optimizer_and_scheduler(output_dir)
        if self.args.should_save:
            keyboard = torch.from_numpy(self.policy.ids.theirs)  # what its ids mean
            write_atomically(Path(output_dir) / BUFFER, save({"keyboard": keyboard, **self.buffer.to_tensors()}))

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        if model is None:
            super()._load_from_checkpoint(resume_from_checkpoint, self.language_model)
            load_heads(self.policy, resume_from_checkpoint)
        else:
            super()._load_from_checkpoint(resume_from_checkpoint, model)

    def _load_best_model(self) -> None:
        self._load_from_checkpoint(str(self.state.best_model_checkpoint))

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        super()._load_optimizer_and_scheduler(checkpoint)
        if checkpoint is None or not (path := Path(checkpoint) / BUFFER).exists():
            return
        try:
            tensors = load_file(path)
            keyboard = tensors.pop("keyboard")
        except (SafetensorError, KeyError) as error:
            raise ValueError(f"{path} was changed or cut short: {error}") from None
        if keyboard.tolist() != self.policy.ids.theirs.tolist():
            raise ValueError(f"{checkpoint} was made on another keyboard: other data, or another tokenizer")
        self.buffer = ReplayBuffer.from_tensors(self.args.buffer_size, tensors)

    def train(self, resume_from_checkpoint: str | bool | None = None, *others: Any, **more: Any) -> Any:
        """As theirs; with True it goes on from the last checkpoint that was written whole."""
        if resume_from_checkpoint is True:
            whole = [path.parent for path in Path(str(self.args.output_dir)).glob(f"checkpoint-*/{LAST_WRITTEN}")]
            if not whole:
                raise ValueError(f"{self.args.output_dir} has no whole checkpoint to go on from; train from the start")
            resume_from_checkpoint = str(max(whole, key=lambda path: int(path.name.rpartition("-")[2])))
        return super().train(resume_from_checkpoint, *others, **more)


def _check_trained(policy: LanguageModelPolicy, language_model: Any) -> None:
    """ValueError if nothing of the language model is trained, or nothing that could make the key likelier."""
    if not any(part.requires_grad for part in policy.model.parameters()):
        raise ValueError("no weight of the model is trained; load an adapter with is_trainable=True, say")
    head = policy.model.get_output_embeddings()
    rows = [] if (adapter := getattr(head, "token_adapter", None)) is None else adapter.token_indices.values()
    key = int(policy.ids.theirs[-1])
    if isinstance(language_model, PeftModel) and not (
        any(key in some for some in rows) or any(part.requires_grad for part in head.parameters())
    ):
        raise ValueError(f"the adapter does not train the row of {BACKSPACE}; give peft_config here, which adds it")


def _steps(batch: TrajectoryBatch, config: TrainingConfig) -> int:
    """How many steps of a batch are in the loss."""
    return int((batch.pressed == batch.typed).sum()) if config.noised_label == "masked" else len(batch.pressed)

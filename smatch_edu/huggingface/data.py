"""Data sets as demonstrations: rows with `prompt` and `completion`, `messages`, or `text`.

A prompt is read into tokens alone, as it will be when somebody types after it, and so is its answer. In a conversation
the tokenizer's chat template writes both. The end of an answer is the `<eos>` key, and no token of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from smatch_edu.huggingface.backspace import prompt_ids
from smatch_edu.huggingface.policy import TokenIds
from smatch_edu.support.errors import shortened
from smatch_edu.tasks import Example

WANTED = "prompt and completion, messages, or text"


class Read(NamedTuple):
    """A row in the tokenizer's ids; the answer without its end."""

    prompt: list[int]
    answer: list[int]

    @property
    def length(self) -> int:
        """Of both together."""
        return len(self.prompt) + len(self.answer)


def read_rows(
    rows: Iterable[Mapping[str, Any]], tokenizer: Any, max_length: int | None = None, name: str = "the data"
) -> list[Read]:
    """All rows of a data set.

    Args:
        rows: a `datasets.Dataset`, or dictionaries. `prompt` and `completion` are text, or lists of messages with
            `role` and `content`; `messages` is a conversation whose last message is the answer; a `text` is all answer,
            after the tokenizer's first token.
        max_length: of prompt and answer together, in tokens, if there is a limit.
        name: of the data, for what is said of them.

    Raises:
        ValueError: naming the row: no such columns, nothing in them, a text that is none, a conversation that does not
            end with an answer, or a template that does not say where it ends; or texts that are too long.
    """
    if not hasattr(rows, "__len__"):
        raise ValueError(f"{name} is a {type(rows).__name__}, of which nobody knows the length; load it whole")
    found = [_read(row, tokenizer, f"row {number} of {name}") for number, row in enumerate(rows)]
    if not found:
        raise ValueError(f"{name} has no row; at least one was wanted")
    lengths = [one.length for one in found]
    if long := [number for number, length in enumerate(lengths) if max_length and length > max_length]:
        raise ValueError(
            f"{len(long)} of {len(found)} rows of {name} have more than {max_length} tokens (max_length, or else the "
            f"context of the model), first row {long[0]} with {lengths[long[0]]}; leave them out, or shorten them"
        )
    return found


def as_examples(found: Sequence[Read], ids: TokenIds, tokenizer: Any, name: str = "the data") -> list[Example]:
    """The same in the library's ids. ValueError naming the row whose answer has a token that cannot be typed."""
    examples = []
    for number, (prompt, answer) in enumerate(found):
        one = Example(tuple(ids.ours(prompt).tolist()), tuple(ids.ours(answer).tolist()))
        for place, key in enumerate(one.answer):
            if key >= ids.num_keys:
                token = tokenizer.convert_ids_to_tokens(answer[place])
                raise ValueError(
                    f"the answer in row {number} of {name} has {token!r} at token {place}, which cannot be typed: it "
                    "is a special token, or not on the keyboard"
                )
        if ids.backspace in one.prompt:
            raise ValueError(f"the prompt in row {number} of {name} has <backspace>; what stands there was not typed")
        examples.append(one)
    return examples


def _read(row: Mapping[str, Any], tokenizer: Any, where: str) -> Read:
    if "messages" in row:
        *before, last = _messages(row["messages"], where)
        return _conversation(before, [last], tokenizer, where)
    if "prompt" in row and "completion" in row:
        prompt, completion = row["prompt"], row["completion"]
        if isinstance(prompt, str) and isinstance(completion, str):
            return Read(prompt_ids(tokenizer, prompt), _ids(completion, tokenizer, where))
        return _conversation(_messages(prompt, where), _messages(completion, where), tokenizer, where)
    if "text" in row:
        if not isinstance(row["text"], str):
            raise ValueError(f"text in {where} is {shortened(str(row['text']))}; a text was wanted")
        return Read(prompt_ids(tokenizer, ""), _ids(row["text"], tokenizer, where))
    raise ValueError(f"{where} has {', '.join(map(str, row)) or 'nothing'}; {WANTED} was wanted")


def _messages(given: Any, where: str) -> list[dict[str, str]]:
    right = isinstance(given, list) and given
    if not right or not all(isinstance(one, Mapping) and {"role", "content"} <= set(one) for one in given):
        raise ValueError(f"{where} has {shortened(str(given))}; a text, or messages with role and content, was wanted")
    return [dict(one) for one in given]


def _conversation(before: list[dict[str, str]], answer: list[dict[str, str]], tokenizer: Any, where: str) -> Read:
    if len(answer) > 1:
        raise ValueError(
            f"{where} has a completion of {len(answer)} messages; one was wanted, the others in the prompt"
        )
    if answer[-1]["role"] != "assistant" or not before:
        raise ValueError(
            f"{where} ends with a message of {answer[-1]['role']!r}; an answer of the assistant was wanted"
        )
    if not getattr(tokenizer, "chat_template", None):
        raise ValueError(f"{where} has messages, and the tokenizer has no chat template; text was wanted")
    given = tokenizer.apply_chat_template(before, tokenize=False, add_generation_prompt=True)
    whole = tokenizer.apply_chat_template(before + answer, tokenize=False)
    if not whole.startswith(given):
        raise ValueError(f"{where}: the chat template changes the prompt once there is an answer; text was wanted")
    said, end, _ = whole[len(given) :].rpartition(tokenizer.eos_token)
    said = said if end else whole[len(given) :]
    if not end:
        raise ValueError(
            f"{where}: the chat template ends an answer with {shortened(said[-20:])} and not with the end token "
            f"{tokenizer.eos_token!r}; set eos_token to what ends an answer"
        )
    return Read(tokenizer(given, add_special_tokens=False)["input_ids"], _ids(said, tokenizer, where))


def _ids(answer: str, tokenizer: Any, where: str) -> list[int]:
    """The tokens of an answer, without the end that some data have written there."""
    shorter = answer.rstrip()
    text = shorter.removesuffix(tokenizer.eos_token) if shorter.endswith(tokenizer.eos_token) else answer
    ids = list(tokenizer(text, add_special_tokens=False)["input_ids"])
    if not ids:
        raise ValueError(f"{where} has an answer of no token, {shortened(answer)}; at least one was wanted")
    return ids

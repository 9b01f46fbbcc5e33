"""The objective on language models of the `transformers` library; needs the extra `[hf]`.

visibility   packed passes on any model that allows it, tried on the model itself
policy       a language model as a policy, with the library's own losses
backspace    the key in a tokenizer
preparation  a model made ready: with the key, seeing what it should, and perhaps with an adapter
typing       `generate` with a language model
convert      the library's transformer as a model of theirs, and back
smollm2      a real language model, by the package index
pretrained   a language model by its name: smollm2, a folder, or a name on the hub
data         data sets as demonstrations
finetuned    the folder in which a finetuned model is kept
arguments    what a finetuning can be told
trainer      SequenceMatch as their `Trainer`; begin here
finetune     what `smatch finetune` does
"""

from smatch_edu.huggingface.arguments import SequenceMatchConfig
from smatch_edu.huggingface.backspace import BACKSPACE, add_backspace, token_ids
from smatch_edu.huggingface.convert import from_hugging_face, to_hugging_face
from smatch_edu.huggingface.finetuned import load_finetuned, save_finetuned
from smatch_edu.huggingface.policy import LanguageModelPolicy, TokenIds
from smatch_edu.huggingface.preparation import as_policy
from smatch_edu.huggingface.pretrained import load_pretrained
from smatch_edu.huggingface.trainer import SequenceMatchTrainer
from smatch_edu.huggingface.typing import generate_with_backspace
from smatch_edu.huggingface.visibility import check_visibility, make_visible

__all__ = [
    "BACKSPACE",
    "LanguageModelPolicy",
    "SequenceMatchConfig",
    "SequenceMatchTrainer",
    "TokenIds",
    "add_backspace",
    "as_policy",
    "check_visibility",
    "from_hugging_face",
    "generate_with_backspace",
    "load_finetuned",
    "load_pretrained",
    "make_visible",
    "save_finetuned",
    "to_hugging_face",
    "token_ids",
]

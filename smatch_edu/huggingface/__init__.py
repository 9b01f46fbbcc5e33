"""The objective on language models of the `transformers` library; needs the extra `[hf]`.

visibility  packed passes on any model that allows it, tried on the model itself
policy      a language model as a policy, with the library's own losses
backspace   the key in a tokenizer, and typing with it
convert     the library's transformer as a model of theirs, and back
"""

from smatch_edu.huggingface.backspace import BACKSPACE, add_backspace, generate_with_backspace, token_ids
from smatch_edu.huggingface.convert import from_hugging_face, to_hugging_face
from smatch_edu.huggingface.policy import LanguageModelPolicy, TokenIds
from smatch_edu.huggingface.visibility import check_visibility, make_visible

__all__ = [
    "BACKSPACE",
    "LanguageModelPolicy",
    "TokenIds",
    "add_backspace",
    "check_visibility",
    "from_hugging_face",
    "generate_with_backspace",
    "make_visible",
    "to_hugging_face",
    "token_ids",
]

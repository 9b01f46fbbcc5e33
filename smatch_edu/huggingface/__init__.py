"""The objective on language models of the `transformers` library; needs the extra `[hf]`.

visibility  packed passes on any model that allows it, tried on the model itself
policy      a language model as a policy, with the library's own losses
convert     the library's transformer as a model of theirs, and back
"""

from smatch_edu.huggingface.convert import from_hugging_face, to_hugging_face
from smatch_edu.huggingface.policy import LanguageModelPolicy, TokenIds
from smatch_edu.huggingface.visibility import check_visibility, make_visible

__all__ = [
    "LanguageModelPolicy",
    "TokenIds",
    "check_visibility",
    "from_hugging_face",
    "make_visible",
    "to_hugging_face",
]

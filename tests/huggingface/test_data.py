"""Rows of data sets as demonstrations, and what is said of those that are none."""

import pytest

transformers = pytest.importorskip("transformers", reason="needs the extra [hf]")

import datasets  # noqa: E402
from test_backspace import tokenizer_of  # noqa: E402

from smatch_edu.huggingface import TokenIds  # noqa: E402
from smatch_edu.huggingface.data import Read, as_examples, read_rows  # noqa: E402

TEMPLATE = (
    "{% for one in messages %}{{ one['role'] }} {{ one['content'] }} <eos> {% endfor %}"
    "{% if add_generation_prompt %}assistant {% endif %}"
)


def chatting(template=TEMPLATE):
    """Roles are words of the vocabulary, too."""
    tokenizer = tokenizer_of()
    tokenizer.add_tokens(["user", "assistant"])
    tokenizer.chat_template = template
    return tokenizer


def say(role, content):
    return {"role": role, "content": content}


def test_prompts_and_answers_are_read_alone_and_an_end_that_is_written_there_is_no_token():
    tokenizer = tokenizer_of()
    rows = [{"prompt": "w1 w2", "completion": "w3"}, {"prompt": "w4", "completion": "w5 w6<eos>\n", "other": 1}]
    assert read_rows(rows, tokenizer, 10) == [Read([1, 2], [3]), Read([4], [5, 6])]
    assert read_rows(datasets.Dataset.from_list(rows[:1]), tokenizer, 10) == [Read([1, 2], [3])]


@pytest.mark.parametrize("bos", [None, "w7"])
def test_a_text_is_all_answer_behind_the_first_token(bos):
    tokenizer = tokenizer_of(**({"bos_token": bos} if bos else {}))
    start = 7 if bos else tokenizer.eos_token_id
    assert read_rows([{"text": "w1 w2 w3"}], tokenizer, 10) == [Read([start], [1, 2, 3])]
    assert read_rows([{"prompt": "", "completion": "w1"}], tokenizer, 10) == [Read([start], [1])]


def test_conversations_go_through_the_chat_template():
    tokenizer = chatting()
    user, assistant, eos = (tokenizer.convert_tokens_to_ids(word) for word in ("user", "assistant", "<eos>"))
    wanted = [Read([user, 1, 2, eos, assistant], [3, 4])]
    before, answer = [say("user", "w1 w2")], say("assistant", "w3 w4")
    for row in ({"messages": [*before, answer]}, {"prompt": before, "completion": [answer]}):
        assert read_rows([row], tokenizer, 10) == wanted
    turns = [say("user", "w1"), say("assistant", "w2"), say("user", "w3"), say("assistant", "w4")]
    (found,) = read_rows([{"messages": turns}], tokenizer, 20)
    assert found == Read([user, 1, eos, assistant, 2, eos, user, 3, eos, assistant], [4])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "the data has no row"),
        ([{"question": "w1"}], "row 0 of the data has question; prompt and completion, messages, or text was wanted"),
        ([{"text": "w1"}, {}], "row 1 of the data has nothing"),
        ([{"text": None}], "text in row 0 of the data is 'None'; a text was wanted"),
        ([{"prompt": "w1", "completion": 3}], "row 0 of the data has 'w1'; a text, or messages"),
        ([{"messages": [say("user", "w1")]}], "row 0 of the data ends with a message of 'user'"),
        ([{"messages": [say("assistant", "w1")]}], "row 0 of the data ends with a message of 'assistant'"),
        ([{"prompt": "w1", "completion": " "}], "row 0 of the data has an answer of no token, ' '; at least one"),
        ([{"text": "<eos>\n"}], "row 0 of the data has an answer of no token"),
        (
            [{"prompt": [say("user", "w1")], "completion": [say("assistant", "w2"), say("user", "w3")]}],
            "row 0 of the data has a completion of 2 messages; one was wanted",
        ),
        ([{"messages": []}], "a text, or messages with role and content, was wanted"),
        ([{"messages": [{"who": "user"}]}], "a text, or messages with role and content, was wanted"),
        (
            [{"prompt": "w1", "completion": "w2"}, {"prompt": "w1 w2", "completion": "w3 w4 w5"}],
            "1 of 2 rows of the data have more than 4 tokens .max_length, or .* first row 1 with 5; leave them out",
        ),
    ],
)
def test_a_row_that_is_no_demonstration_is_named(rows, message):
    with pytest.raises(ValueError, match=message):
        read_rows(rows, chatting(), 4)


def test_an_end_that_a_tokenizer_puts_behind_every_text_is_no_part_of_a_prompt():
    from tokenizers.processors import TemplateProcessing

    tokenizer = tokenizer_of()
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single="$A <eos>", special_tokens=[("<eos>", 90)])
    assert tokenizer("w1")["input_ids"] == [1, 90]
    assert read_rows([{"prompt": "w1 w2", "completion": "w3"}], tokenizer) == [Read([1, 2], [3])]
    assert read_rows([{"prompt": "w1 <eos>", "completion": "w3"}], tokenizer) == [Read([1, 90, 90], [3])]


def test_templates_that_do_not_fit_are_named():
    row = {"messages": [say("user", "w1"), say("assistant", "w2")]}
    with pytest.raises(ValueError, match="row 0 of the data has messages, and the tokenizer has no chat template"):
        read_rows([row], tokenizer_of(), 9)
    with pytest.raises(ValueError, match="ends an answer with 'w2 w9 ' and not with the end token '<eos>'"):
        read_rows([row], chatting(TEMPLATE.replace("<eos>", "w9")), 9)
    with pytest.raises(ValueError, match="the chat template changes the prompt once there is an answer"):
        read_rows([row], chatting("{{ messages | length }} " + TEMPLATE), 9)
    with pytest.raises(ValueError, match="is a generator, of which nobody knows the length"):
        read_rows((row for _ in range(2)), chatting(), 9)


def test_answers_that_cannot_be_typed_are_named():
    tokenizer = tokenizer_of()
    ids = TokenIds(93, eos=90, backspace=92, never_typed=[91, 5])
    (found,) = as_examples([Read([1, 90, 5], [2, 3])], ids, tokenizer)
    assert found.answer == (2, 3) and found.prompt[0] == 1 and min(found.prompt[1:]) >= ids.num_keys
    for bad, token in (([2, 90], "<eos>"), ([5], "w5")):
        with pytest.raises(ValueError, match=f"the answer in row 1 of rows has '{token}' at token {len(bad) - 1}"):
            as_examples([Read([1], [2]), Read([1], bad)], ids, tokenizer, "rows")
    with pytest.raises(ValueError, match="the prompt in row 0 of the data has <backspace>"):
        as_examples([Read([1, 92], [2])], ids, tokenizer)

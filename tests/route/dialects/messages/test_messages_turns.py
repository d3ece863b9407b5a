"""The turns of a request, as Anthropic's messages: what comes out is what Anthropic takes, whatever went in."""

from base64 import b64encode
from dataclasses import replace

import pytest

from route.dialects.neutral import (
    Audio,
    File,
    Image,
    NeutralRequest,
    Part,
    Refusal,
    Thinking,
    Turn,
)
from tests.fakes.seals import seal
from tests.route.build import Json
from tests.route.dialects.messages.messages_judge import (
    CALL,
    FUNCTION,
    HELLO,
    HOUR,
    MARK,
    RESULT,
    SIGNER,
    TARGET,
    THOUGHT,
    assistant,
    body,
    contents,
    text,
    user,
    whole,
    written,
)


def test_system_turns_go_before_all_others_in_their_order() -> None:
    """Wherever they stood, a developer's too; they keep their marks, and the user's turns around them are one."""
    made = whole(Turn("system", (text("a"),)), HELLO, Turn("developer", (text("b", cache=MARK),)), user(text("c")))
    assert made["system"] == [{"type": "text", "text": "a"}, {"type": "text", "text": "b", "cache_control": MARK}]
    assert contents(made) == [[{"type": "text", "text": "Hello"}, {"type": "text", "text": "c"}]]


def test_neighbours_of_one_side_become_one_message_results_first() -> None:
    """Two results that came in a turn each, and what the user said between them."""
    calls = (CALL, replace(CALL, id="b"))
    turns = (HELLO, assistant(text("x")), assistant(*calls), user(RESULT), user(text("y")))
    made = whole(*turns, user(replace(RESULT, call_id="b")), tools=[FUNCTION])
    assert [[block["type"] for block in blocks] for blocks in contents(made)] == [
        ["text"],
        ["text", "tool_use", "tool_use"],
        ["tool_result", "tool_result", "text"],
    ]


def test_a_result_that_came_late_goes_to_its_call() -> None:
    """Anthropic wants it in the message after the call."""
    calls = (CALL, replace(CALL, id="b"))
    late = replace(RESULT, call_id="b")
    made = whole(HELLO, assistant(*calls), user(RESULT), assistant(text("x")), user(late), tools=[FUNCTION])
    assert [block["tool_use_id"] for block in contents(made)[2]] == ["a", "b"]


@pytest.mark.parametrize("turns", [(assistant(CALL),), (user(RESULT),), (assistant(CALL), user(RESULT, RESULT))])
def test_a_call_without_its_result_is_refused_and_a_result_without_its_call(turns: tuple[Turn, ...]) -> None:
    """A call has exactly one result: what is left over, a second result too, is named."""
    made, report = written(NeutralRequest((HELLO, *turns), tools=(FUNCTION,)))
    assert report.refused == ("call" if turns == (assistant(CALL),) else "result.tool_result",)
    assert made["messages"]


def test_ids_become_legal_and_stay_apart() -> None:
    """Call and result alike: foreign characters, none at all, the same again in a later turn."""
    ids = ["functions.f:0", "functions_f_0", "", "call_0"]
    calls = [assistant(*(replace(CALL, id=i) for i in ids)), user(*(replace(RESULT, call_id=i) for i in ids))]
    made = whole(HELLO, *calls, *calls, tools=[FUNCTION])
    used = [block["id"] for blocks in contents(made)[1::2] for block in blocks]
    assert len(set(used)) == 8
    assert [used[1], used[3]] == ["functions_f_0", "call_0"]
    assert used == [block["tool_use_id"] for blocks in contents(made)[2::2] for block in blocks]
    assert contents(whole(HELLO, *calls, tools=[FUNCTION])) == contents(made)[:3]


def test_an_id_that_was_made_and_came_back_stays_apart() -> None:
    """A caller that was given one by us sends it as its own."""
    twice = [replace(CALL, id="a"), replace(CALL, id="a")]
    made = whole(HELLO, assistant(*twice), user(RESULT, RESULT), tools=[FUNCTION])
    assert [b["tool_use_id"] for b in contents(made)[2]] == [b["id"] for b in contents(made)[1]]
    ids = [contents(made)[1][1]["id"], "a", "a"]
    calls = assistant(*(replace(CALL, id=i) for i in ids))
    made = whole(HELLO, calls, user(*(replace(RESULT, call_id=i) for i in ids)), tools=[FUNCTION])
    assert len({block["id"] for block in contents(made)[1]}) == 3


def test_blank_texts_are_left_out_and_their_marks_reported() -> None:
    """Anthropic takes none; a turn of nothing else goes with them."""
    made, report = body(user(text("", cache=MARK), text(" \n"), text("x")), assistant(text("")), user(text("y")))
    assert contents(made) == [[{"type": "text", "text": "x"}, {"type": "text", "text": "y"}]]
    assert report.dropped == ("text.cache_control",)


def test_the_assistant_does_not_go_on_after_a_blank() -> None:
    """Only where it speaks last."""
    made = whole(HELLO, assistant(text("a \n")), HELLO, assistant(text("b"), text("c \n")))
    assert [blocks[-1]["text"] for blocks in contents(made)] == ["Hello", "a \n", "Hello", "c"]


@pytest.mark.parametrize("turns", [(assistant(text("x")), HELLO), (Turn("system", (text("x"),)),)])
def test_the_user_speaks_first(turns: tuple[Turn, ...]) -> None:
    """Where another would, or nobody, a turn of the user with a dot goes before."""
    made = whole(*turns)
    assert made["messages"][0] == {"role": "user", "content": [{"type": "text", "text": "."}]}


BROKEN = [("", False), ("{", False), ("[1]", False), ('{"n":1e400}', False), ("x", True)]


def test_arguments_are_an_object() -> None:
    """No text is an empty one, broken JSON is kept as it was said, free text is the one parameter."""
    calls = [replace(CALL, id=str(n), arguments=said, free=free) for n, (said, free) in enumerate(BROKEN)]
    results = [replace(RESULT, call_id=call.id) for call in calls]
    made = whole(HELLO, assistant(*calls), user(*results), tools=[FUNCTION])
    assert [block["input"] for block in contents(made)[1]] == [
        {},
        {"arguments": "{"},
        {"arguments": "[1]"},
        {"arguments": '{"n":1e400}'},
        {"input": "x"},
    ]


def test_an_error_says_something() -> None:
    """A failed result without content gets the word `Error`."""
    made = whole(HELLO, assistant(CALL), user(replace(RESULT, parts=(), is_error=True)), tools=[FUNCTION])
    error = {"type": "tool_result", "tool_use_id": "a", "is_error": True}
    assert contents(made)[2] == [error | {"content": [{"type": "text", "text": "Error"}]}]


def test_a_mark_inside_a_result_stands_on_it() -> None:
    """Anthropic takes none inside; the last one covers what the others do, and the result's own all of them."""
    shown = (text("x", cache=MARK), text("y", cache=HOUR))
    made, report = body(HELLO, assistant(CALL), user(replace(RESULT, parts=shown)), tools=[FUNCTION])
    assert contents(made)[2][0]["cache_control"] == HOUR
    assert "cache_control" not in str(contents(made)[2][0]["content"])
    assert report.dropped == ("text.cache_control",)
    blank = replace(RESULT, parts=(text("x"), text("", cache=MARK)))
    assert contents(whole(HELLO, assistant(CALL), user(blank), tools=[FUNCTION]))[2][0]["cache_control"] == MARK


def test_four_marks_at_most() -> None:
    """The first of five is dropped, tools before the system before messages; four stay."""
    tool, system = replace(FUNCTION, cache=MARK), Turn("system", (text("s", cache=MARK),))
    three = user(*(text(said, cache=MARK) for said in "abc"))
    made, report = body(system, three, tools=[tool])
    assert ("cache_control" in made["tools"][0], report.dropped) == (False, ("tools[].f.cache_control",))
    assert "cache_control" in whole(three, tools=[tool])["tools"][0]


def test_an_hour_does_not_come_after_five_minutes() -> None:
    """It becomes five minutes, and that is reported; before them it is legal."""
    made, report = body(user(text("a", cache=MARK), text("b", cache=HOUR)))
    assert [block["cache_control"] for block in contents(made)[0]] == [MARK, MARK]
    assert report.dropped == ("text.cache_control.ttl",)
    whole(user(text("a", cache=HOUR), text("b", cache=MARK)))


def test_no_marks_for_a_model_that_takes_none() -> None:
    """They are left out and reported."""
    made, report = body(user(text("a", cache=MARK)), target=replace(TARGET, cache_control=False))
    assert ("cache_control" in str(made), report.dropped) == (False, ("text.cache_control",))


def test_thoughts_go_back_to_who_sealed_them() -> None:
    """Unsealed ones are of no use to Anthropic; OpenAI's seals are refused."""
    redacted = Thinking(redacted=seal(SIGNER, "x"), at="redacted")
    made, report = body(HELLO, assistant(Thinking(text="hm", at="plain"), THOUGHT, redacted, text("x")), HELLO)
    assert [block["type"] for block in contents(made)[1]] == ["thinking", "redacted_thinking", "text"]
    assert (report.dropped, report.refused) == (("plain.thinking",), ())
    sealed = Thinking(encrypted="gAAA", at="sealed")
    assert body(HELLO, assistant(sealed, text("x")), HELLO)[1].refused == ("sealed.thinking",)


PNG = {"type": "base64", "media_type": "image/png", "data": "AA=="}
JPEG = PNG | {"media_type": "image/jpeg"}


@pytest.mark.parametrize(
    ("image", "source"),
    [
        (Image(url="https://a.example/b.png"), {"type": "url", "url": "https://a.example/b.png"}),
        (Image(media_type="image/png", data="AA=="), PNG),
        (Image(media_type="image/jpg", data="AA==", detail="auto"), JPEG),
        (Image(url="data:image/PNG;base64,AA=="), PNG),
    ],
)
def test_images(image: Image, source: Json) -> None:
    """By address, or as base64, also of an address that holds it."""
    assert contents(whole(user(image))) == [[{"type": "image", "source": source}]]


@pytest.mark.parametrize(
    "part",
    [
        Image(file_id="file-1", at="at"),
        Image(url="data:image/svg+xml,<svg/>", at="at"),
        Image(url="data:image/png,AA==", at="at"),
        Image(media_type="image/tiff", data="AA==", at="at"),
        Image(url="gs://bucket/b.png", at="at"),
        File(file_id="file-1", at="at"),
        File(media_type="application/zip", data="AA==", at="at"),
        File(media_type="text/plain", data="/w==", at="at"),
        Audio(data="AA==", format="wav", at="at"),
    ],
)
def test_what_anthropic_cannot_look_at_is_refused(part: Part) -> None:
    """In what the user says, and in what a tool gave."""
    assert body(user(text("x"), part))[1].refused == (part.path,)
    given_back = replace(RESULT, parts=(part,))
    assert body(HELLO, assistant(CALL), user(given_back), tools=[FUNCTION])[1].refused == (part.path,)


def test_a_model_without_eyes_gets_no_image() -> None:
    """Of a model that nothing is known of we take it that it has them."""
    image = Image(url="https://a.example/b.png", detail="high", at="at")
    assert body(user(text("x"), image), target=replace(TARGET, images=False))[1].refused == ("at.image",)
    assert body(user(image))[1].dropped == ("at.detail",)


PDF = b64encode(b"%PDF-1.7").decode()


@pytest.mark.parametrize(
    ("file", "source"),
    [
        (File(url="https://a.example/b.pdf"), {"type": "url", "url": "https://a.example/b.pdf"}),
        (File(data=PDF), {"type": "base64", "media_type": "application/pdf", "data": PDF}),
        (
            File(url=f"data:application/pdf;base64,{PDF}"),
            {"type": "base64", "media_type": "application/pdf", "data": PDF},
        ),
        (File(text="x", media_type="text/plain"), {"type": "text", "media_type": "text/plain", "data": "x"}),
        (
            File(media_type="text/csv", data=b64encode(b"a,b").decode()),
            {"type": "text", "media_type": "text/plain", "data": "a,b"},
        ),
    ],
)
def test_documents(file: File, source: Json) -> None:
    """By address, as a PDF's data or as plain text, with the file's name as title."""
    made = whole(user(replace(file, name="t")))
    assert contents(made) == [[{"type": "document", "source": source, "title": "t"}]]


def test_a_file_that_is_an_image_is_shown_as_one() -> None:
    """Its media type decides, not the part that it came in."""
    assert contents(whole(user(File(media_type="image/png", data="AA==")))) == [[{"type": "image", "source": PNG}]]


@pytest.mark.parametrize("part", [Image(url="https://a.example", at="at"), File(text="x", at="at")])
def test_the_assistant_and_the_system_show_nothing(part: Part) -> None:
    """Images and files are the user's alone; elsewhere they are refused by their place."""
    assert body(HELLO, assistant(text("x"), part), HELLO)[1].refused == (part.path,)
    assert body(Turn("system", (part,)), HELLO)[1].refused == (part.path,)


def test_a_refusal_is_what_the_assistant_said() -> None:
    """In the history it is a text like any other."""
    assert contents(whole(HELLO, assistant(Refusal(text="No.")), HELLO))[1] == [{"type": "text", "text": "No."}]

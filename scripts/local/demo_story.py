"""What a user's program does in the demo: the vendors' clients with one import swapped, nothing else changed.

Each chapter makes calls, checks what came back as that program would, and keeps the receipts.
"""

import asyncio
import os
from typing import Any

import anthropic
import openai

from local.demo_calls import HELLO, SESSION, Call, Chapter, expect, kept
from local.demo_recovery import call_until_left_alone, call_until_probed, recovery_chapter
from local.demo_stage import DemoFault, Stage
from local.demo_tools import tools_anthropic, tools_openai
from local.demo_waits import wait_until_spent
from tests.fakes import Fail
from warmroute import Anthropic, AsyncAnthropic, AsyncOpenAI, OpenAI

SYSTEM = "You are a travel guide. " + " ".join(
    f"Rule {n}: answer in plain words and keep to what you know of the place." for n in range(1, 13)
)
"""Long enough for a provider to cache it."""


def tell(stage: Stage) -> list[Chapter]:
    """The story in its chapters. DemoFault when an answer is an error or not what it should be."""
    # What a user exports; the clients need no argument then.
    os.environ |= {"WARMROUTE_URL": stage.url, "WARMROUTE_API_KEY": stage.key}
    try:
        with OpenAI() as client:
            before = [_every_client(client), _tools(client, stage), _crossing(client), _fallback(client)]
            broken = call_until_left_alone(client, stage)
            meanwhile = [_session(client, stage), _budget(client, stage)]
            again = call_until_probed(client, stage, broken)
            return [*before, recovery_chapter([*broken, *again]), *meanwhile]
    except (openai.OpenAIError, anthropic.AnthropicError) as error:
        raise DemoFault(f"a call failed: {type(error).__name__}: {error}") from error


def _every_client(client: OpenAI) -> Chapter:
    calls = [*_openai(client), *asyncio.run(_openai_async()), *_anthropic(), *asyncio.run(_anthropic_async())]
    return Chapter(
        "Swap one import",
        "Both vendors' clients, sync and async, whole and streamed, work as before: one inference a call.",
        tuple(calls),
    )


def _openai(client: OpenAI) -> list[Call]:
    answer = client.chat.completions.create(model="chat", messages=HELLO)
    expect(answer.choices[0].message.content, "acme-mini-2026-01 answers: hello there")
    stream = client.chat.completions.create(model="chat", messages=HELLO, stream=True)
    said = "".join(chunk.choices[0].delta.content or "" for chunk in stream)
    expect(said, "acme-mini-2026-01 answers: hello there")
    return [kept("OpenAI", answer), kept("OpenAI stream", stream)]


async def _openai_async() -> list[Call]:
    async with AsyncOpenAI() as client:
        answer = await client.chat.completions.create(model="chat", messages=HELLO)
        expect(answer.choices[0].message.content, "acme-mini-2026-01 answers: hello there")
        stream = await client.chat.completions.create(model="chat", messages=HELLO, stream=True)
        said = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
        expect(said, "acme-mini-2026-01 answers: hello there")
        return [kept("AsyncOpenAI", answer), kept("AsyncOpenAI stream", stream)]


def _anthropic() -> list[Call]:
    with Anthropic() as client:
        answer = client.messages.create(model="claude", max_tokens=64, messages=HELLO)
        expect(getattr(answer.content[0], "text", None), "coda-mini-2026-01 answers: hello there")
        with client.messages.stream(model="claude", max_tokens=64, messages=HELLO) as stream:
            expect("".join(stream.text_stream), "coda-mini-2026-01 answers: hello there")
        return [kept("Anthropic", answer), kept("Anthropic stream", stream)]


async def _anthropic_async() -> list[Call]:
    async with AsyncAnthropic() as client:
        answer = await client.messages.create(model="claude", max_tokens=64, messages=HELLO)
        expect(getattr(answer.content[0], "text", None), "coda-mini-2026-01 answers: hello there")
        async with client.messages.stream(model="claude", max_tokens=64, messages=HELLO) as stream:
            expect("".join([text async for text in stream.text_stream]), "coda-mini-2026-01 answers: hello there")
        return [kept("AsyncAnthropic", answer), kept("AsyncAnthropic stream", stream)]


def _tools(client: OpenAI, stage: Stage) -> Chapter:
    answers = [
        *((f"OpenAI {step}", answer) for step, answer in tools_openai(client, stage.providers["acme"])),
        *(
            (f"AsyncAnthropic {step}", answer)
            for step, answer in asyncio.run(tools_anthropic(stage.providers["coda"]))
        ),
    ]
    return Chapter(
        "A tool call, there and back",
        "The model asks for a tool, gets its result and goes on: ids and arguments arrive unchanged.",
        tuple(kept(label, answer) for label, answer in answers),
    )


def _crossing(client: OpenAI) -> Chapter:
    """One question in each dialect, every time to a provider of the other vendor; one option has no word there."""
    chat = client.chat.completions.create(model="claude", messages=HELLO, seed=7)
    expect(chat.choices[0].message.content, "coda-mini-2026-01 answers: hello there")
    metadata = {"trip": SESSION}
    stream = client.responses.create(model="claude", input="hello there", metadata=metadata, stream=True)
    said = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
    expect(said, "coda-mini-2026-01 answers: hello there")
    with Anthropic() as other:
        mark: Any = {"type": "ephemeral"}
        message = other.messages.create(model="gpt", max_tokens=64, messages=HELLO, cache_control=mark)
        expect(getattr(message.content[0], "text", None), "acme-mini-2026-01 answers: hello there")
    return Chapter(
        "Any client, any provider",
        "One question, by OpenAI's SDK in both of its dialects (the second one streamed) and by Anthropic's. The "
        "only route of each profile speaks another dialect, so the router translates, there and back. Each call "
        "has one option for which the other side has no word: the receipt lists it as dropped, and what of the "
        "answer had no place. What would change the question itself would have ruled the route out.",
        (kept("chat", chat), kept("responses", stream), kept("messages", message)),
    )


def _fallback(client: OpenAI) -> Chapter:
    answer = client.chat.completions.create(model="unlucky", messages=HELLO)
    expect(answer.choices[0].message.content, "bolt-mini-2026-01 answers: hello there")
    return Chapter(
        "A provider fails, the next one serves",
        "The profile lists down, then bolt. The caller sees an ordinary answer, the ledger both attempts.",
        (kept("OpenAI", answer),),
    )


def _session(client: OpenAI, stage: Stage) -> Chapter:
    """The first turn meets a fault at `acme`, which has recovered before the second one."""
    stage.providers["acme"].plan(Fail(500))
    messages: list[Any] = [{"role": "system", "content": SYSTEM}]
    calls = []
    with client.session(SESSION):
        for turn, question in enumerate(("Where to?", "And for lunch?", "How do I get back?"), 1):
            messages.append({"role": "user", "content": question})
            answer = client.chat.completions.create(model="chat", messages=messages)
            said = answer.choices[0].message.content
            expect(said, f"bolt-mini-2026-01 answers: {question}")
            messages.append({"role": "assistant", "content": said})
            calls.append(kept(f"turn {turn}", answer))
    answer = client.chat.completions.create(model="chat", messages=HELLO)
    expect(answer.choices[0].message.content, "acme-mini-2026-01 answers: hello there")
    return Chapter(
        "A session keeps to its warm route",
        "The profile lists acme, then bolt. acme fails in turn 1 and is well again after it, as the call "
        "without a session shows. Turns 2 and 3 still go to bolt at once: there the prompt cache is warm, and "
        "most of the input is read from it.",
        (*calls, kept("no session", answer)),
    )


def _budget(client: OpenAI, stage: Stage) -> Chapter:
    """Two calls spend the budget; once the fleet knows it, two more find it spent."""
    calls = []
    for n, provider in enumerate(("dime", "dime", "bolt"), 1):
        if provider == "bolt":
            wait_until_spent(stage, "dime")
        answer = client.chat.completions.create(model="frugal", messages=HELLO)
        expect(answer.choices[0].message.content, f"{provider}-mini-2026-01 answers: hello there")
        calls.append(kept(f"OpenAI {n}", answer))
    try:
        client.chat.completions.create(model="dime/mini", messages=HELLO)
        raise DemoFault("a call pinned to a provider whose budget is spent was served")
    except openai.APIStatusError as refusal:
        expect((refusal.status_code, refusal.code), (402, "budget_exceeded"))
        calls.append(kept("pinned to dime", refusal))
    return Chapter(
        "A monthly budget runs out",
        "The profile lists dime, then bolt. dime serves until its spend has reached the limit (a soft one: the "
        "call that crosses it is still served), then it is skipped. A call pinned to dime/mini gets an "
        "openai.APIStatusError with status 402.",
        tuple(calls),
    )

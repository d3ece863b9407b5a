"""What an import loads: nothing until it is needed."""

import json
import subprocess
import sys

import pytest

HEAVY = ["openai", "anthropic", "boto3", "botocore", "httpx", "httpx2", "pydantic", "aiohttp"]


def _loaded(statement: str) -> set[str]:
    code = f"import sys, json\n{statement}\nprint(json.dumps([m for m in {HEAVY} if m in sys.modules]))"
    script = f"import sys; sys.path[:0] = {sys.path!r}\n{code}"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


def test_the_package_alone_loads_no_vendor_and_no_http() -> None:
    """`import warmroute` costs next to nothing, which a cold start feels."""
    assert _loaded("import warmroute; warmroute.receipt; warmroute.session('a')") == set()


@pytest.mark.parametrize(("name", "other"), [("OpenAI", "anthropic"), ("AsyncAnthropic", "openai")])
def test_a_class_loads_its_own_vendor_only(name: str, other: str) -> None:
    """Naming one vendor's class never loads the other vendor's SDK, nor anything of AWS."""
    loaded = _loaded(f"from warmroute import {name}")
    assert ({"openai", "anthropic"} - {other}) <= loaded
    assert not loaded & {other, "boto3", "botocore"}


def test_an_import_opens_nothing() -> None:
    """No file is written, no socket made and no process started by importing every class."""
    statement = """
import openai, anthropic, warmroute
def watch(event, args):
    assert not event.startswith(("socket.", "subprocess.")), (event, args)
    assert event != "open" or not set(str(args[1])) & set("wax+") or "__pycache__" in str(args[0]), args
sys.dont_write_bytecode = True
sys.addaudithook(watch)
warmroute.OpenAI, warmroute.AsyncAnthropic
"""
    assert "openai" in _loaded(statement)


def test_an_unknown_name_is_an_ordinary_attribute_error() -> None:
    """Lazy names do not hide a typing error."""
    import warmroute

    with pytest.raises(AttributeError, match="has no attribute 'OpenAi'"):
        _ = warmroute.OpenAi
    assert "AsyncOpenAI" in dir(warmroute)

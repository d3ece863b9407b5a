"""The fields of the vendors' own types, each with a small document that has it and one that has not.

Works on the TypedDicts of requests and on the pydantic models of answers. A path names the fields on the way;
`[]` is an item of a list, and `<text>` says which member of a union is meant.
"""

import types
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any, Literal, NotRequired, Required, get_args, get_origin, get_type_hints

from pydantic import BaseModel
from typing_extensions import is_typeddict

Json = Any
MAX_DEPTH = 7
SPECIAL: dict[str, tuple[Any, Any]] = {
    "budget_tokens": (2_000, 16_000),
    "file_data": ("data:application/pdf;base64,JVBERg==", "data:application/pdf;base64,JVBE"),
    "arguments": ('{"a": 1}', '{"b": 2}'),
    "max_tokens": (700, 1100),
    "max_completion_tokens": (700, 1100),
    "max_output_tokens": (700, 1100),
    "<input_image>.image_url": ("https://a.example/a.png", "https://a.example/b.png"),
    "image_url.url": ("https://a.example", "https://b.example"),
    "parallel_tool_calls": (False, True),
    "cached_tokens": (3, 5),
    "cache_write_tokens": (3, 5),
    "truncation": ("auto", "disabled"),
    "clear_at": ("next_user_message", "never"),
}
"""Values of fields for which any number, or any text, would not do."""
DISCRIMINATORS = ("type", "role", "object")


@dataclass(frozen=True)
class Sample:
    """A field, a document that says it, and one that says it not, or otherwise."""

    path: str
    present: Json
    absent: Json


@dataclass(frozen=True)
class _Field:
    name: str
    type: Any
    required: bool


def samples(of: Any) -> Iterator[Sample]:
    """Every field below a type, nested ones included, each once."""
    return _walk(of, "", ())


def minimal(of: Any) -> Json:
    """The smallest value of a type."""
    return _minimal(of, ())


def members(of: Any) -> list[Any]:
    """The members of a union."""
    return _members(_plain(of))


def label(of: Any) -> str:
    """What a member of a union calls itself."""
    return _label(of)


def _walk(of: Any, path: str, way: tuple[Any, ...]) -> Iterator[Sample]:
    of = _plain(of)
    if of in way or len(way) > MAX_DEPTH:
        return
    if members := _members(of):
        yield from _walk_union(members, path, way)
    elif (item := _item(of)) is not None:
        for sample in _walk(item, f"{path}[]", way):
            yield Sample(sample.path, [sample.present], [sample.absent])
    elif _is_object(of):
        for field in _fields(of):
            yield from _walk_field(of, field, path, (*way, of))


def _walk_union(members: list[Any], path: str, way: tuple[Any, ...]) -> Iterator[Sample]:
    for member in members:
        label = _label(member)
        yield from _walk(member, f"{path}<{label}>" if label and len(members) > 1 else path, way)


def _walk_field(of: Any, field: _Field, path: str, way: tuple[Any, ...]) -> Iterator[Sample]:
    where = f"{path}.{field.name}" if path else field.name
    base = _minimal(of, way[:-1])
    first, second = _two(field.type, where, way)
    without = (
        {**base, field.name: second} if field.required else {k: v for k, v in base.items() if k != field.name}
    )
    is_constant = field.required and first == second
    if not is_constant:
        yield Sample(where, {**base, field.name: first}, without)
    for sample in _walk(field.type, where, way):
        yield Sample(sample.path, {**base, field.name: sample.present}, {**base, field.name: sample.absent})


def _two(of: Any, path: str, way: tuple[Any, ...]) -> tuple[Json, Json]:  # noqa: PLR0911 - one line a form
    """Two different values of a type, where it has two."""
    if special := next((values for end, values in SPECIAL.items() if path.endswith(end)), None):
        return special
    of = _plain(of)
    if members := _members(of):
        pairs = [_two(member, path, way) for member in members]
        different = [pair for pair in pairs if pair[0] != pair[1]]
        return different[0] if different else (pairs[0][0], pairs[-1][0])
    if get_origin(of) is Literal:
        return get_args(of)[-1], get_args(of)[0]
    if (item := _item(of)) is not None:
        first, second = _two(item, path, way)
        return [first], ([second] if second != first else [])
    if _is_object(of):
        value = _minimal(of, way)
        return value, value
    if get_origin(of) in (dict, Mapping):
        return {"a": "x"}, {"b": "x"}
    word = "".join(c if c.isalnum() else "_" for c in path)[-40:]
    return _SIMPLE.get(of, (f"a_{word}", f"b_{word}"))


_SIMPLE: dict[Any, tuple[Json, Json]] = {
    int: (7, 11),
    float: (0.25, 0.75),
    bool: (True, False),
    object: ({"a": 1}, {"b": 1}),
    Any: ({"a": 1}, {"b": 1}),
    date: ("2026-01-01", "2026-01-02"),
    datetime: ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"),
}
"""Two values of the types that have no parts; of any other, two texts."""


def _minimal(of: Any, way: tuple[Any, ...]) -> Json:
    of = _plain(of)
    if members := _members(of):
        return _minimal(next((m for m in members if m not in way), members[0]), way)
    if of in way or get_origin(of) in (dict, Mapping):
        return {}
    if _is_object(of):
        return {field.name: _minimal(field.type, (*way, of)) for field in _fields(of) if field.required}
    if (item := _item(of)) is not None:
        return [_minimal(item, way)]
    if get_origin(of) is Literal:
        return get_args(of)[0]
    return _SIMPLE.get(of, ("text", ""))[0]


def _plain(of: Any) -> Any:
    """Without Required, NotRequired, Annotated, Optional and the names of aliases."""
    while True:
        origin = get_origin(of)
        if origin in (Required, NotRequired, Annotated):
            of = get_args(of)[0]
        elif hasattr(of, "__value__"):  # a named alias
            of = of.__value__
        else:
            return of


def _members(of: Any) -> list[Any]:
    """The members of a union that are not None, unions inside it unfolded."""
    if get_origin(of) not in (typing.Union, types.UnionType):
        return []
    plain = [_plain(member) for member in get_args(of) if member is not type(None)]
    return [inner for member in plain for inner in (_members(member) or [member])]


def _item(of: Any) -> Any:
    """The type of a list's items; None where it is no list."""
    origin = get_origin(of)
    if origin in (list, Sequence, Iterable) or getattr(origin, "__name__", "") in ("SequenceNotStr", "Iterable"):
        return get_args(of)[0]
    return None


def _is_object(of: Any) -> bool:
    return is_typeddict(of) or (isinstance(of, type) and issubclass(of, BaseModel))


def _fields(of: Any) -> list[_Field]:
    if is_typeddict(of):
        hints = get_type_hints(of, include_extras=True)
        return [_Field(name, hint, _is_required(hint, total=of.__total__)) for name, hint in hints.items()]
    return [
        _Field(info.alias or name, info.annotation, info.is_required()) for name, info in of.model_fields.items()
    ]


def _is_required(hint: Any, *, total: bool) -> bool:
    """By its own word; `__required_keys__` does not see through annotations that are kept as text."""
    return get_origin(hint) is Required or (total and get_origin(hint) is not NotRequired)


def _label(member: Any) -> str:
    """What a union's member calls itself."""
    if not _is_object(member):
        return ""
    named = {field.name: _plain(field.type) for field in _fields(member)}
    for name in DISCRIMINATORS:
        if get_origin(named.get(name)) is Literal:
            return str(get_args(named[name])[0])
        for inner in _members(named.get(name)):
            if get_origin(inner) is Literal:
                return str(get_args(inner)[0])
    return str(member.__name__)

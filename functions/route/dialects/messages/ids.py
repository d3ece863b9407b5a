"""Names of tools and ids of calls as Anthropic takes them: letters, digits, `_` and `-`, ids each of them once."""

from route.dialects.names import MAX_NAME, wire_name

MAX_TOOL_NAME = 128


def tool_name(namespace: str, name: str) -> str:
    """Anthropic takes longer names than others do; a namespace's have the length that all take."""
    return wire_name(namespace, name, MAX_NAME if namespace else MAX_TOOL_NAME)


class UniqueIds:
    """Gives legal ids. One that was given before becomes another: some servers number each turn's calls from 0."""

    def __init__(self) -> None:
        self._wanted: dict[str, int] = {}
        self._given: set[str] = set()

    def give(self, wanted: str) -> str:
        """Depends on what was given before, and on nothing after: a history that grows keeps its ids."""
        while True:
            count = self._wanted.get(wanted, 0)
            self._wanted[wanted] = count + 1
            given = wire_name("", f"{wanted}#{count}" if count else wanted)
            if given not in self._given:
                self._given.add(given)
                return given

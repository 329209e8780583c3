"""What goes wrong on purpose: for one address or for any, a number of times or from now on.

Names with a colon take a detail, for example `undelivered:30005`. The outcomes of the contract's simulation files
(2.1) are names here too, so that the same file says the same of a real run.
"""

from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

REQUEST_FAULTS: Final = {
    "drop": "Take the message, then drop the connection without an answer",
    "hang": "Take the message, then never answer",
    "lose": "Drop the connection without taking the message",
    "500-before": "Answer 500 without taking the message (mail: 451 before the data)",
    "500-after": "Take the message, then answer 500 (mail: 451 after the data)",
    "429": "Answer 429 with Retry-After, without taking the message (mail: 450 to the recipient)",
    "reject": "Refuse with a code, for example reject:21614 (mail: reject:5.1.1)",
}
RECEIPT_FAULTS: Final = {
    "undelivered": "Take it, and report it undelivered, for example undelivered:30005 (mail: undelivered:5.1.1)",
    "lost": "Take it, and never report what became of it",
    "late": "Report so many seconds late, for example late:600",
    "doubled": "Report everything twice, and out of order",
}
LIST_FAULTS: Final = {
    "lag": "Show messages in the list so many seconds late, for example lag:90",
    "list-down": "Answer 503 to every question about messages",
}
ALIASES: Final = {"timeout-accepted": "hang", "timeout-lost": "lose"}
NAMES: Final = {**REQUEST_FAULTS, **RECEIPT_FAULTS, **LIST_FAULTS}
_DETAILED: Final = frozenset({"reject", "undelivered", "late", "lag"})


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One fault. `to` None: any address. `times` None: from now on."""

    name: str
    detail: str = ""
    to: str | None = None
    times: int | None = None

    @property
    def label(self) -> str:
        """The fault as one writes it."""
        return f"{self.name}:{self.detail}" if self.detail else self.name

    @property
    def seconds(self) -> float:
        """The detail of `late` and `lag`."""
        return float(self.detail)


def parse(text: str, to: str | None = None, times: int | None = None) -> Fault:
    """A fault from `NAME`, `NAME:DETAIL`. Raises ValueError, in one sentence, for what is none."""
    name, _, detail = text.strip().partition(":")
    name = ALIASES.get(name, name)
    if name not in NAMES:
        raise ValueError(f"a fault is one of {', '.join(NAMES)}, not {name!r}")
    if (name in _DETAILED) != bool(detail):
        raise ValueError(f"the fault {name} {'needs' if name in _DETAILED else 'takes no'} detail after a colon")
    if name in ("late", "lag") and not detail.isdigit():
        raise ValueError(f"the fault {name} needs whole seconds, not {detail!r}")
    return Fault(name=name, detail=detail, to=to, times=times)


class Faults:
    """The faults that are set, oldest first."""

    def __init__(self) -> None:
        self._set: list[Fault] = []

    def __iter__(self) -> Iterator[Fault]:
        return iter(tuple(self._set))

    def add(self, fault: Fault) -> None:
        """Set a fault; one of the same name and address is replaced."""
        self._set = [old for old in self._set if (old.name, old.to) != (fault.name, fault.to)]
        self._set.append(fault)

    def clear(self, to: str | None = None) -> None:
        """Remove the faults of one address, or all."""
        self._set = [] if to is None else [fault for fault in self._set if fault.to != to]

    def take(self, names: Mapping[str, str], to: str) -> Fault | None:
        """The fault of this group that strikes now, if any: that of the address before that of any address."""
        for wanted in (to, None):
            for index, fault in enumerate(self._set):
                if fault.name in names and fault.to == wanted:
                    if fault.times is not None:
                        self._use(index, fault)
                    return fault
        return None

    def _use(self, index: int, fault: Fault) -> None:
        left = (fault.times or 1) - 1
        if left:
            self._set[index] = msgspec.structs.replace(fault, times=left)
        else:
            del self._set[index]

    def seconds(self, name: str, to: str) -> float:
        """The longest `lag` that is set for an address."""
        return max((f.seconds for f in self._set if f.name == name and f.to in (to, None)), default=0.0)

"""The mail that the sandbox holds, by address, read for the page."""

from datetime import datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

import msgspec


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """One mail in an inbox. `copies`: how often the same Message-ID came, which a person sees as one."""

    id: str
    to: str
    envelope_sender: str
    received: datetime
    content: bytes
    status: str = "accepted"
    copies: int = 1

    @property
    def message(self) -> EmailMessage:
        """The mail, read."""
        return message_from_bytes(self.content, policy=default)

    def part(self, subtype: str) -> str:
        """The text of the plain or html part; empty where there is none."""
        body = self.message.get_body((subtype,))
        return str(body.get_content()).replace("\r\n", "\n") if body is not None else ""

    def header(self, name: str) -> str:
        """A header, decoded; empty where there is none."""
        return str(self.message.get(name, ""))


class Inbox:
    """All letters, in the order in which they came."""

    def __init__(self) -> None:
        self._letters: dict[tuple[str, str], Letter] = {}

    def __len__(self) -> int:
        return len(self._letters)

    @property
    def addresses(self) -> list[str]:
        """Every address that has mail, in the order in which they first had some."""
        return list(dict.fromkeys(letter.to for letter in self._letters.values()))

    def add(self, letter: Letter) -> None:
        """Keep a letter; one with the same Message-ID to the same address is the same letter."""
        held = self._letters.get((letter.to, letter.id))
        if held is None:
            self._letters[letter.to, letter.id] = letter
        else:
            self._letters[letter.to, letter.id] = msgspec.structs.replace(held, copies=held.copies + 1)

    def mark(self, letter: Letter, status: str) -> None:
        """What became of a letter."""
        held = self._letters[letter.to, letter.id]
        self._letters[letter.to, letter.id] = msgspec.structs.replace(held, status=status)

    def letters(self, address: str | None = None) -> list[Letter]:
        """The letters of an address, or all, oldest first."""
        return [letter for letter in self._letters.values() if address in (None, letter.to)]

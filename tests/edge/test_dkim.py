"""Mail is ready to be signed: what is signed before our way through SMTP still verifies behind it.

The judge is mailauth, a library of others. Both parts are signed as `simple`, which forgives no changed byte.
"""

import base64
import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from schemas.internal import Mail
from services.mail import compose
from tests.edge.conftest import Rig, claim_of
from tests.messages.cases import CATALOGUE, KINDS, LANGUAGES, envelope, facts
from tests.npm import installed

_HERE = Path(__file__).parent / "dkim"
_SIGNED = (
    "From:To:Subject:Date:Message-ID:MIME-Version:Content-Type:Content-Language:Auto-Submitted"
    ":List-Unsubscribe:List-Unsubscribe-Post"
)


class Judge:
    """mailauth with a key of its own."""

    def __init__(self, modules: Path) -> None:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        public = key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self._given = {
            "modules": str(modules),
            "key": pem.decode(),
            "record": f"v=DKIM1; k=rsa; p={base64.b64encode(public).decode()}",
            "headers": _SIGNED,
        }

    def sign(self, mails: Sequence[bytes], canonicalization: str = "simple/simple") -> list[bytes]:
        """The signature header of each, with its line end."""
        return [line.encode() for line in self._ask("sign", mails, canonicalization=canonicalization)]

    def verify(self, mails: Sequence[bytes]) -> list[str]:
        """The verdict on each."""
        return self._ask("verify", mails)

    def _ask(self, task: str, mails: Sequence[bytes], **more: str) -> list[Any]:
        given = self._given | more | {"task": task, "mails": [base64.b64encode(mail).decode() for mail in mails]}
        ran = subprocess.run(
            ["node", str(_HERE / "referee.js")],
            input=json.dumps(given),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        answers = json.loads(ran.stdout)
        assert isinstance(answers, list)
        return answers


@pytest.fixture(scope="module")
def judge() -> Judge:
    return Judge(installed(_HERE, "dkim"))


def letters() -> list[Mail]:
    """One mail of each kind, the languages in turn; and one whose lines begin with dots, end in blanks or are long."""
    about = envelope(sender_name="Seguridad Nacional – señales", unsubscribe="https://x.example/u", interview="i1")
    made = [
        CATALOGUE.mail(kind, language, list(facts(kind))[1], about)
        for kind, language in zip(KINDS, LANGUAGES * len(KINDS), strict=False)
        if (language, kind) in CATALOGUE.library.files
    ]
    odd = made[0]
    one_click = {"List-Unsubscribe": "<https://x.example/u>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}
    body = f".\n..\n.a\n{'wide ' * 400}\n \n\t\nend "
    return [*made, Mail(subject=odd.subject, text=body, html=f"<p>{body}</p>", headers=odd.headers | one_click)]


async def test_a_signature_made_before_our_way_through_smtp_holds_behind_it(rig: Rig, judge: Judge) -> None:
    mails = letters()
    arrived: list[bytes] = []
    for number, mail in enumerate(mails):
        to = f"reader{number}@example.com"
        assert (await rig.dialled(claim_of(mail, to))).result == "accepted"
        [letter] = rig.sandbox.world.inbox.letters(to)
        arrived.append(letter.content)
    sent = [compose(mail) for mail in mails]
    assert arrived == sent
    assert any(b"text/calendar" in content for content in sent)
    assert any(b"List-Unsubscribe-Post" in content for content in sent)
    signed = judge.sign(sent)
    verdicts = judge.verify([line + content for line, content in zip(signed, arrived, strict=True)])
    assert verdicts == ["pass"] * len(mails)


async def test_a_relay_that_signs_as_is_usual_signs_what_arrives_and_guards_the_way_out(judge: Judge) -> None:
    [mail] = letters()[-1:]
    content = compose(mail)
    [line] = judge.sign([content], "relaxed/relaxed")
    other = content.replace(b"https://x.example/u", b"https://y.example/u", 1)
    assert other != content
    assert judge.verify([line + content, line + other, line + content.replace(b"end", b"End")]) == [
        "pass",
        "fail",
        "neutral",
    ]

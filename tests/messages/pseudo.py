"""Two invented languages made from English: one 40 % longer with accents, one right to left.

They find a layout, a budget or a check that only works for English, before a translator does.
"""

import re
from collections.abc import Callable, Mapping

LONG, RTL = "qps", "qps-rtl"
_ACCENTS = str.maketrans("aeiouAEncO", "àèìòùÅÉñÇØ")
_HEBREW = str.maketrans(dict(zip("abcdefghijklmnopqrstuvwxyz", "אבצדעפגהיקכלמנוףןרסתשוםחזט", strict=False)))
_BRACES = re.compile(r"(\{\{ \w+ \}\}|\{\w+\})")


def with_pseudo_languages(sources: Mapping[str, str]) -> dict[str, str]:
    """The sources and both invented languages."""
    made = dict(sources)
    for path in [path for path in sources if path.startswith("en/")]:
        name = path.removeprefix("en/")
        if name == "language.toml":
            made[f"{LONG}/{name}"] = _table(sources[path], _longer, 'direction = "ltr"\nencoding = "GSM-7"\n')
            made[f"{RTL}/{name}"] = _table(sources[path], _hebrew, 'direction = "rtl"\nencoding = "UCS-2"\n')
        else:
            made[f"{LONG}/{name}"] = _message(sources[path], _longer)
            made[f"{RTL}/{name}"] = _message(sources[path], _hebrew)
    return made


def _table(text: str, say: Callable[[str], str], head: str) -> str:
    said = re.sub(r'= "(.*)"$', lambda match: f'= "{say(match[1])}"', text, flags=re.MULTILINE)
    rest = re.sub(r"^(direction|encoding|state|segments) = .*$", "", said, flags=re.MULTILINE)
    return f'{head}state = "draft"\nsegments = 3\n{rest}'


def _message(text: str, say: Callable[[str], str]) -> str:
    lines, slot = [], ""
    for line in text.split("\n+++\n", 1)[1].split("\n"):
        if line.startswith("["):
            slot = line.strip("[]").split(":")[0]
            lines.append(line)
        elif slot == "subject":
            lines.append(line if say is _longer else f"א {line}")
        elif not line:
            lines.append(line)
        elif slot == "sms":
            lines.append(_sms(line, say))
        else:
            lines.append("- " + say(line[2:]) if line.startswith("- ") else say(line))
    return '+++\nowner = "nobody"\nstate = "draft"\nsource = "none"\nsegments = 3\n+++\n' + "\n".join(lines)


def _sms(line: str, say: Callable[[str], str]) -> str:
    """Placeholders first, so that none falls on the seam of two parts; the sentence on STOP stays at the end."""
    stop = "Reply STOP to end."
    body = line.removesuffix(stop)
    names = _BRACES.findall(body)
    end = [say(stop)] if body != line else []
    first = [] if say is _longer else ["א"]
    return " ".join([*first, *names, say(" ".join(_BRACES.sub("", body).split())), *end])


def _longer(text: str) -> str:
    grown = "".join(part if _BRACES.fullmatch(part) else part.translate(_ACCENTS) for part in _BRACES.split(text))
    return grown + " " + "xyzzy " * (len(text) // 15) + "xyz" if " " in text else grown


def _hebrew(text: str) -> str:
    return "".join(part if _BRACES.fullmatch(part) else part.lower().translate(_HEBREW) for part in _BRACES.split(text))

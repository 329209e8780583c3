"""Whether a schema may replace a released one: readers and data of either age must understand each other, for ever.

What a released schema says of a field stays exactly so, neither narrower nor wider: a wider field would surprise an old
reader, a narrower one would refuse old data. A field may be added where an old record without it still makes sense: an
input field that is not required, an output field that may be null or has a default.
"""

from typing import Any, Final

_WORDS: Final = ("title", "description", "default", "$id", "$schema", "$defs", "examples")


def breaks(released: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """What a new schema would break, one sentence each; empty where it may replace the released one."""
    return sorted(_compare("$", released, now, released, now, frozenset()))


def _compare(
    path: str, old: Any, new: Any, released: dict[str, Any], now: dict[str, Any], seen: frozenset[str]
) -> list[str]:
    old, old_name = _resolved(old, released)
    new, _ = _resolved(new, now)
    if old_name in seen:
        return []
    if old_name:
        seen |= {old_name}
    if not isinstance(old, dict) or not isinstance(new, dict):
        return [] if old == new else [f"{path}: was {old}, is {new}"]
    found = _properties(path, old, new, released, now, seen)
    for word in sorted((old.keys() | new.keys()) - {*_WORDS, "properties", "required"}):
        if word not in old or word not in new:
            found.append(f"{path}: {word} was {old.get(word, 'absent')}, is {new.get(word, 'absent')}")
        elif word in ("anyOf", "prefixItems") and len(old[word]) == len(new[word]):
            for position, (before, after) in enumerate(zip(old[word], new[word], strict=True)):
                found += _compare(f"{path}.{word}[{position}]", before, after, released, now, seen)
        else:
            found += _compare(f"{path}.{word}", old[word], new[word], released, now, seen)
    return found


def _properties(
    path: str,
    old: dict[str, Any],
    new: dict[str, Any],
    released: dict[str, Any],
    now: dict[str, Any],
    seen: frozenset[str],
) -> list[str]:
    before, after = old.get("properties", {}), new.get("properties", {})
    found = []
    for name in before:
        if name not in after:
            found.append(f"{path}.{name}: is gone")
            continue
        if (name in old.get("required", ())) != (name in new.get("required", ())):
            found.append(f"{path}.{name}: changed between required and optional")
        found += _compare(f"{path}.{name}", before[name], after[name], released, now, seen)
    for name in after.keys() - before.keys():
        if name in new.get("required", ()) and not _harmless(after[name], now):
            found.append(f"{path}.{name}: is new and required, and records that lack it exist")
    return found


def _harmless(field: dict[str, Any], now: dict[str, Any]) -> bool:
    """Whether a reader can take the absence of a required field for null or for its default."""
    field, _ = _resolved(field, now)
    return "default" in field or any(option.get("type") == "null" for option in field.get("anyOf", ()))


def _resolved(schema: Any, document: dict[str, Any]) -> tuple[Any, str | None]:
    if isinstance(schema, dict) and "$ref" in schema:
        name = schema["$ref"].removeprefix("#/$defs/")
        return document["$defs"][name] | {key: value for key, value in schema.items() if key != "$ref"}, name
    return schema, None

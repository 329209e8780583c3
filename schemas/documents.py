"""The JSON Schemas (2020-12) of everything that goes in and out, made from the structs: file name -> document.

Input schemas are open, as our readers are. Output schemas are closed and require every field, as our writers say all of
them; a consumer should read openly, because a field may be added (schemas/compatibility.py).
"""

from typing import Any, Final

import msgspec

from schemas.outputs import Audit, Notification, Suppression, Timing, Transition, TravelerStatus, WorkItem
from schemas.source import Link, ProfileUpdated, SourceData, StaffDecision

BASE: Final = "https://example.com/schemas/"

INPUTS: Final[dict[str, tuple[type[msgspec.Struct], str]]] = {
    "precheck-event": (SourceData, "Data of an event of TSA PreCheck"),
    "global-entry-event": (SourceData, "Data of an event of a CBP Trusted Traveler Program"),
    "profile-updated": (ProfileUpdated, "Data of a profile event that merges into a profile"),
    "profile-link": (Link, "Data of a profile event that links, unlinks or ends a record or a person"),
    "staff-decision": (StaffDecision, "Data of a profile event in which the staff decides"),
}

OUTPUTS: Final[dict[str, tuple[type[msgspec.Struct], str]]] = {
    "traveler-status": (TravelerStatus, "The unified view of one traveler"),
    "transition": (Transition, "One change that a traveler could notice"),
    "notification": (Notification, "One step in the life of one message"),
    "timing": (Timing, "One CX timing row"),
    "suppression": (Suppression, "Why one address is not written to"),
    "work": (WorkItem, "What a person must look at"),
    "audit": (Audit, "One action of the staff"),
}


def file_name(name: str) -> str:
    """The name of the file that holds a schema, which is the end of its address."""
    return f"{name}.v1.json"


def address(name: str) -> str:
    """The address of a schema, as its `$id` and as the `dataschema` of events."""
    return BASE + file_name(name)


def schemas() -> dict[str, dict[str, Any]]:
    """Every schema by file name."""
    made = {}
    for table in (INPUTS, OUTPUTS):
        for name, (struct, title) in table.items():
            document = msgspec.json.schema(struct)
            if table is OUTPUTS:
                _require_all(document)
            made[file_name(name)] = {
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "$id": address(name),
                "title": title,
                **document,
            }
    return made


def _require_all(document: dict[str, Any]) -> None:
    """Our writers leave out no field: absent ones are null."""
    for definition in document["$defs"].values():
        if definition.get("type") == "object":
            definition["required"] = list(definition["properties"])

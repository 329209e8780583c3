"""The whole pipeline, built from its settings: intake and the keyed stages, ready for any of the three runners."""

from typing import Any

import msgspec

from streams.addresses import Addresses
from streams.catalogue import Catalogue
from streams.grammar import Stage
from streams.identity import Identity
from streams.intake import Intake
from streams.policy import Policy
from streams.records import Records
from streams.travelers import Travelers


class Pipeline(msgspec.Struct, frozen=True):
    """Intake, and the keyed stages by name in the order in which news passes them."""

    intake: Intake
    stages: dict[str, Stage[Any]]


def build(identity: Identity, policy: Policy, catalogue: Catalogue) -> Pipeline:
    """The pipeline for one key, one policy and one catalogue of messages."""
    stages: tuple[Stage[Any], ...] = (
        Records(identity, policy),
        Travelers(identity, policy, catalogue),
        Addresses(identity, policy, catalogue),
    )
    return Pipeline(intake=Intake(identity), stages={stage.name: stage for stage in stages})

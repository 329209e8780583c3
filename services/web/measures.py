"""What the web counts, for `/metrics`; among it what must raise an alarm, such as texts that carriers filter."""

from typing import Final

from prometheus_client import Counter

RECEIPTS: Final = Counter(
    "ttn_web_receipts",
    "What providers said of our messages; the code is Twilio's own, of a mail the class of its status.",
    ["channel", "status", "code"],
)
LIMITED: Final = Counter("ttn_web_limited", "Requests answered 429 because their source had asked for too much.")
UNUSABLE: Final = Counter(
    "ttn_web_unusable",
    "Requests that the provider signed and that we cannot use, by the field that is wrong.",
    ["what"],
)
SECONDARY: Final = Counter("ttn_web_secondary_secret", "Webhooks that were signed with the secondary secret.")

"""What the dialer counts, for `/metrics`. Labels are channels and results, never people."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

REQUESTS: Final = Counter("ttn_dialer_requests", "Requests to providers by what they came to.", ["channel", "result"])
SECONDS: Final = Histogram(
    "ttn_dialer_request_seconds",
    "Seconds of one request to a provider.",
    ["channel"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 30.0),
)
OPEN: Final = Gauge("ttn_dialer_open", "Commands that have no result yet.")
TURNED_BACK: Final = Counter("ttn_dialer_turned_back", "Claims that could not leave in time, by reason.", ["reason"])
TROUBLE: Final = Counter(
    "ttn_dialer_trouble",
    "Messages that the provider refused, or took and delivers to nobody, until we act.",
    ["channel", "code"],
)
BREAKER: Final = Gauge("ttn_dialer_breaker_open", "1 while a provider is given a rest.", ["channel"])
UNSENT: Final = Gauge(
    "ttn_dialer_unsent_segments", "Segments given to the provider of texts that it has not sent on yet."
)
STRAY: Final = Counter(
    "ttn_stray_receipts",
    "Receipts that change nothing: of a message that is not known here, or against what was final.",
    ["why", "status"],
)

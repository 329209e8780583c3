"""The programs as a message names them. Names stay in English in every language (domain 7.3)."""

from typing import Final

import msgspec


class Program(msgspec.Struct, frozen=True):
    """`short` fits a text message; `host` is the one address that a message about the program may show."""

    short: str
    full: str
    host: str


HOSTS: Final = ("tsa.gov/precheck", "ttp.dhs.gov")
"""The only addresses that a message may show: no query, no token, no shortener (domain 4.7)."""

PROGRAMS: Final = {
    "PRECHECK": Program("TSA PreCheck", "TSA PreCheck", HOSTS[0]),
    "GLOBAL_ENTRY": Program("Global Entry", "Global Entry", HOSTS[1]),
    "NEXUS": Program("NEXUS", "NEXUS", HOSTS[1]),
    "SENTRI": Program("SENTRI", "SENTRI", HOSTS[1]),
    "FAST": Program("FAST", "FAST", HOSTS[1]),
    "ABTC": Program("APEC Card", "APEC Business Travel Card", HOSTS[1]),
}

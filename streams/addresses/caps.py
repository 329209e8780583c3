"""How many texts one number gets: three a day and ten a month (domain 3.9), by the local calendar."""

from datetime import datetime
from typing import Final

from msgspec.structs import replace

from streams import hours
from streams.addresses.state import Address, Job

A_DAY: Final = 3
A_MONTH: Final = 10


def reached(address: Address, job: Job, now: datetime) -> bool:
    """Whether one more text is one too many. Adverse, security and consent messages are exempt and not counted."""
    if job.send.channel != "sms" or job.send.exempt or job.reply:
        return False
    today = hours.local_day(now, job.send.zones).isoformat()
    month = sum(day[:7] == today[:7] for day in address.texts)
    return address.texts.count(today) >= A_DAY or month >= A_MONTH


def count(address: Address, job: Job, at: datetime) -> Address:
    """The address after the provider took this text, claimed at `at`. Days before last month are forgotten."""
    if job.send.channel != "sms" or job.send.exempt or job.reply:
        return address
    today = hours.local_day(at, job.send.zones)
    first = (today.replace(day=1).toordinal()) - 31
    kept = tuple(day for day in address.texts if today.fromisoformat(day).toordinal() >= first)
    return replace(address, texts=(*kept, today.isoformat()))

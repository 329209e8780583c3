"""The dialer: acts on claims and lookups of the addresses stage after their transaction has committed (design 4).

One request per claim, whatever comes of it; the result goes to the stage's inbox. Nothing that was committed before
this process had the partition is ever dialled: without a result it is in doubt, and the stage resolves it.
"""

from services.dialer.dialer import Dialer as Dialer
from services.dialer.lease import Lease as Lease

"""What the phone desk says of a case: what is known and from which event, which rule decided, what was sent.

Made from what is on the topics alone, so it is the same for a simulation and for the running system.
"""

from streams.explanation.dossier import Dossier
from streams.explanation.telling import explain, tell, unused

__all__ = ["Dossier", "explain", "tell", "unused"]

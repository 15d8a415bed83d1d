"""The fixed limits of the system (bytes, counts, seconds). A limit that bites tells the one it bites."""

KIB = 1024
MIB = 1024 * KIB

MAX_PAYLOAD = 256 * KIB
MAX_RESULT = 1 * MIB
MAX_DOCUMENT_TEXT = 1 * MIB
MAX_LINE = 64 * KIB
MAX_LOG_PER_ATTEMPT = 512 * MIB
LOG_TAIL_KEPT = 1 * MIB
MAX_BULK = 10_000
SPAWN_BUFFER = 10_000
MAX_DEPTH = 1_000
MAX_LOSSES_BEFORE_SOLO = 2
LINK_SECONDS = 15  # a database's host that acknowledges nothing for so long is gone

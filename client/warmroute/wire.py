"""The names on the wire between this package and a Warmroute router.

The router has the same file under `route/wire.py`; a test holds the two equal. Header names are lower
case, as HTTP/2 has them; header lookups ignore case anyway.
"""

from typing import Final

# Request headers.
SESSION_HEADER: Final = "x-warmroute-session"
RECEIPT_HEADER: Final = "x-warmroute-receipt"
PROFILE_HEADER: Final = "x-warmroute-profile"
MODE_HEADER: Final = "x-warmroute-mode"
PREFERENCE_HEADER: Final = "x-warmroute-preference"
MIN_QUALITY_HEADER: Final = "x-warmroute-min-quality"
AGENT_HEADER: Final = "x-warmroute-agent"

# Response headers, on every answer, errors included.
INFERENCE_ID_HEADER: Final = "x-warmroute-inference-id"
ROUTE_HEADER: Final = "x-warmroute-route"
ATTEMPTS_HEADER: Final = "x-warmroute-attempts"
OVERHEAD_HEADER: Final = "x-warmroute-overhead-ms"

# Key of the receipt in a JSON body, or in the closing event of a stream.
RECEIPT_FIELD: Final = "x_router"

"""Names on the wire between the client and the router. The client has the same file; a test holds them equal."""

SESSION_HEADER = "x-warmroute-session"
RECEIPT_HEADER = "x-warmroute-receipt"
PROFILE_HEADER = "x-warmroute-profile"
MODE_HEADER = "x-warmroute-mode"
PREFERENCE_HEADER = "x-warmroute-preference"
MIN_QUALITY_HEADER = "x-warmroute-min-quality"
AGENT_HEADER = "x-warmroute-agent"

INFERENCE_ID_HEADER = "x-warmroute-inference-id"
ROUTE_HEADER = "x-warmroute-route"
ATTEMPTS_HEADER = "x-warmroute-attempts"
OVERHEAD_HEADER = "x-warmroute-overhead-ms"

RECEIPT_FIELD = "x_router"

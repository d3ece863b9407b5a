"""How the ASGI app meets the platform that it runs on."""

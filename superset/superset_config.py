"""Superset's settings; `serve.py` names this file and the home to it."""

import logging
import os
from pathlib import Path

HOME = Path(os.environ["SUPERSET_HOME"])

SECRET_KEY = (HOME / "secret_key").read_text(encoding="ascii")
SQLALCHEMY_DATABASE_URI = f"sqlite:///{HOME / 'superset.db'}"
# Every request leaves a line in its own database: four workers take turns.
SQLALCHEMY_ENGINE_OPTIONS = {"connect_args": {"timeout": 30}}
# Its warnings are about itself.
LOG_LEVEL = logging.ERROR

# Superset takes every file database for unsafe, because its users could read other files of the server. Ours is opened
# read-only and without access to anything else (see bundle/databases).
PREVENT_UNSAFE_DB_CONNECTIONS = False

# The built page carries a tracking pixel that no setting switches off, and may load maps and fonts from elsewhere:
# the browser is told to ask nobody but this server.
_OURS = ["'self'"]
TALISMAN_CONFIG = {
    "content_security_policy": {
        "base-uri": _OURS,
        "default-src": _OURS,
        "img-src": [*_OURS, "blob:", "data:"],
        "worker-src": [*_OURS, "blob:"],
        "connect-src": _OURS,
        "font-src": [*_OURS, "data:"],
        "object-src": "'none'",
        "style-src": [*_OURS, "'unsafe-inline'"],
        "script-src": [*_OURS, "'strict-dynamic'"],
    },
    "content_security_policy_nonce_in": ["script-src"],
    "force_https": False,
    "session_cookie_secure": False,
}
ENABLE_CORS = False

"""An MLflow server, asked over HTTP without MLflow, once and briefly."""

import base64
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib import parse

from ctexp.address import shown
from ctexp.errors import StoreUnreachableError

if TYPE_CHECKING:
    from urllib.request import Request

_PATIENCE_SECONDS = 10.0
_DOWN = (502, 503, 504)
"""What a proxy says of a server that is not there."""


def get(uri: str, path: str, query: Mapping[str, str]) -> bytes | None:
    """Ask a server; None where it answers otherwise than with 200, or is reached in a way that only MLflow knows.

    Credentials are MLflow's own: `MLFLOW_TRACKING_TOKEN`, or `MLFLOW_TRACKING_USERNAME` and `..._PASSWORD`.

    Args:
        uri: `http://` or `https://`, with a path prefix where the server has one.
        path: of MLflow's REST interface.
        query: of the question.

    Raises:
        StoreUnreachableError: nobody answers.
    """
    import http.client
    import ssl
    from urllib import error, request

    try:
        question = _question(uri, path, query)
        if question is None:
            return None
        with request.urlopen(question, timeout=_PATIENCE_SECONDS) as reply:  # noqa: S310 - see the argument
            content: bytes = reply.read(1 << 24)
            return content
    except error.HTTPError as answer:
        if answer.code in _DOWN:
            raise _unreachable(uri, f"the server answers {answer.code}") from answer
        return None
    except error.URLError as failure:
        if isinstance(failure.reason, ssl.SSLError):  # MLflow may know other certificates
            return None
        raise _unreachable(uri, str(failure.reason)) from failure
    except (OSError, http.client.HTTPException) as failure:
        raise _unreachable(uri, str(failure) or type(failure).__name__) from failure
    except ValueError:
        return None


def _unreachable(uri: str, reason: str) -> StoreUnreachableError:
    return StoreUnreachableError(
        f"store {shown(uri)}: must be reachable: {reason}; start the server or mend MLFLOW_TRACKING_URI"
    )


def _question(uri: str, path: str, query: Mapping[str, str]) -> "Request | None":
    """Write the question; None where the way leads over a proxy that only MLflow's library can use."""
    from urllib import request

    parts = parse.urlsplit(uri)
    proxies = request.getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all") or ""
    unknown = parts.scheme not in proxies or proxy.lower().startswith("socks")
    if proxy and unknown and not request.proxy_bypass(parts.hostname or ""):
        return None
    who, _, host = parts.netloc.rpartition("@")
    place = parse.urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", ""))
    address = f"{place}/api/2.0/mlflow/{path}?{parse.urlencode(query)}"
    question = request.Request(address)  # noqa: S310 - http and https only, see the caller
    if credentials := _credentials(who):
        question.add_unredirected_header("Authorization", credentials)  # for this server, not for where it may lead
    return question


def _credentials(who: str) -> str | None:
    name, password = (os.environ.get(f"MLFLOW_TRACKING_{word}") for word in ("USERNAME", "PASSWORD"))
    if ":" in who:  # in the address itself; MLflow's library puts it above the environment
        first, _, second = who.partition(":")
        name, password = parse.unquote(first), parse.unquote(second)
    if name and password:
        return f"Basic {base64.b64encode(f'{name}:{password}'.encode()).decode()}"
    token = os.environ.get("MLFLOW_TRACKING_TOKEN")
    return f"Bearer {token}" if token else None

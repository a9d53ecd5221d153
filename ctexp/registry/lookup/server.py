"""The registry of an MLflow server, asked over HTTP without MLflow."""

import base64
import json
import os
from typing import Any

from ctexp.errors import StoreUnreachableError
from ctexp.registry.lookup.stored import StoredVersion
from ctexp.registry.names import Reference

_PATIENCE_SECONDS = 10.0
_DOWN = (502, 503, 504)
"""What a proxy says of a server that is not there."""


def ask_server(uri: str, wanted: Reference) -> StoredVersion | None:
    """Find a version in a server's registry; None where it must be left to MLflow: refused, unknown, another protocol.

    Credentials are MLflow's own: `MLFLOW_TRACKING_TOKEN`, or `MLFLOW_TRACKING_USERNAME` and `..._PASSWORD`.

    Args:
        uri: `http://` or `https://`.
        wanted: the version.

    Raises:
        StoreUnreachableError: nobody answers.
    """
    import http.client
    import ssl
    from urllib import error, parse, request

    path, query = _question(wanted)
    address = f"{uri.rstrip('/')}/api/2.0/mlflow/{path}?{parse.urlencode(query)}"
    question = request.Request(address)  # noqa: S310 - http and https only, see the caller
    if credentials := _credentials():
        question.add_unredirected_header("Authorization", credentials)  # for this server, not for where it may lead
    try:
        with request.urlopen(question, timeout=_PATIENCE_SECONDS) as reply:  # noqa: S310
            return _read(json.loads(reply.read(1 << 24)))
    except error.HTTPError as answer:
        if answer.code in _DOWN:
            raise StoreUnreachableError(f"the server answers {answer.code}") from answer
        return None
    except error.URLError as failure:
        if isinstance(failure.reason, ssl.SSLError):  # MLflow may know other certificates
            return None
        raise StoreUnreachableError(str(failure.reason)) from failure
    except (OSError, http.client.HTTPException) as failure:
        raise StoreUnreachableError(str(failure) or type(failure).__name__) from failure
    except ValueError:
        return None


def _question(wanted: Reference) -> tuple[str, dict[str, str]]:
    if wanted.run_id:
        return "model-versions/search", {"filter": f"run_id = '{wanted.run_id}'", "max_results": "1000"}
    if wanted.version:
        return "model-versions/get", {"name": wanted.name or "", "version": wanted.version}
    return "registered-models/alias", {"name": wanted.name or "", "alias": wanted.alias or ""}


def _credentials() -> str | None:
    name, password = (os.environ.get(f"MLFLOW_TRACKING_{word}") for word in ("USERNAME", "PASSWORD"))
    if name and password:
        return f"Basic {base64.b64encode(f'{name}:{password}'.encode()).decode()}"
    token = os.environ.get("MLFLOW_TRACKING_TOKEN")
    return f"Bearer {token}" if token else None


def _read(reply: Any) -> StoredVersion | None:
    try:
        found = reply["model_versions"] if "model_versions" in reply else [reply["model_version"]]
        newest = max(found, key=lambda one: int(one["version"]))
        return StoredVersion(
            str(newest["name"]),
            str(newest["version"]),
            str(newest["run_id"]),
            str(newest["source"]),
            int(newest["creation_timestamp"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return None

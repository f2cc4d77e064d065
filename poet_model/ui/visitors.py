"""Tells visitors apart by their addresses, as far as a web server can know these."""

from __future__ import annotations

import ipaddress
import os

import fastapi


def client_of(request: fastapi.Request, session: str) -> str:
    """A name for whoever sends a request; requests with the same name share what one visitor may have.

    It is the address from which the request comes; of an IPv6 address the first half, since one household
    has all of the second. On a Space (SPACE_ID is set) every request comes from the Hub's proxy, which adds
    the visitor's address to X-Forwarded-For: the last public address there counts, as what stands before it
    may be made up. From a proxy on this machine, the server itself (uvicorn) reads that header in the same
    way. Where no visitor's address is known, as for a request from this machine, the session counts.

    Args:
        request: the request.
        session: the session that the visitor has chosen.
    """
    host = _address(request.client.host if request.client else "")
    if os.environ.get("SPACE_ID"):
        forwarded = ",".join(request.headers.getlist("x-forwarded-for")).split(",")  # there may be several
        public = [found for found in map(_address, forwarded) if found and found.is_global]
        host = public[-1] if public else None
    if host is None or host.is_loopback:
        return f"session {session}"
    if host.version == 6:
        return str(ipaddress.ip_network((host, 64), strict=False))
    return str(host)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text.strip())
    except ValueError:
        return None
    mapped = address.ipv4_mapped if address.version == 6 else None
    return mapped or address

"""One TLS context for all of httpx's clients in the tests, which speak plain HTTP anyway.

httpx makes a context, and reads all authorities into it, for every client and for each
`httpx.get`: some 25 ms of processor time, and tests that wait for a server ask ten times
a second or more.
"""

import functools

import httpx
from httpx._transports import default

default.create_ssl_context = functools.cache(httpx.create_ssl_context)  # type: ignore[attr-defined]

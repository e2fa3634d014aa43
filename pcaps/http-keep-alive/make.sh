#!/bin/bash
# HTTP/1.1: three requests, one after the other, on one connection.
# shellcheck source=pcaps/two-kernels.sh disable=SC2153
. "$PCAPS/two-kernels.sh"
begin http-keep-alive "tcp"
job in_b python3 "$PCAPS/pages.py"
until_true listens 80
in_a python3 - <<"PY"
import http.client
c = http.client.HTTPConnection("10.0.0.2")
for path in "/one", "/two", "/three":
    c.request("GET", path)
    print(c.getresponse().read())
c.close()
PY
finish

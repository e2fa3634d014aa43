#!/bin/bash
# HTTP/1.1: three requests at once on one connection; the answers come in their order.
# shellcheck source=pcaps/two-kernels.sh disable=SC2153
. "$PCAPS/two-kernels.sh"
begin http-pipelining "tcp"
job in_b python3 "$PCAPS/pages.py"
until_true listens 80
in_a python3 - <<"PY"
import socket
s = socket.create_connection(("10.0.0.2", 80))
ask = "GET /%s HTTP/1.1\r\nHost: 10.0.0.2\r\n%s\r\n"
s.sendall((ask % ("one", "") + ask % ("two", "") + ask % ("three", "Connection: close\r\n")).encode())
while s.recv(4096):
    pass
s.close()
PY
finish

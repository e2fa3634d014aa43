#!/bin/bash
# DNS over UDP: a name with an address, and one that doesn't exist.
# shellcheck source=pcaps/two-kernels.sh disable=SC2153
. "$PCAPS/two-kernels.sh"
begin dns "udp"
job in_b python3 -c 'import socket, struct
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("10.0.0.2", 53))
while True:
    q, who = s.recvfrom(512)
    known = b"\x03www\x07example" in q
    head = q[:2] + struct.pack("!HHHHH", 0x8180 if known else 0x8183, 1, known, 0, 0)
    answer = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 300, 4) + bytes([192, 0, 2, 80]) if known else b""
    s.sendto(head + q[12:] + answer, who)'
until_true listens 53
in_a python3 - <<"PY"
import socket, struct
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(3)
for n, name in enumerate((b"\x03www\x07example\x00", b"\x04nope\x07example\x00")):
    s.sendto(struct.pack("!HHHHHH", 0x1000 + n, 0x0100, 1, 0, 0, 0) + name + struct.pack("!HH", 1, 1), ("10.0.0.2", 53))
    s.recvfrom(512)
PY
finish

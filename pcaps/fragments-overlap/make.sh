#!/bin/bash
# Fragments of an echo request that overlap, and the same without an overlap.
# shellcheck source=pcaps/two-kernels.sh disable=SC2153
. "$PCAPS/two-kernels.sh"
begin fragments-overlap "not arp"
in_a python3 - <<"PY"
import socket, struct, time
def check(b):
    t = sum(struct.unpack("!%dH" % (len(b) // 2), b))
    t = (t & 0xffff) + (t >> 16)
    return ~(t + (t >> 16)) & 0xffff
text = bytes(97 + i % 26 for i in range(48))
def echo(seq):
    h = struct.pack("!BBHHH", 8, 0, 0, 77, seq)
    return struct.pack("!BBHHH", 8, 0, check(h + text), 77, seq) + text
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
def fragment(ident, at, data, more):
    s.sendto(struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(data), ident, (at // 8) | (0x2000 if more else 0), 64, 1, 0,
                         socket.inet_aton("10.0.0.1"), socket.inet_aton("10.0.0.2")) + data, ("10.0.0.2", 0))
    time.sleep(0.005)
e = echo(1)
fragment(1, 0, e[:32], True)
fragment(1, 24, b"OVERLAP!" + e[32:40], True)
fragment(1, 40, e[40:], False)
time.sleep(0.2)
e = echo(2)
fragment(2, 0, e[:24], True)
fragment(2, 24, e[24:40], True)
fragment(2, 40, e[40:], False)
PY
finish

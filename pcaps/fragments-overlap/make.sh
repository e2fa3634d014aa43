#!/bin/bash
# Fragments of an echo request that overlap, and the same without an overlap.
# 10.0.0.1 (where the capture is taken) and 10.0.0.2 are two namespaces of the Linux kernel.
set -eu
a=pc-a-$$ b=pc-b-$$
trap 'kill $jobs 2>/dev/null || true; ip netns del $a; ip netns del $b' EXIT
jobs=
ip netns add $a
ip netns add $b
ip -n $a link add eth0 address 02:00:00:00:00:0a type veth peer name eth0 address 02:00:00:00:00:0b netns $b
for n in $a $b; do
    ip netns exec $n sysctl -qw net.ipv6.conf.eth0.disable_ipv6=1
    ip netns exec $n ethtool -K eth0 tso off gso off gro off tx off >/dev/null
done
ip -n $a addr add 10.0.0.1/24 dev eth0
ip -n $b addr add 10.0.0.2/24 dev eth0
ip -n $a link set eth0 up
ip -n $b link set eth0 up
ip netns exec $a tcpdump -q -U -n -i eth0 -w fragments-overlap.tmp not arp 2>/dev/null &
jobs=$!
for _ in $(seq 100); do [ -s fragments-overlap.tmp ] && break; sleep 0.05; done
ip netns exec $a python3 - <<"PY"
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
sleep 0.5
kill $jobs
wait $jobs 2>/dev/null || true
mv fragments-overlap.tmp fragments-overlap.pcap

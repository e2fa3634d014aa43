#!/bin/bash
# DNS over UDP: a name with an address, and one that doesn't exist.
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
ip netns exec $a tcpdump -q -U -n -i eth0 -w dns.tmp udp 2>/dev/null &
jobs=$!
for _ in $(seq 100); do [ -s dns.tmp ] && break; sleep 0.05; done
ip netns exec $b python3 - <<"PY" &
import socket, struct
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("10.0.0.2", 53))
while True:
    q, who = s.recvfrom(512)
    known = b"\x03www\x07example" in q
    head = q[:2] + struct.pack("!HHHHH", 0x8180 if known else 0x8183, 1, known, 0, 0)
    answer = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 300, 4) + bytes([192, 0, 2, 80]) if known else b""
    s.sendto(head + q[12:] + answer, who)
PY
jobs="$jobs $!"
for _ in $(seq 100); do ip netns exec $b ss -Hlun sport = :53 | grep -q . && break; sleep 0.05; done
ip netns exec $a python3 - <<"PY"
import socket, struct
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(3)
for n, name in enumerate((b"\x03www\x07example\x00", b"\x04nope\x07example\x00")):
    s.sendto(struct.pack("!HHHHHH", 0x1000 + n, 0x0100, 1, 0, 0, 0) + name + struct.pack("!HH", 1, 1), ("10.0.0.2", 53))
    s.recvfrom(512)
PY
sleep 0.5
kill $jobs
wait $jobs 2>/dev/null || true
mv dns.tmp dns.pcap

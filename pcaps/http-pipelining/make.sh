#!/bin/bash
# HTTP/1.1: three requests at once on one connection; the answers come in their order.
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
ip netns exec $a tcpdump -q -U -n -i eth0 -w http-pipelining.tmp tcp 2>/dev/null &
jobs=$!
for _ in $(seq 100); do [ -s http-pipelining.tmp ] && break; sleep 0.05; done
ip netns exec $b python3 - <<"PY" &
import http.server
class Page(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def version_string(self):
        return "small"
    def date_time_string(self, timestamp=None):
        return "Thu, 01 Jan 2026 00:00:00 GMT"
    def log_message(self, *what):
        pass
    def do_GET(self):
        body = ("This is " + self.path + "\n").encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
http.server.HTTPServer(("10.0.0.2", 80), Page).serve_forever()
PY
jobs="$jobs $!"
for _ in $(seq 100); do ip netns exec $b ss -Hltn sport = :80 | grep -q . && break; sleep 0.05; done
ip netns exec $a python3 - <<"PY"
import socket
s = socket.create_connection(("10.0.0.2", 80))
ask = "GET /%s HTTP/1.1\r\nHost: 10.0.0.2\r\n%s\r\n"
s.sendall((ask % ("one", "") + ask % ("two", "") + ask % ("three", "Connection: close\r\n")).encode())
while s.recv(4096):
    pass
s.close()
PY
sleep 0.5
kill $jobs
wait $jobs 2>/dev/null || true
mv http-pipelining.tmp http-pipelining.pcap

#!/bin/bash
# The web server and the clients people use: 200 MB each way, ranges, conditions, pipelining, no way out,
# many requests, a thousand connections.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
needs curl "httpd with curl"
needs nc "httpd with nc"
size=200000000
mkdir -p "$work/site/sub dir"
head -c $size /dev/urandom >"$work/site/big"
echo 'hello, world' >"$work/site/hello.txt"
echo 'one' >"$work/site/sub dir/one"
echo 'a secret' >"$work/secret"
ln -s ../secret "$work/site/out"
ulimit -S -n 256 # which the daemon raises for itself
start_daemon "app start httpd -p 80 $work/site" "app start httpd -p 81 -m 1000 $work/site"
get() { curl -sS --max-time 120 "$@"; }
sum() { sha256sum | cut -d ' ' -f 1; }

want=$(sum <"$work/site/big")
start=$(date +%s%N)
equal "200 MB arrive whole" "$(get http://10.0.0.2/big | sum)" "$want"
echo "#   $((size * 8 / (($(date +%s%N) - start) / 1000))) Mbit/s, sha256sum beside it"
start=$(date +%s%N)
equal "200 MB are taken whole" "$(get -T "$work/site/big" http://10.0.0.2/sink)" "{\"length\":$size,\"sha256\":\"$want\"}"
echo "#   $((size * 8 / (($(date +%s%N) - start) / 1000))) Mbit/s"
equal "chunked, too" "$(get -H 'Transfer-Encoding: chunked' -T "$work/site/big" http://10.0.0.2/sink)" "{\"length\":$size,\"sha256\":\"$want\"}"
equal "POST with Expect: 100-continue" \
    "$(get -H 'Expect: 100-continue' --data-binary "@$work/site/hello.txt" http://10.0.0.2/sink)" \
    "{\"length\":13,\"sha256\":\"$(sum <"$work/site/hello.txt")\"}"

head -c 150000000 "$work/site/big" >"$work/part"
get -C - -o "$work/part" http://10.0.0.2/big
equal "a broken download is resumed" "$(sum <"$work/part")" "$want"
rm -f "$work/part"
equal "Range" "$(get -r 7-11 http://10.0.0.2/hello.txt)" "world"
equal "HEAD" "$(get -I http://10.0.0.2/hello.txt | grep -c '^Content-Length: 13')" 1
code() { get -o /dev/null -w '%{http_code}' --path-as-is "$@"; }
equal "If-Modified-Since" "$(code -z "$work/site/hello.txt" http://10.0.0.2/hello.txt)" 304
equal "416" "$(code -r 100- http://10.0.0.2/hello.txt)" 416
equal "404" "$(code http://10.0.0.2/nothing)" 404
equal "405" "$(code -X DELETE http://10.0.0.2/hello.txt)" 405
equal "501" "$(code -X BREW http://10.0.0.2/hello.txt)" 501
equal "413 reaches a client that is still sending" "$(code -H 'Expect:' -T "$work/site/big" http://10.0.0.2:81/sink)" 413
equal "431" "$(code -H "X: $(printf 'x%.0s' {1..20000})" http://10.0.0.2/)" 431
equal "a directory without slash" "$(get -o /dev/null -w '%{http_code} %{redirect_url}' 'http://10.0.0.2/sub%20dir')" "301 http://10.0.0.2/sub%20dir/"
equal "a listing" "$(get 'http://10.0.0.2/sub%20dir/' | grep -c 'href="one"')" 1
for path in /../secret /%2e%2e/secret /..%2fsecret /sub%20dir/../../secret //../secret /out /%00; do
    case $(code "http://10.0.0.2$path") in
    400 | 404) ok "no way out by $path" ;;
    *) not_ok "no way out by $path" ;;
    esac
done
equal "two requests on one connection" "$(get -o /dev/null -o /dev/null -w '%{num_connects} ' http://10.0.0.2/hello.txt http://10.0.0.2/hello.txt)" "1 0 "
equal "two requests in one segment" "$(printf 'GET /hello.txt HTTP/1.1\r\nHost: h\r\n\r\nGET /hello.txt HTTP/1.0\r\n\r\n' | timeout 10 nc 10.0.0.2 80 | grep -c '^hello, world')" 2
equal "nc -N: half-closed, still answered" "$(printf 'GET /hello.txt HTTP/1.1\r\nHost: h\r\n\r\n' | timeout 10 nc -N 10.0.0.2 80 | tail -n 1)" "hello, world"

if command -v ab >/dev/null; then
    for keep in '' -k; do
        # shellcheck disable=SC2086
        timeout 200 ab -q $keep -n 20000 -c 100 http://10.0.0.2/hello.txt >"$work/ab" 2>&1
        if grep -q '^Complete requests: *20000$' "$work/ab" && grep -q '^Failed requests: *0$' "$work/ab" &&
            ! grep -q '^Non-2xx' "$work/ab"; then
            ok "ab -n 20000 -c 100 $keep: 0 failures,$(grep -o '^Requests per second:.*' "$work/ab" | cut -d : -f 2)"
        else
            not_ok "ab -n 20000 -c 100 $keep" "$work/ab"
        fi
    done
else
    skip "ab" "apache2-utils is not installed"
fi

# A thousand connections at once: all open, then all asked, then all answered.
if ulimit -n 4096 2>/dev/null || [ "$(ulimit -n)" = unlimited ] || [ "$(ulimit -n)" -ge 2048 ]; then
    connections=()
    for _ in $(seq 1000); do
        exec {fd}<>/dev/tcp/10.0.0.2/80 || break
        connections+=("$fd")
    done
    equal "a thousand connections open" ${#connections[@]} 1000
    established() { [ "$(deck ss -tan | grep -c '^ESTAB')" -ge 1000 ]; }
    check "ss shows them" eventually 5 established
    for fd in "${connections[@]}"; do printf 'GET /hello.txt HTTP/1.0\r\n\r\n' >&"$fd"; done
    answered=0
    for fd in "${connections[@]}"; do
        while IFS= read -r -t 10 -u "$fd" line; do last=$line; done
        [ "${last:-}" = 'hello, world' ] && answered=$((answered + 1))
        last=
        exec {fd}>&-
    done
    equal "and all are answered" $answered 1000
    connections=()
    for _ in $(seq 400); do
        exec {fd}<>/dev/tcp/10.0.0.2/80 || break
        printf 'GET /big HTTP/1.0\r\n\r\n' >&"$fd"
        connections+=("$fd")
    done
    equal "400 large files under way to clients that don't read" "$(code http://10.0.0.2/hello.txt)" 200
    refused=0
    for fd in "${connections[@]}"; do
        IFS= read -r -t 10 -u "$fd" line
        [[ $line == *' 200 '* ]] || refused=$((refused + 1))
        exec {fd}>&-
    done
    equal "and none was refused" $refused 0
else
    skip "a thousand connections" "this user may not open that many files"
fi
check "httpd holds no connection afterwards" eventually 10 bash -c "'$BUILD/tapdeck' -n e2e app list | grep -q ':80 .* 0 connections'"
finish

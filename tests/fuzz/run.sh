#!/bin/bash
# tests/fuzz/run.sh [SECONDS [TARGET…]]: builds the fuzz targets into $BUILD/fuzz with clang's
# libFuzzer, AddressSanitizer and UndefinedBehaviorSanitizer, and runs each for SECONDS (default 10),
# two at a time, starting from its seeds in tests/fuzz/corpus/TARGET. Prints "ok - fuzz_x: …" or
# "not ok - fuzz_x: …" for each; a finding is kept in $BUILD/fuzz/findings with the command that shows
# it again. Exit status 1 on a finding, 2 if the targets can't be built.
# What a run discovers stays in $BUILD/fuzz/corpus, so the next one starts where this one ended.
set -u
cd "$(dirname "$0")/../.." || exit 2
BUILD=${BUILD:-build}
seconds=${1:-10}
[ $# -gt 0 ] && shift
CLANG=${CLANG:-clang}
out=$BUILD/fuzz
jobs=${FUZZ_JOBS:-2}
# shellcheck disable=SC2054
flags=(-std=c11 -D_GNU_SOURCE -Wall -Wextra -O1 -g -fno-omit-frame-pointer -fno-strict-aliasing
    -fsanitize=address,undefined -fno-sanitize-recover=undefined
    -Istack/include -Istack -Iapps -Itests -Itests/fuzz)

if ! command -v "$CLANG" >/dev/null; then
    echo "not ok - fuzz: no clang; install it with: apt-get install clang libclang-rt-14-dev"
    exit 2
fi
mkdir -p "$out/obj" "$out/findings"

# An object is rebuilt when its source, a header it includes, or this script is newer.
stale() { # object
    local object=$1 dep
    [ -f "$object" ] && [ -f "${object%.o}.d" ] || return 0
    for dep in tests/fuzz/run.sh $(sed -e 's/^[^:]*://' -e 's/\\$//' "${object%.o}.d"); do
        [ "$dep" -nt "$object" ] && return 0
        [ -e "$dep" ] || return 0
    done
    return 1
}
compile() { # source
    local source=$1
    local object=$out/obj/${source%.c}.o
    stale "$object" || return 0
    mkdir -p "$(dirname "$object")"
    # An object is as old as the moment it was begun: a header may change while it is compiled.
    : >"$object.begun"
    if "$CLANG" "${flags[@]}" -fsanitize=fuzzer-no-link -MMD -c -o "$object" "$source"; then
        touch -r "$object.begun" "$object"
    else
        rm -f "$object"
    fi
}
sources=$(find stack apps/httpd apps/get apps/common apps/tapdeck/drill apps/topo apps/replay apps/tapdeckd apps/echo tests/fuzz -name '*.c' ! -name 'make_*.c' ! -path apps/tapdeckd/main.c | LC_ALL=C sort)
running=0
for source in $sources; do
    compile "$source" &
    running=$((running + 1))
    if [ $running -ge "$jobs" ]; then
        wait -n
        running=$((running - 1))
    fi
done
wait
objects() { # find arguments
    local source
    for source in $(find "$@" -name '*.c' | LC_ALL=C sort); do
        [ -f "$out/obj/${source%.c}.o" ] && echo "$out/obj/${source%.c}.o"
    done
}
rm -f "$out/libstack.a"
# shellcheck disable=SC2046
ar rcs "$out/libstack.a" $(objects stack) $(objects apps) $(objects tests/fuzz ! -name 'fuzz_*' ! -name 'make_*')

targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
    for source in tests/fuzz/fuzz_*.c; do targets+=("$(basename "$source" .c)"); done
fi
status=0
built=()
for target in "${targets[@]}"; do
    if "$CLANG" "${flags[@]}" -fsanitize=fuzzer -o "$out/$target" "$out/obj/tests/fuzz/$target.o" \
        "$out/libstack.a" -lpcap -lnettle -lhttp_parser -ljansson -lyaml -lz >"$out/$target.link" 2>&1; then
        built+=("$target")
    else
        echo "not ok - $target: can't be built ($out/$target.link)"
        tail -n 5 "$out/$target.link" | sed 's/^/    | /'
        status=2
    fi
done

run_one() { # target
    local target=$1 log=$out/$1.log rc stats
    mkdir -p "$out/corpus/$target"
    local seeds=()
    [ -d "tests/fuzz/corpus/$target" ] && seeds=("tests/fuzz/corpus/$target")
    # The scripts of the other tests are the best seeds.
    [ "$target" = fuzz_drill ] && seeds=(tests/apps/tapdeck/drill/scripts tests/drill)
    local args=(-max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -max_len=4096
        -print_final_stats=1 -artifact_prefix="$out/findings/$target-")
    [ -f "tests/fuzz/$target.dict" ] && args+=(-dict="tests/fuzz/$target.dict")
    ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1 \
        "$out/$target" "${args[@]}" "$out/corpus/$target" "${seeds[@]}" >"$log" 2>&1
    rc=$?
    stats=$(awk '/stat::number_of_executed_units/ { n = $2 } / cov: / { for (i = 1; i < NF; i++) if ($i == "cov:") c = $(i + 1) }
        END { printf "%d runs, %d edges", n, c }' "$log")
    if [ $rc -eq 0 ]; then
        echo "ok - $target: $stats"
    else
        echo "not ok - $target: $(grep -m1 -E 'broken promise|SUMMARY|runtime error|ERROR' "$log" || echo "exit status $rc")"
        sed -n 's/.*Test unit written to \(.*\)/    | '"${out//\//\\/}\/$target"' \1/p' "$log"
        grep -E '^ +#[0-9]+ ' "$log" | grep -v -E 'libFuzzer|fuzzer::|interceptor' | head -n 12 | sed 's/^/    | /'
    fi
    return $rc
}
running=0
for target in ${built[@]+"${built[@]}"}; do
    run_one "$target" &
    running=$((running + 1))
    if [ $running -ge "$jobs" ]; then
        wait -n || status=$((status > 1 ? status : 1))
        running=$((running - 1))
    fi
done
while [ $running -gt 0 ]; do
    wait -n || status=$((status > 1 ? status : 1))
    running=$((running - 1))
done
exit $status

#!/bin/sh
# tests/fuzz/make_corpus.sh: writes tests/fuzz/corpus anew with make_corpus.c.
set -eu
cd "$(dirname "$0")/../.."
BUILD=${BUILD:-build}
mkdir -p "$BUILD"
${CC:-cc} -std=c11 -D_GNU_SOURCE -Istack/include -Istack -Itests/fuzz -o "$BUILD/make_corpus" \
    tests/fuzz/make_corpus.c stack/wire/*.c
exec "$BUILD/make_corpus" tests/fuzz/corpus

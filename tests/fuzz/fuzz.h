/* tests/fuzz/fuzz.h: what every fuzz target needs.
 *
 * A target is a function that is given bytes and must neither crash nor break a promise. Promises
 * are written as FUZZ_CHECK: a plain sentence about what must hold, whatever the bytes are.
 * libFuzzer hands the bytes in a heap block of exactly their size, so AddressSanitizer sees every
 * over-read. */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FUZZ_CHECK(condition)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: broken promise: %s\n", __FILE__, __LINE__, #condition);        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif

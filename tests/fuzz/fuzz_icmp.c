/* ICMP: what parses is written again as it was, but for the octets that the RFC calls unused. */
#include "fuzz.h"
#include "wire/icmp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct icmp_hdr h, again;
    enum wire_status s = icmp_parse(&h, data, size);
    if (size < ICMP_HLEN) {
        FUZZ_CHECK(s == WIRE_SHORT);
        return 0;
    }
    FUZZ_CHECK(h.type == data[0] && h.code == data[1]);
    if (s == WIRE_SHORT) {
        return 0;
    }
    uint8_t out[20], expect[20];
    size_t n = icmp_emit(&h, out);
    FUZZ_CHECK(n == 8 || n == 20);
    FUZZ_CHECK(n <= size);
    memcpy(expect, data, n);
    wire_put16(expect + 2, 0);
    if (h.type == ICMP_UNREACHABLE || h.type == ICMP_TIME_EXCEEDED) {
        expect[4] = 0;
    } else if (h.type == ICMP_PARAM_PROBLEM) {
        wire_put16(expect + 6, 0);
    }
    FUZZ_CHECK(memcmp(out, expect, n) == 0);
    FUZZ_CHECK(icmp_parse(&again, out, n) == s);
    FUZZ_CHECK(again.type == h.type && again.code == h.code);
    FUZZ_CHECK(memcmp(again.times, h.times, sizeof h.times) == 0);
    return 0;
}

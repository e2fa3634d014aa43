/* UDP: the length lies between the header and what there is; what parses is written again. */
#include "fuzz.h"
#include "wire/udp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct udp_hdr h;
    enum wire_status s = udp_parse(&h, data, size);
    if (size < UDP_HLEN) {
        FUZZ_CHECK(s == WIRE_SHORT);
        return 0;
    }
    uint8_t out[UDP_HLEN];
    FUZZ_CHECK(udp_emit(&h, out) == UDP_HLEN);
    FUZZ_CHECK(memcmp(out, data, UDP_HLEN) == 0);
    FUZZ_CHECK((s == WIRE_OK) == (h.length >= UDP_HLEN && h.length <= size));
    return 0;
}

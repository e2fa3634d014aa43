/* ARP: what parses is written again as it was. */
#include "fuzz.h"
#include "wire/arp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arp_pkt a;
    enum wire_status s = arp_parse(&a, data, size);
    if (s != WIRE_OK) {
        return 0;
    }
    FUZZ_CHECK(size >= ARP_LEN);
    FUZZ_CHECK(a.op == ARP_REQUEST || a.op == ARP_REPLY);
    uint8_t out[ARP_LEN];
    FUZZ_CHECK(arp_emit(&a, out) == ARP_LEN);
    FUZZ_CHECK(memcmp(out, data, ARP_LEN) == 0);
    return 0;
}

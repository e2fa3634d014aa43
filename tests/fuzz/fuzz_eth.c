/* Ethernet: what parses lies inside the frame and is written again as it was. */
#include "fuzz.h"
#include "wire/eth.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct eth_hdr h, again;
    enum wire_status s = eth_parse(&h, data, size);
    FUZZ_CHECK((s == WIRE_SHORT) ==
               (size < ETH_HLEN || (size < 18 && wire_get16(data + 12) == ETHERTYPE_VLAN)));
    if (s != WIRE_OK) {
        return 0;
    }
    uint8_t out[26];
    FUZZ_CHECK(h.hlen <= size);
    FUZZ_CHECK(h.hlen == eth_hlen(&h));
    FUZZ_CHECK(!h.snap || (size_t)(h.hlen - 8) + h.length <= size);
    FUZZ_CHECK(eth_emit(&h, out) == h.hlen);
    FUZZ_CHECK(memcmp(out, data, h.hlen) == 0);
    /* The header of a SNAP frame alone is too short for its own length; an Ethernet II one stands
     * for itself. */
    if (!h.snap) {
        FUZZ_CHECK(eth_parse(&again, out, h.hlen) == WIRE_OK);
        FUZZ_CHECK(again.type == h.type && again.tci == h.tci && mac_eq(again.src, h.src));
    }
    FUZZ_CHECK(mac_eq(mac_from_u64(mac_u64(h.dst)), h.dst));
    FUZZ_CHECK(!mac_is_broadcast(h.dst) || mac_is_multicast(h.dst));
    return 0;
}

/* IPv4: what parses is written again as it was; a walk over its options ends, stays inside the
 * header and agrees with the check; the options copied into fragments are well-formed. The checksum
 * is repaired first, or hardly any input would get past it. */
#include "fuzz.h"
#include "wire/checksum.h"
#include "wire/ipv4.h"

static void walk_options(const struct ipv4_hdr *h)
{
    unsigned pos = 0, steps = 0;
    struct ipv4_opt o;
    int bad;
    while (ipv4_opt_next(h, &pos, &o, &bad)) {
        FUZZ_CHECK(++steps <= 40);
        FUZZ_CHECK(o.off >= IPV4_HLEN && o.off + o.len <= h->hlen);
        FUZZ_CHECK(o.body == h->opt + (o.off - IPV4_HLEN));
        FUZZ_CHECK(o.body[0] == o.type && (o.len == 1 || o.body[1] == o.len));
    }
    FUZZ_CHECK(bad == -1 || (bad >= IPV4_HLEN && bad < h->hlen));

    unsigned pointer = 0;
    if (ipv4_options_check(h, &pointer) == WIRE_OK) {
        FUZZ_CHECK(bad == -1);
    } else {
        FUZZ_CHECK(pointer >= IPV4_HLEN && pointer < h->hlen);
    }
    struct ipv4_hdr fragment = {.hlen = IPV4_HLEN};
    fragment.opt_len = (uint8_t)ipv4_options_copied(h, fragment.opt);
    FUZZ_CHECK(fragment.opt_len <= h->opt_len && fragment.opt_len % 4 == 0);
    fragment.hlen = (uint8_t)(IPV4_HLEN + fragment.opt_len);
    pos = 0;
    while (ipv4_opt_next(&fragment, &pos, &o, &bad)) {
        FUZZ_CHECK((o.type & IPOPT_COPIED) != 0);
    }
    FUZZ_CHECK(bad == -1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ipv4_hdr h;
    (void)ipv4_parse(&h, data, size);
    uint8_t *b = malloc(size);
    if (size == 0 || b == NULL) {
        free(b);
        return 0;
    }
    memcpy(b, data, size);
    size_t hlen = (size_t)(b[0] & 15) * 4;
    if (hlen >= IPV4_HLEN && hlen <= size) {
        wire_put16(b + 10, 0);
        wire_put16(b + 10, checksum(b, hlen));
    }
    enum wire_status s = ipv4_parse(&h, b, size);
    FUZZ_CHECK(s != WIRE_BAD_CHECKSUM);
    if (s == WIRE_OK) {
        uint8_t out[IPV4_MAX_HLEN];
        FUZZ_CHECK(h.hlen >= IPV4_HLEN && h.hlen <= h.total_len && h.total_len <= size);
        FUZZ_CHECK(h.opt_len + IPV4_HLEN == h.hlen);
        FUZZ_CHECK(h.frag_off % 8 == 0);
        FUZZ_CHECK(ipv4_emit(&h, out) == h.hlen);
        FUZZ_CHECK(memcmp(out, b, h.hlen) == 0);
        walk_options(&h);
    }
    free(b);
    return 0;
}

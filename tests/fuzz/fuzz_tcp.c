/* TCP: what parses is written again as it was; options that were understood, laid out in either
 * style and parsed again, say the same. */
#include "fuzz.h"
#include "wire/tcp.h"

static void lay_out_again(const struct tcp_hdr *h, bool syn, enum tcp_opt_style style)
{
    struct tcp_hdr out = *h, back;
    unsigned len = tcp_opts_layout(&out, syn, style);
    FUZZ_CHECK(len <= 40 && len % 4 == 0 && len == out.raw_len);
    uint8_t b[TCP_MAX_HLEN];
    FUZZ_CHECK(tcp_emit(&out, b) == TCP_HLEN + len);
    FUZZ_CHECK(tcp_parse(&back, b, TCP_HLEN + len) == WIRE_OK);
    FUZZ_CHECK(back.o.unknown == 0);
    FUZZ_CHECK(back.o.has_mss == (syn && h->o.has_mss) &&
               back.o.has_wscale == (syn && h->o.has_wscale));
    FUZZ_CHECK(back.o.has_sack_perm == (syn && h->o.has_sack_perm));
    FUZZ_CHECK(back.o.has_ts == h->o.has_ts);
    FUZZ_CHECK(!back.o.has_mss || back.o.mss == h->o.mss);
    FUZZ_CHECK(!back.o.has_wscale || back.o.wscale == h->o.wscale);
    FUZZ_CHECK(!back.o.has_ts || (back.o.ts_val == h->o.ts_val && back.o.ts_ecr == h->o.ts_ecr));
    FUZZ_CHECK(back.o.nsack <= h->o.nsack);
    FUZZ_CHECK(memcmp(back.o.sack, h->o.sack, back.o.nsack * sizeof h->o.sack[0]) == 0);
    FUZZ_CHECK(!syn || back.o.nsack == 0);
    FUZZ_CHECK(syn || back.o.nsack == (h->o.has_ts && h->o.nsack > 3 ? 3 : h->o.nsack));
    if (back.o.has_fastopen) {
        FUZZ_CHECK(syn && h->o.has_fastopen && back.o.fastopen_len == h->o.fastopen_len);
        FUZZ_CHECK(memcmp(back.o.fastopen, h->o.fastopen, sizeof back.o.fastopen) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tcp_hdr h;
    enum wire_status s = tcp_parse(&h, data, size);
    if (s == WIRE_SHORT || s == WIRE_BAD_LENGTH) {
        FUZZ_CHECK(size < TCP_HLEN || data[12] >> 4 < 5 || (size_t)(data[12] >> 4) * 4 > size);
        return 0;
    }
    FUZZ_CHECK(h.hlen >= TCP_HLEN && h.hlen <= size && h.raw_len + TCP_HLEN == h.hlen);
    FUZZ_CHECK(h.o.nsack <= 4 && h.o.fastopen_len <= 16);
    uint8_t out[TCP_MAX_HLEN], expect[TCP_MAX_HLEN];
    memcpy(expect, data, h.hlen);
    wire_put16(expect + 16, 0);
    expect[12] &= 0xf1;
    FUZZ_CHECK(tcp_emit(&h, out) == h.hlen);
    FUZZ_CHECK(memcmp(out, expect, h.hlen) == 0);
    for (int syn = 0; syn < 2; syn++) {
        lay_out_again(&h, syn == 1, TCP_OPTS_LINUX);
        lay_out_again(&h, syn == 1, TCP_OPTS_PLAIN);
    }
    return 0;
}

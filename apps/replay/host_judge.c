/* replay/host_judge.c: when two frames are the same, when they are meant to be, and in what they
 * differ (host.h).
 *
 * Frames are compared byte by byte after what is never compared has been set to zero: the IP
 * identification, which each stack draws for itself (RFC 6864), the checksums that follow from it
 * or that a card was to fill in, the target hardware address of an ARP request, which means nothing
 * (RFC 826), and the clock in a timestamp reply. Quotes in ICMP errors are compared whole: they are
 * of frames that were handed in as they were captured.
 */
#include "replay/host_internal.h"

#include <string.h>

#include "common/parse.h"
#include "wire/arp.h"
#include "wire/icmp.h"

#define IP 14u /* where the IP header begins */

static bool is_type(const uint8_t *b, uint32_t n, uint16_t type)
{
    return n >= IP && wire_get16(b + 12) == type;
}

/* The IPv4 header's length; 0: there is none. */
static uint32_t header(const uint8_t *b, uint32_t n)
{
    if (!is_type(b, n, ETHERTYPE_IPV4) || n < IP + IPV4_HLEN || b[IP] >> 4 != 4)
        return 0;
    uint32_t hlen = (b[IP] & 15u) * 4;
    return hlen >= IPV4_HLEN && n >= IP + hlen ? hlen : 0;
}

static uint16_t offset(const uint8_t *b)
{
    return (uint16_t)((wire_get16(b + IP + 6) & 0x1fff) * 8);
}

static void blank(uint8_t *b, uint32_t n, uint32_t at, uint32_t len)
{
    if (at + len <= n)
        memset(b + at, 0, len);
}

uint32_t norm_make(uint8_t *dst, const uint8_t *frame, uint32_t n)
{
    uint32_t hlen = header(frame, n), end = n;
    if (hlen > 0 && wire_get16(frame + IP + 2) >= hlen)
        end = IP + wire_get16(frame + IP + 2);
    else if (is_type(frame, n, ETHERTYPE_ARP))
        end = IP + ARP_LEN;
    end = end < n ? end : n;
    memcpy(dst, frame, end);
    if (hlen > 0) {
        blank(dst, end, IP + 4, 2);
        blank(dst, end, IP + 10, 2);
        uint8_t proto = dst[IP + 9];
        uint32_t l4 = IP + hlen;
        if (offset(dst) == 0)
            blank(dst, end,
                  l4 + (proto == IPPROTO_UDP_   ? 6
                        : proto == IPPROTO_TCP_ ? 16
                                                : 2),
                  proto == IPPROTO_UDP_ || proto == IPPROTO_TCP_ || proto == IPPROTO_ICMP_ ? 2 : 0);
        if (proto == IPPROTO_ICMP_ && end > l4 && dst[l4] == ICMP_TIMESTAMP_REPLY)
            blank(dst, end, l4 + 12, 8);
    } else if (end == IP + ARP_LEN && is_type(dst, end, ETHERTYPE_ARP) &&
               wire_get16(dst + IP + 6) == ARP_REQUEST) {
        blank(dst, end, IP + 18, 6);
    }
    return end;
}

bool norm_same(const uint8_t *a, uint32_t an, uint32_t kept, const uint8_t *b, uint32_t bn)
{
    return an == bn && memcmp(a, b, kept < an ? kept : an) == 0;
}

static bool alike_icmp(const uint8_t *a, uint32_t an, const uint8_t *b, uint32_t bn, uint32_t ha,
                       uint32_t hb)
{
    if (an < IP + ha + 8 || bn < IP + hb + 8)
        return false;
    const uint8_t *x = a + IP + ha, *y = b + IP + hb;
    if (x[0] != y[0])
        return false;
    if (!icmp_is_error(x[0]))
        return memcmp(x + 4, y + 4, 4) == 0; /* identifier and number */
    uint32_t qa = an - (IP + ha + 8), qb = bn - (IP + hb + 8);
    return qa >= 20 && qb >= 20 && memcmp(x + 8 + 12, y + 8 + 12, 8) == 0; /* about the same two */
}

bool norm_alike(const uint8_t *a, uint32_t an, const uint8_t *b, uint32_t bn)
{
    uint32_t ha = header(a, an), hb = header(b, bn);
    if (is_type(a, an, ETHERTYPE_ARP) && is_type(b, bn, ETHERTYPE_ARP) && an >= IP + ARP_LEN &&
        bn >= IP + ARP_LEN)
        return memcmp(a + IP + 6, b + IP + 6, 2) == 0 && memcmp(a + IP + 14, b + IP + 14, 4) == 0 &&
               memcmp(a + IP + 24, b + IP + 24, 4) == 0;
    if (ha == 0 || hb == 0 || a[IP + 9] != b[IP + 9] || memcmp(a + IP + 12, b + IP + 12, 8) != 0 ||
        offset(a) != offset(b))
        return false;
    if (offset(a) != 0)
        return true;
    if (a[IP + 9] == IPPROTO_ICMP_)
        return alike_icmp(a, an, b, bn, ha, hb);
    return an >= IP + ha + 4 && bn >= IP + hb + 4 && memcmp(a + IP + ha, b + IP + hb, 4) == 0;
}

/* ---- questions and answers ---- */

static uint64_t mix(uint64_t kind, uint32_t a, uint32_t b, uint32_t c)
{
    uint64_t x = kind << 32 | a;
    x = (x ^ b) * UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 29 ^ c) * UINT64_C(0xbf58476d1ce4e5b9);
    return x | 1;
}

/* Of a datagram of n bytes: its ends, and the first word behind its header (ports), or an echo's
 * identifier and number. */
static uint64_t datagram_name(const uint8_t *d, uint32_t n)
{
    uint32_t hlen = n >= IPV4_HLEN ? (d[0] & 15u) * 4 : 0;
    if (hlen < IPV4_HLEN || d[0] >> 4 != 4 || n < hlen + 8 || (wire_get16(d + 6) & 0x1fff) != 0)
        return 0;
    bool icmp = d[9] == IPPROTO_ICMP_;
    uint32_t seq = d[9] == IPPROTO_TCP_ ? wire_get32(d + hlen + 4) : 0;
    return mix(d[9], wire_get32(d + 12), wire_get32(d + 16) ^ seq,
               wire_get32(d + hlen + (icmp ? 4 : 0)));
}

uint64_t norm_question(const uint8_t *b, uint32_t n)
{
    if (is_type(b, n, ETHERTYPE_ARP) && n >= IP + ARP_LEN)
        return wire_get16(b + IP + 6) == ARP_REQUEST
                   ? mix(0, wire_get32(b + IP + 14), wire_get32(b + IP + 24), 0)
                   : 0;
    return header(b, n) > 0 ? datagram_name(b + IP, n - IP) : 0;
}

uint64_t norm_answer(const uint8_t *b, uint32_t n)
{
    uint32_t hlen = header(b, n);
    if (is_type(b, n, ETHERTYPE_ARP) && n >= IP + ARP_LEN)
        return wire_get16(b + IP + 6) == ARP_REPLY
                   ? mix(0, wire_get32(b + IP + 24), wire_get32(b + IP + 14), 0)
                   : 0;
    if (hlen == 0 || b[IP + 9] != IPPROTO_ICMP_ || offset(b) != 0 || n < IP + hlen + 8)
        return 0;
    const uint8_t *m = b + IP + hlen;
    if (m[0] == ICMP_ECHO_REPLY)
        return mix(IPPROTO_ICMP_, wire_get32(b + IP + 16), wire_get32(b + IP + 12),
                   wire_get32(m + 4));
    return icmp_is_error(m[0]) ? datagram_name(m + 8, n - (IP + hlen + 8)) : 0;
}

uint64_t norm_inner(const uint8_t *b, uint32_t n)
{
    uint32_t hlen = header(b, n), end = hlen > 0 ? IP + wire_get16(b + IP + 2) : 0;
    if (hlen == 0 || end > n || end < IP + hlen + 8 || offset(b) != 0)
        return 0;
    uint8_t proto = b[IP + 9];
    const uint8_t *l4 = b + IP + hlen;
    uint32_t len = end - (IP + hlen), from = 8;
    uint64_t x = mix(proto, len, 0, 0);
    if (proto == IPPROTO_TCP_ && len >= 20) {
        x ^= mix(1, wire_get32(l4 + 4), wire_get32(l4 + 8), l4[13]);
        from = 20;
    } else if (proto == IPPROTO_ICMP_) {
        x ^= mix(1, wire_get16(l4), wire_get16(l4 + 6), 0);
    }
    for (uint32_t i = from; i + 4 <= len && i < from + 256; i += 4)
        x = mix(2, wire_get32(l4 + i), (uint32_t)x, (uint32_t)(x >> 32));
    return x | 1;
}

/* ---- differences in words ---- */

static void also(struct text *out, const char *what, unsigned cap, unsigned sent)
{
    if (cap != sent)
        text_printf(out, "%s%s %u, captured %u", out->len > 0 ? "; " : "", what, sent, cap);
}

static void mac_text(const uint8_t *b, char dst[18])
{
    struct td_mac m;
    memcpy(m.b, b, 6);
    format_mac(m, dst);
}

void norm_difference(const uint8_t *cap, uint32_t ncap, const uint8_t *sent, uint32_t nsent,
                     struct text *out)
{
    char a[18], b[18];
    struct text t = {0};
    for (unsigned i = 0; i < 12 && ncap >= IP && nsent >= IP; i += 6) {
        mac_text(cap + i, a);
        mac_text(sent + i, b);
        if (strcmp(a, b) != 0)
            text_printf(&t, "%s%s %s, captured %s", t.len > 0 ? "; " : "", i == 0 ? "to" : "from",
                        b, a);
    }
    uint32_t hc = header(cap, ncap), hs = header(sent, nsent);
    if (hc > 0 && hs > 0) {
        also(&t, "type of service", cap[IP + 1], sent[IP + 1]);
        also(&t, "total length", wire_get16(cap + IP + 2), wire_get16(sent + IP + 2));
        also(&t, "don't-fragment bit", cap[IP + 6] >> 6 & 1, sent[IP + 6] >> 6 & 1);
        also(&t, "more-fragments bit", cap[IP + 6] >> 5 & 1, sent[IP + 6] >> 5 & 1);
        also(&t, "TTL", cap[IP + 8], sent[IP + 8]);
        also(&t, "header length", hc, hs);
        if (cap[IP + 9] == IPPROTO_ICMP_ && offset(cap) == 0 && ncap >= IP + hc + 8 &&
            nsent >= IP + hs + 8) {
            also(&t, "ICMP code", cap[IP + hc + 1], sent[IP + hs + 1]);
            if (icmp_is_error(cap[IP + hc])) {
                also(&t, "word behind the checksum", wire_get32(cap + IP + hc + 4),
                     wire_get32(sent + IP + hs + 4));
                also(&t, "quoted bytes", ncap - (IP + hc + 8), nsent - (IP + hs + 8));
            }
        }
    }
    if (t.len == 0) {
        uint32_t n = ncap < nsent ? ncap : nsent, i = 0;
        while (i < n && cap[i] == sent[i])
            i++;
        if (i < n)
            text_printf(&t, "byte %u of the frame is 0x%02x, captured 0x%02x", i, sent[i], cap[i]);
        else
            also(&t, "bytes", ncap, nsent);
    }
    text_printf(out, "the stack's: %s", t.s != NULL ? t.s : "");
    text_free(&t);
}

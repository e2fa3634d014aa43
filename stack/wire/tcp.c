/* The TCP header and its options (RFC 9293 3.1 and 3.2, 7323, 2018, 7413).
 *
 * Theory of operation. Twenty octets of fixed fields, then up to forty of options, as many as the
 * data offset says. An option is one octet (end of list, no operation) or a kind, a length that
 * counts itself and the kind, and a body. The three questions to each:
 *   - is the length sane (at least 2, inside the header)? If not, nothing behind it can be found
 * any more: BAD_OPTION, with what came before already in the struct (RFC 9293 MUST-7: an illegal
 *     length must not do harm);
 *   - do we know the kind, and is this the length it has? If not, it is stepped over (MUST-6);
 *   - have we seen it already? The first counts.
 * The raw octets are kept beside the decoded values, so that a header can be written again exactly.
 *
 * Writing options is a question of style: their order is free, and receivers, firewalls and
 * fingerprinters have seen some orders more often than others. tcp_opts_layout writes Linux's, in
 * which every option ends on a 32-bit boundary, or a plain one for reading.
 */
#include "wire/tcp.h"

#include <string.h>

#define OPT_SPACE (TCP_MAX_HLEN - TCP_HLEN)
#define FASTOPEN_MAGIC 0xf989 /* of the experimental option (RFC 6994 register) */

/* One option with a sane length: its kind, its length, its octets. Decoded, or counted as unknown.
 */
static void decode_option(struct tcp_opts *o, const uint8_t *p, unsigned len)
{
    switch (p[0]) {
    case TCPOPT_MSS_:
        if (len == 4) {
            if (!o->has_mss) {
                o->has_mss = true;
                o->mss = wire_get16(p + 2);
            }
            return;
        }
        break;
    case TCPOPT_WSCALE_:
        if (len == 3) {
            if (!o->has_wscale) {
                o->has_wscale = true;
                o->wscale = p[2];
            }
            return;
        }
        break;
    case TCPOPT_SACK_PERM_:
        if (len == 2) {
            o->has_sack_perm = true;
            return;
        }
        break;
    case TCPOPT_SACK_:
        if (len >= 10 && len <= 34 && (len - 2) % 8 == 0) {
            if (o->nsack == 0) {
                for (unsigned at = 2; at < len; at += 8) {
                    o->sack[o->nsack].left = wire_get32(p + at);
                    o->sack[o->nsack].right = wire_get32(p + at + 4);
                    o->nsack++;
                }
            }
            return;
        }
        break;
    case TCPOPT_TS_:
        if (len == 10) {
            if (!o->has_ts) {
                o->has_ts = true;
                o->ts_val = wire_get32(p + 2);
                o->ts_ecr = wire_get32(p + 6);
            }
            return;
        }
        break;
    case TCPOPT_UTO_:
        if (len == 4) {
            if (!o->has_uto) {
                o->has_uto = true;
                o->uto = wire_get16(p + 2);
            }
            return;
        }
        break;
    case TCPOPT_FASTOPEN_: /* RFC 7413 4.1.1: empty, or an even 4 to 16 octets */
        if (len == 2 || (len >= 6 && len <= 18 && len % 2 == 0)) {
            if (!o->has_fastopen) {
                o->has_fastopen = true;
                o->fastopen_len = (uint8_t)(len - 2);
                memcpy(o->fastopen, p + 2, len - 2);
            }
            return;
        }
        break;
    case TCPOPT_EXP_: /* Fast Open as it was before kind 34: same lengths behind the magic number */
        if (len >= 4 && wire_get16(p + 2) == FASTOPEN_MAGIC &&
            (len == 4 || (len >= 8 && len <= 20 && len % 2 == 0))) {
            if (!o->has_fastopen) {
                o->has_fastopen = true;
                o->fastopen_exp = true;
                o->fastopen_len = (uint8_t)(len - 4);
                memcpy(o->fastopen, p + 4, len - 4);
            }
            return;
        }
        break;
    default:
        break;
    }
    o->unknown++;
}

static enum wire_status decode_options(struct tcp_opts *o, const uint8_t *p, unsigned n)
{
    unsigned at = 0;
    while (at < n && p[at] != TCPOPT_EOL_) {
        if (p[at] == TCPOPT_NOP_) {
            at++;
            continue;
        }
        if (n - at < 2 || p[at + 1] < 2 || p[at + 1] > n - at) {
            return WIRE_BAD_OPTION;
        }
        decode_option(o, p + at, p[at + 1]);
        at += p[at + 1];
    }
    return WIRE_OK;
}

enum wire_status tcp_parse(struct tcp_hdr *h, const uint8_t *b, size_t n)
{
    *h = (struct tcp_hdr){0};
    if (n < TCP_HLEN) {
        return WIRE_SHORT;
    }
    h->sport = wire_get16(b);
    h->dport = wire_get16(b + 2);
    h->seq = wire_get32(b + 4);
    h->ack = wire_get32(b + 8);
    h->hlen = (uint8_t)((b[12] >> 4) * 4);
    h->reserved = (b[12] >> 1) & 7;
    h->flags = (uint16_t)(((b[12] & 1) << 8) | b[13]);
    h->wnd = wire_get16(b + 14);
    h->csum = wire_get16(b + 16);
    h->urp = wire_get16(b + 18);
    if (h->hlen < TCP_HLEN || h->hlen > n) {
        return WIRE_BAD_LENGTH;
    }
    h->raw_len = (uint8_t)(h->hlen - TCP_HLEN);
    if (h->raw_len == 0) {
        return WIRE_OK;
    }
    memcpy(h->raw, b + TCP_HLEN, h->raw_len);
    return decode_options(&h->o, h->raw, h->raw_len);
}

size_t tcp_emit(const struct tcp_hdr *h, uint8_t *b)
{
    size_t raw_len = h->raw_len <= sizeof h->raw ? h->raw_len : sizeof h->raw;
    size_t hlen = TCP_HLEN + ((raw_len + 3) & ~(size_t)3);
    wire_put16(b, h->sport);
    wire_put16(b + 2, h->dport);
    wire_put32(b + 4, h->seq);
    wire_put32(b + 8, h->ack);
    b[12] = (uint8_t)(((hlen / 4) << 4) | ((h->flags >> 8) & 1));
    b[13] = (uint8_t)h->flags;
    wire_put16(b + 14, h->wnd);
    wire_put16(b + 16, 0);
    wire_put16(b + 18, h->urp);
    if (raw_len > 0) {
        memcpy(b + TCP_HLEN, h->raw, raw_len);
        memset(b + TCP_HLEN + raw_len, TCPOPT_EOL_, hlen - TCP_HLEN - raw_len);
    }
    return hlen;
}

/* ---- laying options out: each writer appends to h->raw; none is called without room ---- */

static void put8(struct tcp_hdr *h, uint8_t v)
{
    h->raw[h->raw_len++] = v;
}

static void put32(struct tcp_hdr *h, uint32_t v)
{
    wire_put32(h->raw + h->raw_len, v);
    h->raw_len = (uint8_t)(h->raw_len + 4);
}

static void put_nops(struct tcp_hdr *h, unsigned n)
{
    while (n-- > 0) {
        put8(h, TCPOPT_NOP_);
    }
}

static void put_kind(struct tcp_hdr *h, uint8_t kind, unsigned len)
{
    put8(h, kind);
    put8(h, (uint8_t)len);
}

static void put_mss(struct tcp_hdr *h)
{
    put_kind(h, TCPOPT_MSS_, 4);
    put8(h, (uint8_t)(h->o.mss >> 8));
    put8(h, (uint8_t)h->o.mss);
}

static void put_wscale(struct tcp_hdr *h)
{
    put_nops(h, 1);
    put_kind(h, TCPOPT_WSCALE_, 3);
    put8(h, h->o.wscale);
}

static void put_ts(struct tcp_hdr *h)
{
    put_kind(h, TCPOPT_TS_, 10);
    put32(h, h->o.ts_val);
    put32(h, h->o.ts_ecr);
}

/* Last, and left out when it doesn't fit: it is only advice. */
static void put_uto(struct tcp_hdr *h)
{
    if (h->o.has_uto && h->raw_len + 4 <= OPT_SPACE) {
        put_kind(h, TCPOPT_UTO_, 4);
        put8(h, (uint8_t)(h->o.uto >> 8));
        put8(h, (uint8_t)h->o.uto);
    }
}

/* As many blocks as there is room for, leaving `reserve` octets free behind them. */
static void put_sack(struct tcp_hdr *h, unsigned reserve)
{
    unsigned used = h->raw_len + reserve;
    unsigned fit = used + 12 <= OPT_SPACE ? (OPT_SPACE - used - 4) / 8 : 0;
    unsigned n = h->o.nsack < fit ? h->o.nsack : fit;
    if (n > 4) {
        n = 4;
    }
    if (n == 0) {
        return;
    }
    put_nops(h, 2);
    put_kind(h, TCPOPT_SACK_, 2 + 8 * n);
    for (unsigned i = 0; i < n; i++) {
        put32(h, h->o.sack[i].left);
        put32(h, h->o.sack[i].right);
    }
}

/* Left out when it doesn't fit: RFC 7413 lets a sender fall back to an ordinary SYN. */
static void put_fastopen(struct tcp_hdr *h, enum tcp_opt_style style)
{
    unsigned cookie = h->o.fastopen_len <= 16 ? h->o.fastopen_len : 16;
    unsigned head = h->o.fastopen_exp ? 4 : 2;
    unsigned nops = (4 - (head + cookie) % 4) % 4;
    if (h->raw_len + nops + head + cookie > OPT_SPACE) {
        return;
    }
    if (style == TCP_OPTS_PLAIN) {
        put_nops(h, nops);
    }
    put_kind(h, h->o.fastopen_exp ? TCPOPT_EXP_ : TCPOPT_FASTOPEN_, head + cookie);
    if (h->o.fastopen_exp) {
        put8(h, FASTOPEN_MAGIC >> 8);
        put8(h, FASTOPEN_MAGIC & 0xff);
    }
    memcpy(h->raw + h->raw_len, h->o.fastopen, cookie);
    h->raw_len = (uint8_t)(h->raw_len + cookie);
    if (style == TCP_OPTS_LINUX) {
        put_nops(h, nops);
    }
}

static void layout_linux(struct tcp_hdr *h, bool syn)
{
    const struct tcp_opts *o = &h->o;
    bool sack_perm = syn && o->has_sack_perm;
    if (syn && o->has_mss) {
        put_mss(h);
    }
    /* SACK-permitted takes the place of the two NOPs that align a timestamp. */
    if (sack_perm || o->has_ts) {
        if (sack_perm && !o->has_ts) {
            put_nops(h, 2);
        }
        if (sack_perm) {
            put_kind(h, TCPOPT_SACK_PERM_, 2);
        }
        if (o->has_ts) {
            if (!sack_perm) {
                put_nops(h, 2);
            }
            put_ts(h);
        }
    }
    if (syn && o->has_wscale) {
        put_wscale(h);
    }
    if (!syn) {
        put_sack(h, o->has_uto ? 4 : 0);
    }
    if (syn && o->has_fastopen) {
        put_fastopen(h, TCP_OPTS_LINUX);
    }
    put_uto(h);
}

static void layout_plain(struct tcp_hdr *h, bool syn)
{
    const struct tcp_opts *o = &h->o;
    if (syn && o->has_mss) {
        put_mss(h);
    }
    if (syn && o->has_wscale) {
        put_wscale(h);
    }
    if (syn && o->has_sack_perm) {
        put_nops(h, 2);
        put_kind(h, TCPOPT_SACK_PERM_, 2);
    }
    if (!syn) {
        put_sack(h, (o->has_ts ? 12u : 0u) + (o->has_uto ? 4u : 0u));
    }
    if (o->has_ts) {
        put_nops(h, 2);
        put_ts(h);
    }
    if (syn && o->has_fastopen) {
        put_fastopen(h, TCP_OPTS_PLAIN);
    }
    put_uto(h);
}

unsigned tcp_opts_layout(struct tcp_hdr *h, bool syn, enum tcp_opt_style style)
{
    h->raw_len = 0;
    if (style == TCP_OPTS_LINUX) {
        layout_linux(h, syn);
    } else {
        layout_plain(h, syn);
    }
    h->hlen = (uint8_t)(TCP_HLEN + h->raw_len);
    return h->raw_len;
}

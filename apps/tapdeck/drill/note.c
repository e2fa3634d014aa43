/* drill/note.c: what the stack sent, as a packet of the script.
 *
 * Theory of operation. A datagram from the wire is read into the same struct the parser makes, in
 * script space, so that both sides of a difference are written by one printer (print.c) and can be
 * compared number by number. Options scripts have no word for are kept with their bytes.
 */
#include "tapdeck/drill/run.h"

#include "wire/icmp.h"
#include "wire/ipv4.h"
#include "wire/tcp.h"

#include <stdio.h>
#include <string.h>

#define FOEXP_KIND   254
#define FOEXP_MAGIC  0xf989
#define MD5_KIND     19
#define ACCECN0_KIND 172
#define ACCECN1_KIND 174

const char *note_time(td_time t, char buf[32])
{
    snprintf(buf, 32, "%llu.%06llu s", (unsigned long long)(t / TD_SEC),
             (unsigned long long)(t % TD_SEC / TD_US));
    return buf;
}

/* ---- reading ---- */

static uint32_t get24(const uint8_t *b)
{
    return (uint32_t)b[0] << 16 | wire_get16(b + 1);
}

static bool read_sack(struct noted *n, struct drill_opt *o, const struct seg_opt *raw,
                      const struct conn *c, bool syn)
{
    o->n = raw->body_len / 8;
    if (raw->body_len % 8 != 0 || o->n > 4) {
        return false;
    }
    o->sack = n->sack;
    for (size_t i = 0; i < o->n; i++) {
        o->sack[i][0] = conn_remote_script(c, wire_get32(raw->body + 8 * i), syn);
        o->sack[i][1] = conn_remote_script(c, wire_get32(raw->body + 8 * i + 4), syn);
    }
    return true;
}

/* False: a length that isn't the kind's. */
static bool read_known(struct noted *n, struct drill_opt *o, const struct seg_opt *raw,
                       const struct conn *c, bool syn)
{
    const uint8_t *b = raw->body;
    memset(o, 0, sizeof *o);
    switch (raw->kind) {
    case TCPOPT_EOL_:
        o->kind = DRILL_OPT_EOL;
        return true;
    case TCPOPT_NOP_:
        o->kind = DRILL_OPT_NOP;
        return true;
    case TCPOPT_MSS_:
        o->kind = DRILL_OPT_MSS;
        o->v[0] = raw->body_len == 2 ? wire_get16(b) : 0;
        return raw->body_len == 2;
    case TCPOPT_WSCALE_:
        o->kind = DRILL_OPT_WSCALE;
        o->v[0] = raw->body_len == 1 ? b[0] : 0;
        return raw->body_len == 1;
    case TCPOPT_SACK_PERM_:
        o->kind = DRILL_OPT_SACKOK;
        return raw->body_len == 0;
    case TCPOPT_SACK_:
        o->kind = DRILL_OPT_SACK;
        return read_sack(n, o, raw, c, syn);
    case TCPOPT_TS_:
        o->kind = DRILL_OPT_TS;
        if (raw->body_len != 8) {
            return false;
        }
        if (!conn_ts_script(c, wire_get32(b), &o->v[0])) {
            o->v[0] = wire_get32(b);
        }
        o->v[1] = wire_get32(b + 4);
        return true;
    case TCPOPT_FASTOPEN_:
    case MD5_KIND:
        o->kind = raw->kind == MD5_KIND ? DRILL_OPT_MD5 : DRILL_OPT_FO;
        o->n = raw->body_len;
        memcpy(o->bytes, b, raw->body_len);
        return true;
    case FOEXP_KIND:
        o->kind = DRILL_OPT_FOEXP;
        if (raw->body_len < 2 || wire_get16(b) != FOEXP_MAGIC) {
            return false;
        }
        o->n = raw->body_len - 2U;
        memcpy(o->bytes, b + 2, o->n);
        return true;
    case ACCECN0_KIND:
    case ACCECN1_KIND:
        o->kind = DRILL_OPT_ACCECN;
        o->order1 = raw->kind == ACCECN1_KIND;
        o->n = raw->body_len / 3U;
        for (size_t i = 0; i < o->n && i < 3; i++) {
            o->count[i] = get24(b + 3 * i);
        }
        return raw->body_len % 3 == 0 && o->n <= 3;
    default:
        return false;
    }
}

static void read_opt(struct noted *n, struct drill_opt *o, const struct seg_opt *raw,
                     const struct conn *c, bool syn)
{
    if (read_known(n, o, raw, c, syn)) {
        return;
    }
    memset(o, 0, sizeof *o);
    o->kind = DRILL_OPT_OTHER;
    o->v[0] = raw->kind;
    o->n = raw->body_len;
    memcpy(o->bytes, raw->body, raw->body_len);
}

static bool read_tcp(struct noted *n, const struct conn *c, const struct seg *s)
{
    struct drill_packet *p = &n->p;
    bool syn = (s->flags & TCP_SYN) != 0;
    p->flags = s->flags;
    p->seq = conn_local_script(c, s->seq, syn);
    p->len = s->data_len;
    p->has_ack = (s->flags & TCP_ACK) != 0;
    p->ack = conn_remote_script(c, s->ack, syn);
    p->has_win = true;
    p->win = s->win;
    p->has_urg = (s->flags & TCP_URG) != 0;
    p->urg = s->urg;
    size_t pos = 0;
    struct seg_opt raw;
    while (seg_opt_next(s->bytes + s->opt, s->opt_len, &pos, &raw)) {
        if (p->nopts == DRILL_OPTS_MAX) {
            return false;
        }
        read_opt(n, &n->opt[p->nopts++], &raw, c, syn);
    }
    return pos == s->opt_len;
}

static void read_icmp(struct noted *n, const struct conn *c, const struct seg *s)
{
    struct drill_packet *p = &n->p;
    const uint8_t *b = s->bytes + s->l4;
    p->icmp_type = s->icmp_type;
    p->icmp_code = s->icmp_code;
    if (s->icmp_type == ICMP_UNREACHABLE && s->icmp_code == ICMP_FRAG_NEEDED) {
        p->has_mtu = true;
        p->mtu = wire_get16(b + 6);
    }
    if (s->icmp_type == ICMP_ECHO || s->icmp_type == ICMP_ECHO_REPLY) {
        p->has_id = true;
        p->id = wire_get16(b + 4);
        p->quote = DRILL_QUOTE_RAW;
        p->len = s->data_len;
        return;
    }
    const uint8_t *q = s->bytes + s->data;
    if (s->data_len < IPV4_HLEN + 8 || (q[0] & 15) != 5) {
        return;
    }
    uint32_t total = wire_get16(q + 2);
    if (q[9] == IPPROTO_UDP_ && total >= IPV4_HLEN + 8) {
        p->quote = DRILL_QUOTE_UDP;
        p->len = total - IPV4_HLEN - 8;
    } else if (q[9] == IPPROTO_TCP_ && total >= IPV4_HLEN + TCP_HLEN) {
        p->quote = DRILL_QUOTE_TCP; /* of what the remote sent */
        p->seq = conn_remote_script(c, wire_get32(q + IPV4_HLEN + 4), false);
        p->len = total - IPV4_HLEN - TCP_HLEN;
    }
}

bool note_read(struct noted *n, const struct conn *c, const struct seg *s)
{
    memset(n, 0, sizeof *n);
    n->p.opt = n->opt;
    n->p.sport = s->sport;
    n->p.dport = s->dport;
    if (s->proto == IPPROTO_TCP_) {
        n->p.proto = DRILL_TCP;
        return read_tcp(n, c, s);
    }
    if (s->proto == IPPROTO_UDP_) {
        n->p.proto = DRILL_UDP;
        n->p.len = s->data_len;
    } else {
        n->p.proto = DRILL_ICMP;
        read_icmp(n, c, s);
    }
    return true;
}

void note_seg(struct text *t, const struct conn *c, const struct seg *s)
{
    struct noted n;
    if (s->bad != NULL && s->data == 0) {
        text_printf(t, "> a datagram: %s", s->bad);
        return;
    }
    bool whole = note_read(&n, c, s);
    drill_print_packet(t, &n.p);
    if (!whole) {
        text_puts(t, " (and options that make no sense:");
        for (size_t i = 0; i < s->opt_len; i++) {
            text_printf(t, " %02x", s->bytes[s->opt + i]);
        }
        text_puts(t, ")");
    }
}

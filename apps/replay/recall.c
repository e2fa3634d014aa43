/* replay/recall.c: relations between packets (theory of operation: replay/recall.h). */
#include "replay/recall.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "replay/describe.h"
#include "wire/arp.h"
#include "wire/icmp.h"

#define ETHER     14u
#define PLACES    4096u /* of questions, of datagrams */
#define CARDS     1024u
#define PARTIAL   64u   /* datagrams in pieces */
#define PIECES    24u   /* of one */
#define KEY       41u

struct asked { /* a question, or a datagram that an error may be about */
    uint8_t key[KEY];
    uint64_t number; /* 0: free */
    int64_t t;
    bool answered;
};

struct card { /* an address, and where it was said to be */
    td_ip4 ip;
    struct td_mac mac;
    uint64_t number;
};

struct pieces { /* of a datagram that came in fragments */
    uint8_t key[KEY];
    uint64_t number; /* of the first that was seen; 0: free */
    int64_t t;
    uint32_t length; /* of the whole; 0: the last hasn't been seen */
    bool overlap;
    unsigned n;
    struct {
        uint32_t begin, end;
        uint64_t number;
    } at[PIECES];
};

struct recall {
    struct asked asked[PLACES], sent[PLACES];
    struct card card[CARDS];
    struct pieces pieces[PARTIAL];
};

struct recall *recall_new(void)
{
    return calloc(1, sizeof(struct recall));
}

void recall_free(struct recall *r)
{
    free(r);
}

/* FNV: the tables are of a fixed size, so whoever makes keys collide gains nothing. */
static uint32_t hash(const uint8_t key[KEY])
{
    uint32_t h = 2166136261u;
    for (unsigned i = 0; i < KEY; i++)
        h = (h ^ key[i]) * 16777619u;
    return h ^ h >> 15;
}

/* What goes into a key: what kind of thing it is, two addresses, numbers. */
static void make_key(uint8_t key[KEY], uint8_t kind, const uint8_t a[16], const uint8_t b[16], uint16_t x, uint16_t y, uint32_t z)
{
    memset(key, 0, KEY);
    key[0] = kind;
    memcpy(key + 1, a, 16);
    memcpy(key + 17, b, 16);
    wire_put16(key + 33, x);
    wire_put16(key + 35, y);
    wire_put32(key + 37, z);
}

static void ip4_key(uint8_t addr[16], td_ip4 a)
{
    memset(addr, 0, 16);
    addr[10] = addr[11] = 0xff;
    wire_put32(addr + 12, a);
}

static struct asked *find(struct asked *table, const uint8_t key[KEY])
{
    struct asked *q = &table[hash(key) % PLACES];
    return q->number != 0 && memcmp(q->key, key, KEY) == 0 ? q : NULL;
}

static void keep(struct asked *table, const uint8_t key[KEY], uint64_t number, int64_t t)
{
    struct asked *q = &table[hash(key) % PLACES];
    memcpy(q->key, key, KEY);
    q->number = number;
    q->t = t;
    q->answered = false;
}

static void put_after(struct text *out, const char *what, const struct asked *q, int64_t t)
{
    text_printf(out, "; %s #%llu, ", what, (unsigned long long)q->number);
    describe_time(out, t - q->t);
    text_puts(out, " later");
}

/* A question: asked again, if it is known and open. */
static void question(struct recall *r, const uint8_t key[KEY], const struct view *v, int64_t t, struct text *out)
{
    struct asked *q = find(r->asked, key);
    if (q != NULL && !q->answered)
        put_after(out, "asks again what it asked in", q, t);
    keep(r->asked, key, v->number, t);
}

static void answer(struct recall *r, const uint8_t key[KEY], int64_t t, struct text *out)
{
    struct asked *q = find(r->asked, key);
    if (q == NULL)
        return;
    put_after(out, q->answered ? "answers once more" : "answers", q, t);
    q->answered = true;
}

/* ---- ARP ---- */

enum { KIND_ARP = 1, KIND_PROBE, KIND_ECHO, KIND_DNS, KIND_SENT, KIND_PIECES };

/* Who says that an address is at his card; told if it was at another. */
static void claim(struct recall *r, td_ip4 ip, struct td_mac mac, const struct view *v, struct text *out)
{
    struct card *c = &r->card[(ip * 2654435761u >> 16) % CARDS];
    if (c->number != 0 && c->ip == ip && memcmp(c->mac.b, mac.b, 6) != 0)
        text_printf(out, "; until now it was at %02x:%02x:%02x:%02x:%02x:%02x (#%llu): a new card, or somebody else's claim (RFC 5227 2.4)",
                    c->mac.b[0], c->mac.b[1], c->mac.b[2], c->mac.b[3], c->mac.b[4], c->mac.b[5], (unsigned long long)c->number);
    *c = (struct card){.ip = ip, .mac = mac, .number = v->number};
}

static void arp(struct recall *r, const struct view *v, int64_t t, struct text *out)
{
    uint8_t key[KEY], target[16], nobody[16] = {0};
    struct arp_pkt a;
    uint32_t there = v->frame_len - v->filled;
    if (there < ETHER || arp_parse(&a, v->frame + ETHER, there - ETHER) != WIRE_OK)
        return;
    ip4_key(target, a.op == ARP_REQUEST ? a.tpa : a.spa);
    make_key(key, a.spa == 0 ? KIND_PROBE : KIND_ARP, target, nobody, 0, 0, 0);
    if (a.op == ARP_REQUEST && a.spa != a.tpa) {
        question(r, key, v, t, out);
    } else if (a.op != ARP_REQUEST && a.spa != a.tpa) {
        answer(r, key, t, out);
        make_key(key, KIND_PROBE, target, nobody, 0, 0, 0);
        struct asked *q = find(r->asked, key);
        if (q != NULL && !q->answered) {
            put_after(out, "it is in use: an address conflict (RFC 5227 2.1.1), told to the probe", q, t);
            q->answered = true;
        }
    }
    if (a.spa != 0)
        claim(r, a.spa, a.sha, v, out);
}

/* ---- ICMP, DNS ---- */

/* The datagram that an error quotes, if it was seen here. final: nothing else will answer it. */
static void about(struct recall *r, const uint8_t *b, uint32_t n, bool final, int64_t t, struct text *out)
{
    uint8_t key[KEY], src[16], dst[16];
    if (n < IPV4_HLEN || b[0] >> 4 != 4)
        return;
    ip4_key(src, wire_get32(b + 12));
    ip4_key(dst, wire_get32(b + 16));
    uint32_t hlen = (b[0] & 15u) * 4;
    make_key(key, KIND_SENT, src, dst, wire_get16(b + 4), b[9], hlen >= IPV4_HLEN && n >= hlen + 8 ? wire_get32(b + hlen + 4) : 0);
    struct asked *q = find(r->sent, key);
    if (q != NULL)
        put_after(out, "that is", q, t);
    if (!final || b[9] != IPPROTO_ICMP || hlen < IPV4_HLEN || n < hlen + 8 || b[hlen] != ICMP_ECHO)
        return;
    make_key(key, KIND_ECHO, src, dst, wire_get16(b + hlen + 4), wire_get16(b + hlen + 6), 0);
    if ((q = find(r->asked, key)) != NULL)
        q->answered = true; /* though not as was hoped */
}

static void icmp(struct recall *r, const struct view *v, int64_t t, struct text *out)
{
    uint8_t key[KEY];
    uint32_t at = ETHER + v->ip.hlen, there = v->frame_len - v->filled;
    const uint8_t *b = v->frame + at;
    if (there < at + 8)
        return;
    bool reply = b[0] == ICMP_ECHO_REPLY;
    make_key(key, KIND_ECHO, reply ? v->dst : v->src, reply ? v->src : v->dst, wire_get16(b + 4), wire_get16(b + 6), 0);
    if (b[0] == ICMP_ECHO)
        question(r, key, v, t, out);
    else if (reply)
        answer(r, key, t, out);
    else if (b[0] == ICMP_UNREACHABLE || b[0] == ICMP_TIME_EXCEEDED || b[0] == ICMP_REDIRECT || b[0] == ICMP_PARAM_PROBLEM ||
             b[0] == ICMP_SOURCE_QUENCH)
        about(r, b + 8, there - at - 8, b[0] != ICMP_REDIRECT && b[0] != ICMP_SOURCE_QUENCH, t, out);
}

static void dns(struct recall *r, const struct view *v, int64_t t, struct text *out)
{
    uint8_t key[KEY];
    const uint8_t *b = v->frame + v->text_at;
    if ((v->sport != 53 && v->dport != 53) || v->text_kept < 12)
        return;
    bool reply = (b[2] & 0x80) != 0;
    make_key(key, KIND_DNS, reply ? v->dst : v->src, reply ? v->src : v->dst, reply ? v->dport : v->sport, wire_get16(b), 0);
    if (reply)
        answer(r, key, t, out);
    else
        question(r, key, v, t, out);
}

/* ---- fragments ---- */

static uint32_t covered(const struct pieces *p)
{
    uint32_t upto = 0;
    for (bool grew = true; grew;) {
        grew = false;
        for (unsigned i = 0; i < p->n; i++) {
            if (p->at[i].begin <= upto && p->at[i].end > upto) {
                upto = p->at[i].end;
                grew = true;
            }
        }
    }
    return upto;
}

static void add_piece(struct pieces *p, uint32_t begin, uint32_t end, uint64_t number, struct text *out)
{
    bool late = false;
    for (unsigned i = 0; i < p->n; i++) {
        uint32_t from = begin > p->at[i].begin ? begin : p->at[i].begin, to = end < p->at[i].end ? end : p->at[i].end;
        late |= begin < p->at[i].begin;
        if (from >= to)
            continue;
        if (begin == p->at[i].begin && end == p->at[i].end)
            text_printf(out, "; the same as #%llu", (unsigned long long)p->at[i].number);
        else
            text_printf(out, "; overlaps #%llu in bytes %u to %u: not to be trusted (RFC 1858)",
                        (unsigned long long)p->at[i].number, from, to - 1);
        p->overlap |= begin != p->at[i].begin || end != p->at[i].end;
    }
    if (late)
        text_puts(out, "; after one that lies behind it: out of order");
    if (p->n < PIECES) {
        p->at[p->n].begin = begin;
        p->at[p->n].end = end;
        p->at[p->n++].number = number;
    }
}

static void fragment(struct recall *r, const struct view *v, int64_t t, struct text *out)
{
    uint8_t key[KEY];
    make_key(key, KIND_PIECES, v->src, v->dst, v->ip.id, v->proto, 0);
    struct pieces *p = &r->pieces[hash(key) % PARTIAL];
    if (p->number == 0 || memcmp(p->key, key, KEY) != 0 || t - p->t > 60 * INT64_C(1000000000)) {
        *p = (struct pieces){.number = v->number, .t = t};
        memcpy(p->key, key, KEY);
    }
    uint32_t payload = v->ip.total_len - v->ip.hlen, begin = v->ip.frag_off, before = covered(p);
    add_piece(p, begin, begin + payload, v->number, out);
    if (!(v->ip.flags & IPV4_MF))
        p->length = begin + payload;
    bool whole = p->length > 0 && covered(p) >= p->length;
    if (whole && before < p->length && p->overlap)
        text_printf(out, "; with it all %u bytes have passed, but fragments overlap", p->length);
    else if (whole && before < p->length)
        text_printf(out, "; with it the whole datagram has passed: %u bytes in %u fragments", p->length, p->n);
}

/* ---- a packet ---- */

void recall_packet(struct recall *r, const struct view *v, int64_t t, struct text *out)
{
    uint8_t key[KEY];
    if (out != NULL && v->net == VIEW_ARP)
        arp(r, v, t, out);
    if (v->net != VIEW_IPV4)
        return;
    if (out != NULL && v->fragment)
        fragment(r, v, t, out);
    else if (out != NULL && v->proto == IPPROTO_ICMP)
        icmp(r, v, t, out);
    else if (out != NULL && v->proto == IPPROTO_UDP)
        dns(r, v, t, out);
    uint32_t at = ETHER + v->ip.hlen;
    bool eight = v->ip.frag_off == 0 && v->frame_len - v->filled >= at + 8; /* of what is behind its header, as errors quote it */
    make_key(key, KIND_SENT, v->src, v->dst, v->ip.id, v->proto, eight ? wire_get32(v->frame + at + 4) : 0);
    if (v->ip.frag_off == 0)
        keep(r->sent, key, v->number, t);
}

unsigned recall_unanswered(const struct recall *r, uint64_t *first, unsigned most)
{
    unsigned n = 0;
    for (unsigned i = 0; i < PLACES; i++) {
        const struct asked *q = &r->asked[i];
        if (q->number == 0 || q->answered || q->key[0] == KIND_PROBE) /* a probe hopes for silence */
            continue;
        unsigned at = n < most ? n : most;
        n++;
        while (at > 0 && first[at - 1] > q->number) { /* the lowest numbers, in order */
            if (at < most)
                first[at] = first[at - 1];
            at--;
        }
        if (at < most)
            first[at] = q->number;
    }
    return n;
}

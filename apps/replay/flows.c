/* replay/flows.c: the TCP connections of a capture (flows.h). */
#include "replay/flows.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

void flows_init(struct flows *t)
{
    *t = (struct flows){0};
    t->tail = &t->head;
    if (getrandom(&t->key, sizeof(t->key), GRND_NONBLOCK) < 0)
        t->key.k0 = 1; /* early in a machine's life: slower with hostile files, nothing else */
}

void flows_done(struct flows *t)
{
    for (struct flow *f = t->head, *next; f != NULL; f = next) {
        next = f->next;
        free(f);
    }
    free(t->bucket);
    flows_init(t);
}

/* ---- the table ---- */

/* The same for both directions, and not to be foreseen by whoever makes files: chains stay short. */
static uint32_t hash_of(const struct flows *t, const uint8_t *a, uint16_t aport, const uint8_t *b, uint16_t bport)
{
    uint8_t key[36], end[2][18];
    memcpy(end[0], a, 16);
    wire_put16(end[0] + 16, aport);
    memcpy(end[1], b, 16);
    wire_put16(end[1] + 16, bport);
    bool swap = memcmp(end[0], end[1], sizeof(end[0])) > 0;
    memcpy(key, end[swap], 18);
    memcpy(key + 18, end[!swap], 18);
    return (uint32_t)siphash(&t->key, key, sizeof(key));
}

static uint32_t hash_of_view(const struct flows *t, const struct view *v)
{
    return hash_of(t, v->src, v->sport, v->dst, v->dport);
}

static bool is_end(const struct flow_side *s, const uint8_t addr[16], uint16_t port)
{
    return s->port == port && memcmp(s->addr, addr, 16) == 0;
}

/* Who of the flow sent it; -1: it isn't of this flow. */
static int sender(const struct flow *f, const struct view *v)
{
    if (is_end(&f->side[0], v->src, v->sport) && is_end(&f->side[1], v->dst, v->dport))
        return 0;
    return is_end(&f->side[1], v->src, v->sport) && is_end(&f->side[0], v->dst, v->dport) ? 1 : -1;
}

static bool grow(struct flows *t)
{
    uint32_t n = t->nbuckets == 0 ? 256 : 4 * t->nbuckets;
    struct flow **bucket = calloc(n, sizeof(*bucket));
    if (bucket == NULL)
        return false;
    /* In their order, so that the newest of a chain stays its first. */
    for (struct flow *f = t->head; f != NULL; f = f->next) {
        const struct flow_side *e = f->side;
        struct flow **at = &bucket[hash_of(t, e[0].addr, e[0].port, e[1].addr, e[1].port) % n];
        f->chain = *at;
        *at = f;
    }
    free(t->bucket);
    t->bucket = bucket;
    t->nbuckets = n;
    return true;
}

static struct flow *add(struct flows *t, const struct view *v)
{
    struct flow *f = t->count < FLOWS_MAX ? calloc(1, sizeof(*f)) : NULL;
    if (f == NULL || (t->count >= t->nbuckets && !grow(t))) {
        free(f);
        t->full = true;
        return NULL;
    }
    memcpy(f->side[0].addr, v->src, 16);
    memcpy(f->side[1].addr, v->dst, 16);
    f->side[0].port = v->sport;
    f->side[1].port = v->dport;
    f->number = t->count++;
    f->ipv6 = v->net == VIEW_IPV6;
    f->first = v->wall;
    f->first_packet = v->number;
    struct flow **at = &t->bucket[hash_of_view(t, v) % t->nbuckets];
    f->chain = *at;
    *at = f;
    *t->tail = f;
    t->tail = &f->next;
    return f;
}

static struct flow *find(const struct flows *t, const struct view *v, int *side)
{
    if (t->nbuckets == 0)
        return NULL;
    for (struct flow *f = t->bucket[hash_of_view(t, v) % t->nbuckets]; f != NULL; f = f->chain)
        if ((*side = sender(f, v)) >= 0)
            return f;
    return NULL;
}

const struct flow *flows_number(const struct flows *t, uint32_t number)
{
    const struct flow *f = t->head;
    while (f != NULL && f->number != number)
        f = f->next;
    return f;
}

/* ---- a packet ---- */

/* A first SYN that the flow can't have sent. With the same initial sequence number it is taken for a
 * retransmission. */
static bool begins_anew(const struct flow *f, int side, const struct view *v)
{
    const struct flow_side *s = &f->side[side];
    if ((v->tcp.flags & (TCP_SYN | TCP_ACK)) != TCP_SYN || !s->begun)
        return false;
    return v->tcp.seq != s->origin;
}

static void begin(struct flow_side *s, tcp_seq origin, bool syn)
{
    if (s->begun && !syn)
        return;
    s->begun = true;
    s->origin = origin;
}

static void swap_sides(struct flow *f, int *side)
{
    struct flow_side s = f->side[0];
    f->side[0] = f->side[1];
    f->side[1] = s;
    *side = 1 - *side;
}

/* Learns how the flow began, and who of the two began it. */
static void learn_begin(struct flow *f, int *side, const struct view *v)
{
    unsigned syn = v->tcp.flags & (TCP_SYN | TCP_ACK);
    if (syn == TCP_SYN && f->begin != FLOW_SYN) {
        if (*side == 1)
            swap_sides(f, side);
        f->begin = FLOW_SYN;
    } else if (syn == (TCP_SYN | TCP_ACK) && f->begin == FLOW_MIDSTREAM) {
        if (*side == 0)
            swap_sides(f, side);
        f->begin = FLOW_SYN_ACK;
    }
}

static void account(struct flow *f, int side, const struct view *v)
{
    struct flow_side *s = &f->side[side], *other = &f->side[1 - side];
    const struct tcp_hdr *h = &v->tcp;
    bool syn = (h->flags & TCP_SYN) != 0;
    begin(s, syn ? h->seq : h->seq - 1, syn);
    if (h->flags & TCP_ACK)
        begin(other, h->ack - 1, false);
    if (!s->seen) {
        s->seen = true;
        s->base = syn ? h->seq : h->seq - 1;
    } else if (syn && !s->syn) {
        s->base = h->seq;
        s->highest = 0;
    }
    s->syn = s->syn || syn;
    s->packets++;
    s->bytes += v->text_len;
    s->cut += v->text_len - v->text_kept;
    if ((h->flags & TCP_RST) == 0 && (v->text_len > 0 || syn)) {
        int64_t end = (int32_t)(h->seq + syn + v->text_len - s->base - (tcp_seq)s->highest) + s->highest;
        if (end > s->highest)
            s->highest = end;
        s->unique = s->highest > 1 ? (uint64_t)s->highest - 1 : 0;
    }
    if ((h->flags & TCP_FIN) && !s->fin) {
        s->fin = true;
        s->fin_seq = h->seq + v->text_len + 1;
    }
    if ((h->flags & TCP_ACK) && other->fin && (int32_t)(h->ack - other->fin_seq) >= 0)
        other->fin_acked = true;
    f->reset = f->reset || (h->flags & TCP_RST) != 0;
    f->one_way = !f->side[0].seen || !f->side[1].seen;
    f->bad_sums += v->l4_sum == SUM_BAD;
    f->last = v->wall;
    f->last_packet = v->number;
}

struct flow *flows_packet(struct flows *t, const struct view *v, int *side)
{
    if (v->proto != IPPROTO_TCP || !v->has_tcp)
        return NULL;
    struct flow *f = find(t, v, side);
    if (f == NULL || begins_anew(f, *side, v)) {
        f = add(t, v);
        *side = 0;
    }
    if (f == NULL)
        return NULL;
    learn_begin(f, side, v);
    account(f, *side, v);
    return f;
}

struct flow *flows_quoted(const struct flows *t, const struct view *v, int *side)
{
    uint32_t at = 14u + v->ip.hlen, there = v->frame_len - v->filled;
    struct view quoted = {0};
    if (v->net != VIEW_IPV4 || v->proto != IPPROTO_ICMP || v->fragment || there < at + 8 + IPV4_HLEN)
        return NULL;
    const uint8_t *type = v->frame + at, *b = type + 8;
    uint32_t hlen = (b[0] & 15u) * 4, n = there - at - 8;
    bool error = *type == 3 || *type == 4 || *type == 5 || *type == 11 || *type == 12;
    if (!error || b[0] >> 4 != 4 || hlen < IPV4_HLEN || n < hlen + 4 || b[9] != IPPROTO_TCP)
        return NULL;
    quoted.src[10] = quoted.src[11] = quoted.dst[10] = quoted.dst[11] = 0xff;
    memcpy(quoted.src + 12, b + 12, 4);
    memcpy(quoted.dst + 12, b + 16, 4);
    quoted.sport = wire_get16(b + hlen);
    quoted.dport = wire_get16(b + hlen + 2);
    return find(t, &quoted, side);
}

/* ---- what it was ---- */

enum flow_end flow_end(const struct flow *f)
{
    if (f->reset)
        return FLOW_RESET;
    if (f->side[0].fin && f->side[1].fin)
        return FLOW_CLOSED;
    return f->side[0].fin || f->side[1].fin ? FLOW_HALF_CLOSED : FLOW_OPEN;
}

const char *flow_begin_text(const struct flow *f)
{
    static const char *const text[] = {"in the middle", "SYN-ACK", "SYN"};
    return text[f->begin];
}

const char *flow_end_text(const struct flow *f)
{
    static const char *const text[] = {"open", "half-closed", "FIN", "RST"};
    const struct flow_side *server = &f->side[1];
    if (f->begin == FLOW_SYN && !server->seen && !f->reset)
        return "no answer";
    if (f->begin == FLOW_SYN && f->reset && server->seen && !server->syn && server->bytes == 0 && !server->fin)
        return "refused";
    return text[flow_end(f)];
}

const char *flow_not_playable(const struct flow *f)
{
    if (f->ipv6)
        return "IPv6, which the stack doesn't speak";
    if (f->one_way)
        return "only one side was captured";
    return NULL;
}

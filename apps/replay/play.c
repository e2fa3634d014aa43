/* replay/play.c: what is played is read from its capture (play.h).
 *
 * The frames of one flow are kept, both sides' in their order: what the application wrote can stand
 * in the file long behind the moment when it wrote it.
 */
#include "replay/play.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/control.h"
#include "wire/eth.h"

#define LATEST (UINT64_C(1) << 60)

const char *const play_verdict_names[PLAY_VERDICTS] = {"missing", "same",      "later", "earlier",
                                                       "split",   "coalesced", "extra"};

struct play_frame *play_add(struct play_frame **at, size_t *n, size_t *room)
{
    if (*n == *room) {
        size_t more = *room == 0 ? 256 : 2 * *room;
        struct play_frame *grown = realloc(*at, more * sizeof(*grown));
        if (grown == NULL)
            return NULL;
        *at = grown;
        *room = more;
    }
    struct play_frame *f = &(*at)[(*n)++];
    *f = (struct play_frame){0};
    return f;
}

bool play_frame_read(struct play_frame *f, const uint8_t *datagram, size_t n)
{
    struct ipv4_hdr ip;
    struct tcp_hdr h;
    if (ipv4_parse(&ip, datagram, n) != WIRE_OK || ip.proto != 6 || n < ip.hlen ||
        tcp_parse(&h, datagram + ip.hlen, n - ip.hlen) != WIRE_OK ||
        ip.total_len < ip.hlen + h.hlen)
        return false;
    f->flags = h.flags;
    f->seq = h.seq;
    f->ack = (h.flags & TCP_ACK) ? h.ack : 0;
    f->wnd = h.wnd;
    f->id = ip.id;
    f->o = h.o;
    f->len = ip.total_len;
    f->text_at = (uint32_t)ip.hlen + h.hlen;
    f->text = f->len - f->text_at;
    f->kinds =
        (uint8_t)(h.o.has_mss | h.o.has_wscale << 1 | h.o.has_sack_perm << 2 | h.o.has_ts << 3 |
                  (h.o.nsack > 0) << 4 | h.o.has_fastopen << 5 | h.o.has_uto << 6);
    return true;
}

static td_ip4 ip4_of(const uint8_t addr[16])
{
    return (td_ip4)addr[12] << 24 | (td_ip4)addr[13] << 16 | (td_ip4)addr[14] << 8 | addr[15];
}

static bool keep(struct play *p, const struct view *v, td_time at, bool from_first)
{
    uint32_t eth = (uint32_t)(v->text_at - v->tcp.hlen - v->ip.hlen);
    struct play_frame *f = play_add(&p->cap, &p->ncap, &p->cap_room);
    if (f == NULL)
        return false;
    f->at = at;
    f->number = v->number;
    f->ours = from_first;
    if (!play_frame_read(f, v->frame + eth, v->frame_len - eth)) {
        p->ncap--;
        return true;
    }
    f->datagram = malloc(f->len);
    if (f->datagram == NULL || f->len > v->frame_len - eth) {
        free(f->datagram);
        p->ncap--;
        return f->len > v->frame_len - eth;
    }
    memcpy(f->datagram, v->frame + eth, f->len);
    return true;
}

/* A file may say any times. */
static td_time elapsed(int64_t first, int64_t now)
{
    uint64_t ns = (uint64_t)now - (uint64_t)first;
    return ns < LATEST ? ns : LATEST;
}

/* An ICMP error about the flow, for whoever sent what it quotes. `first` is the flow's first frame.
 */
static bool about_flow(const struct view *v, uint32_t eth, const struct play_frame *first,
                       bool *to_first)
{
    const uint8_t *q = v->frame + eth + v->ip.hlen + 8, *d = first->datagram;
    uint32_t n = eth + v->ip.hlen + 8u <= v->frame_len ? v->frame_len - (eth + v->ip.hlen + 8u) : 0;
    uint32_t qh = n > 0 ? (q[0] & 15u) * 4 : 0, dh = (d[0] & 15u) * 4;
    if (n < IPV4_HLEN || qh < IPV4_HLEN || n < qh + 8 || q[0] >> 4 != 4 || q[9] != IPPROTO_TCP_ ||
        v->ip.dst != wire_get32(q + 12))
        return false;
    *to_first = memcmp(q + 12, d + 12, 8) == 0 && memcmp(q + qh, d + dh, 4) == 0;
    bool to_other = memcmp(q + 12, d + 16, 4) == 0 && memcmp(q + 16, d + 12, 4) == 0 &&
                    memcmp(q + qh, d + dh + 2, 2) == 0 && memcmp(q + qh + 2, d + dh, 2) == 0;
    return *to_first || to_other;
}

static bool keep_error(struct play *p, const struct view *v, td_time at)
{
    uint32_t eth = v->frame_len >= ETH_HLEN ? ETH_HLEN : 0, len = v->ip.total_len;
    bool to_first;
    if (v->net != VIEW_IPV4 || v->fragment || v->proto != IPPROTO_ICMP_ || p->ncap == 0 ||
        len > v->frame_len - eth || len < v->ip.hlen + 8u || v->frame[eth + v->ip.hlen] == 0 ||
        v->frame[eth + v->ip.hlen] == 8 || !about_flow(v, eth, p->cap, &to_first))
        return true;
    struct play_frame *f = play_add(&p->cap, &p->ncap, &p->cap_room);
    if (f == NULL || (f->datagram = malloc(len)) == NULL)
        return false;
    memcpy(f->datagram, v->frame + eth, len);
    f->len = len;
    f->at = at;
    f->number = v->number;
    f->icmp = true;
    f->ours = !to_first; /* as if its addressee's peer had sent it */
    return true;
}

static int choose_side(const struct flow *f, const char *word)
{
    char end[64];
    if (strcmp(word, "client") == 0 || strcmp(word, "A") == 0)
        return 0;
    if (strcmp(word, "server") == 0 || strcmp(word, "B") == 0)
        return 1;
    for (int i = 0; i < 2; i++) {
        view_endpoint(f->side[i].addr, f->side[i].port, end);
        if (strcmp(word, end) == 0)
            return i;
    }
    return -1;
}

static int choose(struct play *p, const struct flow *f, const char *name, const char *word,
                  const struct play_frame *first, td_ip4 first_src, uint16_t first_port, char *msg,
                  size_t msg_size)
{
    char a[64], b[64];
    view_endpoint(f->side[0].addr, f->side[0].port, a);
    view_endpoint(f->side[1].addr, f->side[1].port, b);
    p->side = choose_side(f, word);
    if (p->side < 0) {
        (void)snprintf(msg, msg_size, "--play %s: flow %u is of %s (client) and %s (server)", word,
                       f->number, a, b);
        return EXIT_USAGE;
    }
    const char *why = f->one_way && f->side[p->side].seen && !f->ipv6 ? NULL : flow_not_playable(f);
    if (why == NULL && f->begin != FLOW_SYN)
        why = "its handshake wasn't captured";
    if (why == NULL && ((ip4_of(f->side[0].addr) >> 24) == 127 ||
                        ip4_of(f->side[0].addr) == ip4_of(f->side[1].addr)))
        why = "both ends are on one host";
    if (why != NULL || first == NULL) {
        (void)snprintf(msg, msg_size, "%s: flow %u can't be played: %s", name, f->number,
                       why != NULL ? why : "none of its packets is whole");
        return EXIT_USAGE;
    }
    const struct flow_side *us = &f->side[p->side], *peer = &f->side[1 - p->side];
    p->us = ip4_of(us->addr);
    p->port = us->port;
    p->peer = ip4_of(peer->addr);
    p->pport = peer->port;
    bool first_is_ours = first_src == p->us && first_port == p->port;
    for (size_t i = 0; i < p->ncap; i++)
        p->cap[i].ours = p->cap[i].ours == first_is_ours;
    size_t n = 0; /* without errors that went to the other end */
    for (size_t i = 0; i < p->ncap; i++) {
        if (p->cap[i].icmp && p->cap[i].ours)
            free(p->cap[i].datagram);
        else
            p->cap[n++] = p->cap[i];
    }
    p->ncap = n;
    p->end = n > 0 ? p->cap[n - 1].at : 0;
    for (size_t i = n; i > 0; i--)
        if (p->cap[i - 1].flags & TCP_SYN)
            p->base[p->cap[i - 1].ours] = p->cap[i - 1].seq;
    return EXIT_DONE;
}

int play_load(struct play *p, struct capture_reader *r, const char *name, int64_t number,
              const char *side, char *msg, size_t msg_size)
{
    struct flows flows;
    struct viewer viewer = {0};
    struct capture_frame f;
    struct view v;
    uint64_t packets = 0;
    int64_t first = 0, now = 0;
    td_ip4 first_src = 0;
    uint16_t first_port = 0;
    int got, who, status = EXIT_DONE;
    memset(p, 0, sizeof(*p));
    flows_init(&flows);
    while ((got = capture_next(r, &f, msg, msg_size)) == 1) {
        if (view_make(&viewer, &f, ++packets, &v) != VIEW_OK)
            continue;
        const struct flow *flow = flows_packet(&flows, &v, &who);
        now = v.wall > now && p->ncap > 0 ? v.wall : now;
        bool kept = flow != NULL || keep_error(p, &v, elapsed(first, now));
        if (kept && (flow == NULL || flow->number != number || v.net != VIEW_IPV4))
            continue;
        if (kept && p->ncap == 0) {
            p->wall = first = now = v.wall;
            first_src = v.ip.src;
            first_port = v.sport;
        }
        p->clamped += kept && v.wall < now;
        p->cut += kept && v.text_kept < v.text_len;
        if (!kept ||
            !keep(p, &v, elapsed(first, now), v.ip.src == first_src && v.sport == first_port)) {
            (void)snprintf(msg, msg_size, "%s: flow %" PRId64 " takes more memory than there is",
                           name, number);
            status = EXIT_FAILED;
            break;
        }
    }
    viewer_done(&viewer);
    if (got < 0)
        (void)snprintf(p->broken, sizeof(p->broken), "%s", msg);
    if (status == EXIT_DONE && got < 0 && packets == 0) {
        status = EXIT_USAGE; /* msg says what is wrong with the file */
    } else if (status == EXIT_DONE) {
        const struct flow *flow = flows_number(&flows, (uint32_t)number);
        if (flow == NULL) {
            if (flows.count == 0)
                (void)snprintf(msg, msg_size, "%s: there is no TCP connection in it", name);
            else
                (void)snprintf(msg, msg_size,
                               "%s: there is no flow %" PRId64
                               "; the last is %u: `replay --list` shows them",
                               name, number, flows.count - 1);
            status = EXIT_USAGE;
        } else {
            status = choose(p, flow, name, side, p->ncap > 0 ? p->cap : NULL, first_src, first_port,
                            msg, msg_size);
        }
    }
    flows_done(&flows);
    return status;
}

void play_done(struct play *p)
{
    for (size_t i = 0; i < p->ncap; i++)
        free(p->cap[i].datagram);
    free(p->cap);
    memset(p, 0, sizeof(*p));
}

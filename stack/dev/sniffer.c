/* dev/sniffer.c: from frames that were seen to blocks of a capture file.
 *
 * Theory of operation. An observer (link/observe.c) shows a frame while the stack is busy with it.
 * Then its bytes are copied, with the time, and it is held: why it was dropped, which route it
 * took, what it did to a connection, the journal says in the moments after. When the stack has come
 * to rest (after the flush of the same turn) sniffer_settle writes a block for each frame held, in
 * order, with the reasons (dev/reasons.c) as comments, and gives it to the sink. So a frame is held
 * for one turn, and what is held is bounded: what doesn't fit is counted, and the next block of
 * that interface says how many were lost before it.
 *
 * Interfaces are numbered in the order in which they are described: at the beginning all that are
 * to be seen, later a new one in front of its first frame. Loopback frames get the Ethernet header
 * of zeroes that Linux gives them.
 *
 * Nothing here is memory of the instance, and nothing calls into it: a stack that is captured from
 * does what it would have done.
 */
#include "dev/sniffer.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "core/bpf.h"
#include "dev/pcapng.h"
#include "dev/reasons.h"
#include "link/link.h"

#define HOLD      (4u << 20)
#define COMMENTS  24
#define NAMES_MAX 64

struct held {
    struct held *next;
    uint64_t id;
    td_time wall;
    uint32_t ifindex, len, caplen;
    bool out;
    uint8_t bytes[];
};

struct seen_interface {
    uint32_t ifindex;
    uint64_t seen, accepted, written, lost;
    uint64_t lost_told; /* of `lost`: told in a block */
};

struct sniffer {
    struct sniffer_config c;
    struct link_observer observer;
    struct reasons *reasons; /* NULL: pcap */
    struct td_bpf_insn *code;
    char *filter;
    struct held *first, **last;
    size_t bytes;   /* held */
    uint64_t taken; /* frames accepted and held so far: never more than c.count */
    struct seen_interface *ifs;
    uint32_t nifs;
    td_time start;
    struct pcapng_buf buf;
};

static struct netif *netif_of(const struct sniffer *s, uint32_t ifindex)
{
    return netif_by_index(s->c.st, ifindex);
}

static struct seen_interface *interface_find(struct sniffer *s, uint32_t ifindex)
{
    for (uint32_t i = 0; i < s->nifs; i++)
        if (s->ifs[i].ifindex == ifindex)
            return &s->ifs[i];
    return NULL;
}

static bool give(struct sniffer *s, enum sniff_piece piece, td_time wall)
{
    bool taken = !s->buf.failed && s->c.sink(s->c.ctx, piece, s->buf.b, s->buf.len, wall);
    s->buf.len = 0;
    s->buf.failed = false;
    return taken;
}

/* ---- interfaces ---- */

static void describe(struct sniffer *s, const struct netif *nif)
{
    struct pcapng_interface d = {
        .name = nif->name, .mac = nif->mac, .filter = s->filter, .snaplen = s->c.snaplen};
    const char *kind = td_link_kind_name(nif->kind);
    char description[96];
    for (const struct netif_addr *a = nif->addrs; a != NULL && d.naddrs < PCAPNG_ADDRS;
         a = a->next) {
        d.addr[d.naddrs] = a->addr;
        d.plen[d.naddrs++] = a->plen;
    }
    (void)snprintf(description, sizeof description, "tapdeck %s %s%s%s", s->c.host, nif->name,
                   *kind != '\0' ? ", " : "", kind);
    d.description = description;
    pcapng_interface(&s->buf, &d);
}

/* A number for an interface; NULL: no memory. */
static struct seen_interface *interface_add(struct sniffer *s, uint32_t ifindex)
{
    struct seen_interface *more = realloc(s->ifs, (s->nifs + 1) * sizeof *more);
    const struct netif *nif = netif_of(s, ifindex);
    if (more == NULL || nif == NULL)
        return NULL;
    s->ifs = more;
    s->ifs[s->nifs] = (struct seen_interface){.ifindex = ifindex};
    if (!s->c.pcap)
        describe(s, nif);
    return &s->ifs[s->nifs++];
}

/* Our own addresses are the host's. */
static void names(struct sniffer *s)
{
    struct pcapng_name list[NAMES_MAX];
    unsigned n = 0;
    for (const struct netif *nif = netif_first(s->c.st); nif != NULL; nif = nif->next)
        for (const struct netif_addr *a = nif->addrs; a != NULL && n < NAMES_MAX; a = a->next)
            if ((nif->flags & TD_IF_LOOPBACK) == 0)
                list[n++] = (struct pcapng_name){a->addr, s->c.host};
    if (n > 0)
        pcapng_names(&s->buf, list, n);
}

static void header(struct sniffer *s)
{
    struct utsname u;
    char os[256] = "Linux";
    if (s->c.pcap) {
        pcap_header(&s->buf, 1, s->c.snaplen);
    } else {
        bool known = uname(&u) == 0;
        if (known)
            (void)snprintf(os, sizeof os, "%.100s %.100s", u.sysname, u.release);
        pcapng_section(&s->buf, known ? u.machine : NULL, os, s->c.application);
    }
    for (const struct netif *nif = netif_first(s->c.st); nif != NULL; nif = nif->next)
        if (s->c.ifindex == 0 || s->c.ifindex == nif->index)
            (void)interface_add(s, nif->index);
    if (!s->c.pcap)
        names(s);
    (void)give(s, SNIFF_HEADER, s->start);
}

/* ---- seeing ---- */

static bool matches(const struct sniffer *s, const struct link_sight *sight, const struct held *h)
{
    if (s->code == NULL)
        return true;
    if (!sight->bare)
        return bpf_run(s->code, sight->p) != 0;
    /* Filters begin at an Ethernet header. */
    struct mem own;
    mem_init(&own, 0);
    struct pkt *p = pkt_from_bytes(&own, 0, h->bytes, h->caplen);
    bool match = p != NULL && bpf_run(s->code, p) != 0;
    pkt_free(p);
    return match;
}

static struct held *copy(const struct sniffer *s, const struct link_sight *sight)
{
    static const uint32_t link = 14;
    const struct pkt *p = sight->p;
    uint32_t before = sight->bare ? link : 0;
    uint32_t len = p->len + before,
             keep = sight->bare && s->code != NULL ? PCAPNG_SNAPLEN : s->c.snaplen;
    uint32_t caplen = len < keep ? len : keep;
    struct held *h = malloc(sizeof *h + caplen + before);
    if (h == NULL)
        return NULL;
    *h = (struct held){
        .id = p->id, .ifindex = sight->ifindex, .len = len, .caplen = caplen, .out = sight->out};
    if (sight->bare) {
        memset(h->bytes, 0, 12);
        h->bytes[12] = (uint8_t)(p->protocol >> 8);
        h->bytes[13] = (uint8_t)p->protocol;
    }
    if (caplen > before)
        (void)pkt_read(p, 0, h->bytes + before, caplen - before);
    return h;
}

static void see(void *ctx, const struct link_sight *sight)
{
    struct sniffer *s = ctx;
    if (sight->out ? s->c.no_out : s->c.no_in)
        return;
    struct seen_interface *f = interface_find(s, sight->ifindex);
    if (f == NULL)
        f = interface_add(s, sight->ifindex);
    if (f == NULL)
        return;
    if (s->buf.len > 0) /* an interface that is new */
        (void)give(s, SNIFF_HEADER, s->c.wall(s->c.ctx));
    f->seen++;
    if ((s->c.count > 0 && s->taken >= s->c.count) || (!sight->bare && !matches(s, sight, NULL)))
        return;
    struct held *h = s->bytes < s->c.hold ? copy(s, sight) : NULL;
    if (h != NULL && sight->bare && !matches(s, sight, h)) {
        free(h);
        return;
    }
    f->accepted++;
    if (h == NULL) {
        f->lost++;
        return;
    }
    if (h->caplen > s->c.snaplen)
        h->caplen = s->c.snaplen;
    h->wall = s->c.wall(s->c.ctx);
    s->bytes += sizeof *h + h->caplen;
    s->taken++;
    *s->last = h;
    s->last = &h->next;
}

/* ---- settling ---- */

struct comments {
    struct pcapng_packet *p;
    char *text[COMMENTS];
};

static void comment(void *ctx, const char *sentence)
{
    struct comments *cs = ctx;
    char *text = strdup(sentence);
    if (text == NULL)
        return;
    for (unsigned char *b = (unsigned char *)text; *b != '\0';
         b++) /* an interface may be called anything */
        if (*b < 0x20 || *b > 0x7e)
            *b = '?';
    cs->text[cs->p->ncomments] = text;
    cs->p->comment[cs->p->ncomments].s = text;
    cs->p->comment[cs->p->ncomments++].len = strlen(text);
}

static enum pcapng_reception reception(const struct sniffer *s, const struct held *h)
{
    static const uint8_t all[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    const struct netif *nif = netif_of(s, h->ifindex);
    if (h->caplen < 6)
        return PCAPNG_RX_UNKNOWN;
    if (memcmp(h->bytes, all, 6) == 0)
        return PCAPNG_BROADCAST;
    if (h->bytes[0] & 1)
        return PCAPNG_MULTICAST;
    return h->out || nif == NULL || memcmp(h->bytes, nif->mac.b, 6) == 0 ? PCAPNG_UNICAST
                                                                         : PCAPNG_PROMISCUOUS;
}

static void write_one(struct sniffer *s, const struct held *h)
{
    struct seen_interface *f = interface_find(s, h->ifindex);
    struct pcapng_packet p = {.interface = (uint32_t)(f - s->ifs),
                              .wall = h->wall,
                              .caplen = h->caplen,
                              .len = h->len,
                              .data = h->bytes,
                              .id = h->id,
                              .lost = f->lost - f->lost_told};
    struct comments cs = {.p = &p};
    p.direction = h->out ? PCAPNG_DIR_OUT : PCAPNG_DIR_IN;
    p.reception = reception(s, h);
    if (s->c.pcap) {
        pcap_packet(&s->buf, &p);
    } else {
        reasons_tell(s->reasons, h->id, h->out, COMMENTS, comment, &cs);
        pcapng_packet(&s->buf, &p);
    }
    if (give(s, SNIFF_PACKET, h->wall)) {
        f->written++;
        f->lost_told += p.lost;
    } else {
        f->lost++;
    }
    for (unsigned i = 0; i < p.ncomments; i++)
        free(cs.text[i]);
}

bool sniffer_settle(struct sniffer *s, unsigned most)
{
    struct held *h;
    for (; (h = s->first) != NULL && most > 0; most--) {
        s->first = h->next;
        if (s->first == NULL)
            s->last = &s->first;
        s->bytes -= sizeof *h + h->caplen;
        write_one(s, h);
        free(h);
    }
    return s->first != NULL;
}

bool sniffer_waiting(const struct sniffer *s)
{
    return s->first != NULL;
}

bool sniffer_full(const struct sniffer *s)
{
    return s->c.count > 0 && s->taken >= s->c.count && s->first == NULL;
}

struct sniffer_stats sniffer_stats(const struct sniffer *s)
{
    struct sniffer_stats sum = {0};
    for (uint32_t i = 0; i < s->nifs; i++) {
        sum.seen += s->ifs[i].seen;
        sum.accepted += s->ifs[i].accepted;
        sum.written += s->ifs[i].written;
        sum.lost += s->ifs[i].lost;
    }
    return sum;
}

/* ---- beginning and end ---- */

static void sniffer_free(struct sniffer *s)
{
    reasons_close(s->reasons);
    pcapng_buf_free(&s->buf);
    free(s->ifs);
    free(s->code);
    free(s->filter);
    free(s);
}

struct sniffer *sniffer_open(const struct sniffer_config *c)
{
    struct sniffer *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    s->c = *c;
    s->last = &s->first;
    s->c.hold = c->hold != 0 ? c->hold : HOLD;
    s->c.snaplen = c->snaplen != 0 ? c->snaplen : PCAPNG_SNAPLEN;
    s->start = c->wall(c->ctx);
    s->filter = c->filter != NULL ? strdup(c->filter) : NULL;
    s->code = c->code != NULL ? malloc(c->ncode * sizeof *s->code) : NULL;
    s->reasons = c->pcap ? NULL : reasons_open(c->st);
    if ((c->filter != NULL && s->filter == NULL) || (c->code != NULL && s->code == NULL) ||
        (!c->pcap && s->reasons == NULL)) {
        sniffer_free(s);
        return NULL;
    }
    if (s->code != NULL)
        memcpy(s->code, c->code, c->ncode * sizeof *s->code);
    header(s);
    s->observer = (struct link_observer){.ifindex = c->ifindex, .fn = see, .ctx = s};
    link_observe(c->st, &s->observer);
    return s;
}

void sniffer_close(struct sniffer *s)
{
    if (s == NULL)
        return;
    link_unobserve(s->c.st, &s->observer);
    (void)sniffer_settle(s, UINT_MAX);
    td_time now = s->c.wall(s->c.ctx);
    for (uint32_t i = 0; i < s->nifs && !s->c.pcap; i++) {
        const struct seen_interface *f = &s->ifs[i];
        pcapng_statistics(&s->buf, &(struct pcapng_statistics){.interface = i,
                                                               .wall = now,
                                                               .start = s->start,
                                                               .end = now,
                                                               .received = f->seen,
                                                               .accepted = f->accepted,
                                                               .lost = f->lost,
                                                               .delivered = f->written});
    }
    if (s->buf.len > 0)
        (void)give(s, SNIFF_END, now);
    sniffer_free(s);
}

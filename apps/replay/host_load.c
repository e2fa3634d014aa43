/* replay/host_load.c: a played host's files: what they say of it, and its frames in the order of
 * their times (host.h).
 *
 * Each file is read through a mapping by as many readers as there are passes. What lies ahead is
 * held for LOOK_TIME, and never more than LOOK_ITEMS frames or LOOK_BYTES: so much an application's
 * motive may be seen late.
 */
#include "replay/host_internal.h"

#include <stdlib.h>
#include <string.h>

#include "common/parse.h"
#include "wire/checksum.h"

#define ETHER     14u
#define LATEST    (UINT64_C(1) << 60)
#define LAG_LEAST TD_MS  /* a host answers an echo request sooner */
#define LAG_MOST  TD_SEC /* no path is so long */

/* ---- reading ---- */

void host_item_free(struct item *it)
{
    if (it != NULL)
        free(it->frame);
    free(it);
}

/* Which of the host's interfaces a captured one is; HOST_IFS: none. */
static unsigned iface_of(const struct host *h, unsigned feed, const struct capture_reader *r,
                         uint32_t iface)
{
    const struct capture_if *c = capture_interface(r, iface);
    const char *name = c != NULL ? c->name : "";
    if (h->o.nfiles == 1 && h->o.nifs > 1) {
        for (unsigned k = 0; k < h->o.nifs; k++)
            if (name[0] != '\0' && strcmp(name, h->iface[k].name) == 0)
                return k;
        return name[0] == '\0' && iface < h->o.nifs ? iface : HOST_IFS;
    }
    if (h->o.iface[feed].name != NULL && name[0] != '\0' && strcmp(name, h->iface[feed].name) != 0)
        for (uint32_t k = 0; (c = capture_interface(r, k)) != NULL; k++)
            if (strcmp(c->name, h->iface[feed].name) == 0)
                return HOST_IFS; /* it is another's: the file has the one that was meant */
    return feed;
}

static td_time elapsed(int64_t first, int64_t now)
{
    uint64_t ns = (uint64_t)now - (uint64_t)first;
    return now <= first ? 0 : ns < LATEST ? ns : LATEST;
}

/* n bytes of a super-segment's text, from `at` on, as a segment with headers of its own. NULL: no
 * memory. */
static struct item *piece(const struct item *whole, uint32_t at, uint32_t n)
{
    const struct view *v = &whole->v;
    struct item *it = calloc(1, sizeof(*it));
    uint32_t ihl = v->ip.hlen, thl = v->tcp.hlen;
    if (it == NULL || (it->frame = malloc(ETHER + ihl + thl + n)) == NULL) {
        host_item_free(it);
        return NULL;
    }
    uint8_t *ip = it->frame + ETHER, *tcp = ip + ihl;
    bool last = at + n >= v->text_len;
    *it = (struct item){
        .v = *v, .frame = it->frame, .iface = whole->iface, .at = whole->at, .out = whole->out};
    memcpy(it->frame, v->frame, ETHER + ihl + thl);
    memcpy(tcp + thl, v->frame + v->text_at + at, n);
    it->v.frame = it->frame;
    it->v.frame_len = ETHER + ihl + thl + n;
    it->v.ip.total_len = (uint16_t)(ihl + thl + n);
    it->v.text_len = n;
    it->v.text_kept = v->text_kept <= at ? 0 : v->text_kept - at < n ? v->text_kept - at : n;
    it->v.filled = n - it->v.text_kept;
    it->v.ip_sum = it->v.l4_sum = SUM_GOOD;
    it->v.tcp.flags =
        (uint16_t)(v->tcp.flags & ~((last ? 0 : TCP_PSH | TCP_FIN) | (at > 0 ? TCP_CWR : 0)));
    wire_put16(ip + 2, it->v.ip.total_len);
    wire_put16(ip + 10, 0);
    wire_put16(ip + 10, checksum_finish(checksum_add(0, ip, ihl)));
    wire_put32(tcp + 4, v->tcp.seq + at);
    tcp[13] = (uint8_t)it->v.tcp.flags;
    wire_put16(tcp + 16, 0);
    wire_put16(tcp + 16,
               checksum_finish(checksum_add(
                   checksum_pseudo(v->ip.src, v->ip.dst, IPPROTO_TCP_, thl + n), tcp, thl + n)));
    return it;
}

/* A card above which was captured joins segments, and cuts them: no wire carries what is larger
 * than the MTU. The first piece, which knows the others; the whole if it is none. */
static struct item *pieces(struct host *h, struct item *whole)
{
    const struct view *v = &whole->v;
    uint32_t mtu = h->o.mtu != 0                         ? h->o.mtu
                   : h->iface[whole->iface].f.mtu > 1500 ? h->iface[whole->iface].f.mtu
                                                         : 1500;
    uint32_t heads = (uint32_t)v->ip.hlen + v->tcp.hlen, most = mtu > heads + 8 ? mtu - heads : 8;
    struct item *first = NULL, **end = &first;
    if (!v->has_tcp || v->net != VIEW_IPV4 || v->fragment || v->ip.total_len <= mtu ||
        v->text_len <= most || v->text_at + v->text_len > v->frame_len)
        return whole;
    for (uint32_t at = 0, n; at < v->text_len; at += n) {
        n = v->text_len - at < most ? v->text_len - at : most;
        *end = piece(whole, at, n);
        if (*end == NULL)
            break; /* the rest is lost */
        end = &(*end)->more;
    }
    h->sum.resegmented++;
    host_item_free(whole);
    return first;
}

/* The feed's next frame that is the host's business, into feed->next. */
static void feed_on(struct host *h, unsigned n)
{
    struct feed *d = &h->feed[n];
    struct capture_frame f;
    struct view v;
    char msg[512];
    int got;
    while (d->next == NULL && !d->over) {
        got = capture_next(d->reader, &f, msg, sizeof(msg));
        if (got != 1) {
            d->over = true;
            break;
        }
        h->sum.packets++;
        unsigned k = iface_of(h, n, d->reader, f.iface);
        if (view_make(&d->viewer, &f, ++d->packets, &v) != VIEW_OK || k == HOST_IFS ||
            v.frame_len < ETHER)
            continue;
        struct td_mac dst, src, mac = h->iface[k].f.mac;
        memcpy(dst.b, v.frame, 6);
        memcpy(src.b, v.frame + 6, 6);
        bool out = mac_eq(src, mac), to = mac_eq(dst, mac) || mac_is_multicast(dst);
        if (h->hops > 0) { /* its MAC address is a router's, and others' too */
            out = v.net == VIEW_IPV4 && v.ip.src == h->iface[k].f.addr;
            to = v.net == VIEW_IPV4 && v.ip.dst == h->iface[k].f.addr;
        }
        if (!out && !to) {
            h->sum.others++;
            continue;
        }
        struct item *it = calloc(1, sizeof(*it));
        if (it != NULL && (it->frame = malloc(v.frame_len)) != NULL) {
            memcpy(it->frame, v.frame, v.frame_len);
            if (h->hops > 0) /* whichever router stands for it */
                memcpy(it->frame + (out ? 6 : 0), mac.b, 6);
            it->v = v;
            it->v.frame = it->frame;
            it->iface = k;
            it->out = out;
            it->at = elapsed(h->first_wall, v.wall);
            h->sum.clamped += it->at < d->last || v.wall < h->first_wall;
            h->sum.cut += v.filled > 0;
            h->sum.cut_bytes += v.filled;
            it->at = it->at > d->last ? it->at : d->last;
            d->last = it->at;
            it->at += out ? 0 : h->lag;
            d->next = pieces(h, it);
        } else {
            host_item_free(it);
        }
    }
}

struct item *host_look_item(struct host *h, unsigned i)
{
    return i < h->look_n ? h->look[(h->look_at + i) % LOOK_ITEMS] : NULL;
}

/* By time; of several at one time those that arrive go first. What arrives at a distant host is
 * later than it was captured. */
static void look_put(struct host *h, struct item *it)
{
    unsigned i = h->look_n++;
    for (; i > 0; i--) {
        struct item *before = h->look[(h->look_at + i - 1) % LOOK_ITEMS];
        if (h->lag == 0 || before->at < it->at ||
            (before->at == it->at && (!before->out || it->out)))
            break;
        h->look[(h->look_at + i) % LOOK_ITEMS] = before;
    }
    h->look[(h->look_at + i) % LOOK_ITEMS] = it;
}

static void look_fill(struct host *h)
{
    while (h->look_n < LOOK_ITEMS && h->look_bytes < LOOK_BYTES) {
        struct feed *first = NULL;
        for (unsigned n = 0; n < h->o.nfiles; n++) {
            feed_on(h, n);
            struct feed *d = &h->feed[n];
            if (d->next != NULL &&
                (first == NULL || d->next->at < first->next->at ||
                 (d->next->at == first->next->at && first->next->out && !d->next->out)))
                first = d;
        }
        const struct item *front = host_look_item(h, 0);
        if (first == NULL || (front != NULL && first->next->at > front->at + LOOK_TIME))
            return;
        h->look_bytes += first->next->v.frame_len;
        struct item *it = first->next;
        first->next = it->more;
        it->more = NULL;
        look_put(h, it);
    }
}

/* The next one, which is the caller's now. */
struct item *host_look_take(struct host *h)
{
    look_fill(h);
    struct item *it = host_look_item(h, 0);
    if (it == NULL)
        return NULL;
    h->look_at = (h->look_at + 1) % LOOK_ITEMS;
    h->look_n--;
    h->look_bytes -= it->v.frame_len;
    look_fill(h); /* behind it, before it is played */
    return it;
}

/* ---- opening ---- */

typedef void see_fn(struct host *h, unsigned iface, const struct view *v, bool *sure);

static void see_mac(struct host *h, unsigned iface, const struct view *v, bool *sure)
{
    facts_mac(&h->iface[iface].f, v, &sure[iface]);
}

static void see_facts(struct host *h, unsigned iface, const struct view *v, bool *sure)
{
    (void)sure;
    facts_see(&h->iface[iface].f, h->ports, v);
}

/* What is known of the tape before it is played. */
static void count_step(struct host *h, unsigned k, const struct view *v)
{
    const struct td_mac *mac = &h->iface[k].f.mac;
    struct td_mac dst;
    if (v->frame_len < ETHER)
        return;
    memcpy(dst.b, v->frame, 6);
    if (memcmp(v->frame + 6, mac->b, 6) != 0 && !mac_eq(dst, *mac) && !mac_is_multicast(dst))
        return;
    h->tape.total++;
    h->tape.last = h->o.nifs > 1 ? h->tape.total : v->number;
    if (h->tape.first == 0)
        h->tape.first = h->tape.last;
    if (elapsed(h->first_wall, v->wall) > h->tape.length)
        h->tape.length = elapsed(h->first_wall, v->wall);
}

static struct capture_reader *reader(const struct feed *d, char *msg, size_t msg_size)
{
    FILE *f = mapped_again(&d->map);
    if (f != NULL)
        return capture_open_stream(f, d->name, msg, msg_size);
    (void)snprintf(msg, msg_size, "%s: out of memory", d->name);
    return NULL;
}

static int feed_open(struct feed *d, const char *path, char *msg, size_t msg_size)
{
    d->name = strcmp(path, "-") == 0 ? "standard input" : path;
    FILE *f = mapped_open(&d->map, path, msg, msg_size);
    if (f == NULL)
        return EXIT_USAGE;
    (void)fclose(f);
    return EXIT_DONE;
}

/* One pass over a file. */
static int scan(struct host *h, unsigned n, see_fn *see, bool *sure, char *msg, size_t msg_size)
{
    struct feed *d = &h->feed[n];
    struct capture_frame f;
    struct viewer w = {0};
    struct view v;
    uint64_t packets = 0, unread = 0;
    uint16_t link = 0;
    int got;
    struct capture_reader *r = reader(d, msg, msg_size);
    if (r == NULL)
        return EXIT_USAGE;
    if (see == see_facts)
        capture_on_custom(r, diary_read, &d->book);
    while ((got = capture_next(r, &f, msg, msg_size)) == 1) {
        unsigned k = iface_of(h, n, r, f.iface);
        if (packets++ == 0)
            link = f.link;
        bool read = view_make(&w, &f, packets, &v) == VIEW_OK;
        unread += !read;
        if (k == HOST_IFS || !read)
            continue;
        if (v.wall < h->first_wall)
            h->first_wall = v.wall;
        h->iface[k].f.captured = true;
        see(h, k, &v, sure);
        if (see == see_facts)
            count_step(h, k, &v);
    }
    if (got < 0)
        (void)snprintf(h->sum.broken, sizeof(h->sum.broken), "%s", msg);
    viewer_done(&w);
    capture_close(r);
    if (unread == packets && (got == 0 || packets > 0))
        view_none(d->name, packets, link, msg, msg_size);
    return unread == packets ? EXIT_USAGE : EXIT_DONE;
}

/* The interface is called as the file calls it, if that is a name. */
static void name_interfaces(struct host *h)
{
    char msg[256];
    for (unsigned k = 0; k < h->o.nifs; k++) {
        struct host_if *i = &h->iface[k];
        i->h = h;
        (void)snprintf(i->name, sizeof(i->name), "eth%u", k);
        if (h->o.iface[k].name != NULL) {
            (void)snprintf(i->name, sizeof(i->name), "%s", h->o.iface[k].name);
            continue;
        }
        unsigned n = h->o.nfiles == h->o.nifs ? k : 0;
        struct capture_reader *r = reader(&h->feed[n], msg, sizeof(msg));
        const struct capture_if *c = NULL;
        struct capture_frame first;
        /* A file says of an interface before its first packet. */
        for (unsigned tries = 0; r != NULL && c == NULL && tries < 1000 &&
                                 capture_next(r, &first, msg, sizeof(msg)) == 1;
             tries++)
            c = capture_interface(r, h->o.nfiles == h->o.nifs ? 0 : k);
        size_t len =
            c != NULL ? strspn(c->name,
                               "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
                      : 0;
        if (len > 0 && c->name[len] == '\0' && len < sizeof(i->name) && strcmp(c->name, "lo") != 0)
            (void)snprintf(i->name, sizeof(i->name), "%.15s", c->name);
        for (unsigned x = 0; x < k; x++)
            if (strcmp(i->name, h->iface[x].name) == 0)
                (void)snprintf(i->name, sizeof(i->name), "eth%u", k);
        capture_close(r);
    }
}

const struct diary_stack *host_diary(const struct host *h, unsigned k)
{
    const struct diary_stack *s = NULL;
    for (unsigned n = 0; n < h->o.nfiles && s == NULL; n++)
        s = diary_of(&h->feed[n].book, h->iface[k].f.addr);
    return s;
}

/* A capture that was made at a distance: the soonest echo reply came so late, with a TTL that
 * routers have lowered. */
static void find_distance(struct host *h)
{
    const struct facts *f = &h->iface[0].f;
    char a[16];
    unsigned from = f->ttl > 128 ? 255 : f->ttl > 64 ? 128 : 64;
    if (h->o.nifs > 1 || f->ttl <= 32)
        return;
    h->hops = (uint8_t)(from - f->ttl);
    if (h->hops > 0) {
        h->tape.total = h->tape.first = h->tape.last = 0; /* it is of fewer */
        h->iface[0].f.arp = false;                        /* that of its router isn't its own */
    }
    h->lag = !f->arp && f->soonest >= LAG_LEAST && f->soonest <= LAG_MOST ? f->soonest : 0;
    format_ip4(f->addr, a);
    if (h->lag > 0)
        host_note(h,
                  "the capture was made %.3f ms from %s, there and back: what it heard is handed "
                  "in so much later",
                  (double)h->lag / 1e6, a);
    if (h->hops > 0)
        host_note(
            h, "the capture was made %u router%s from %s: TTLs are compared as they are seen there",
            h->hops, h->hops > 1 ? "s" : "", a);
}

/* What its diary says, if the capture has it. */
static void read_diary(struct host *h, unsigned k)
{
    const struct diary_stack *s = host_diary(h, k);
    struct facts *f = &h->iface[k].f;
    for (unsigned i = 0; s != NULL && i < s->naddrs; i++)
        if (s->addr[i].addr == f->addr && h->o.iface[k].plen > 32 && s->addr[i].plen <= 32)
            h->o.iface[k].plen = s->addr[i].plen;
    for (unsigned i = 0; s != NULL && i < s->naddrs; i++)
        if (s->addr[i].addr == f->addr && s->addr[i].mtu >= 68)
            f->mtu = s->addr[i].mtu;
}

int host_load(struct host *h, char *msg, size_t msg_size)
{
    bool sure[HOST_IFS] = {false};
    int status = EXIT_DONE;
    h->first_wall = INT64_MAX;
    for (unsigned n = 0; n < h->o.nfiles && status == EXIT_DONE; n++)
        status = feed_open(&h->feed[n], h->o.file[n], msg, msg_size);
    if (status == EXIT_DONE)
        name_interfaces(h);
    for (unsigned k = 0; k < h->o.nifs; k++) {
        struct facts *f = &h->iface[k].f;
        f->addr = h->o.iface[k].addr;
        f->mac = h->o.iface[k].mac;
        f->found = sure[k] = h->o.iface[k].has_mac;
        f->plen = 24;
        f->nseers = -1;
        f->soonest = TD_NEVER;
    }
    for (unsigned n = 0; n < h->o.nfiles && status == EXIT_DONE; n++)
        status = scan(h, n, see_mac, sure, msg, msg_size);
    for (unsigned k = 0; k < h->o.nifs && status == EXIT_DONE; k++) {
        struct facts *f = &h->iface[k].f;
        char a[16];
        format_ip4(f->addr, a);
        if (!f->found && f->sent_to) {
            f->mac = f->target;
            f->found = true;
        } else if (!f->found && f->passes) {
            f->mac = f->router;
            f->found = true;
            host_note(h,
                      "%s is taken to be the router: nothing is from or to it, but somebody there "
                      "passes on what is for elsewhere",
                      a);
        }
        if (f->captured && (!f->found || mac_is_multicast(f->mac) || mac_is_zero(f->mac))) {
            (void)snprintf(msg, msg_size,
                           "%s: no frame in it is from or to %s on an Ethernet: `replay FILE` "
                           "shows what there is, --mac MAC says which station it is",
                           h->feed[h->o.nfiles == h->o.nifs ? k : 0].name, a);
            status = EXIT_USAGE;
        }
    }
    for (unsigned n = 0; n < h->o.nfiles && status == EXIT_DONE; n++)
        status = scan(h, n, see_facts, sure, msg, msg_size);
    for (unsigned k = 0; k < h->o.nifs && status == EXIT_DONE; k++) {
        read_diary(h, k);
        facts_done(&h->iface[k].f, h->o.iface[k].plen);
    }
    if (status == EXIT_DONE)
        find_distance(h);
    for (unsigned n = 0; n < h->o.nfiles && status == EXIT_DONE; n++) {
        h->feed[n].reader = reader(&h->feed[n], msg, msg_size);
        status = h->feed[n].reader == NULL ? EXIT_USAGE : EXIT_DONE;
    }
    return status;
}

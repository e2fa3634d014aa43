/* replay/view.c: a captured packet as an Ethernet frame, and what its headers say (view.h). */
#include "replay/view.h"

#include <inttypes.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/checksum.h"
#include "wire/eth.h"
#include "wire/udp.h"

enum { /* link types, as files number them */
    LINK_NULL = 0,
    LINK_ETHERNET = 1,
    LINK_RAW_BSD = 12,
    LINK_RAW_OPENBSD = 14,
    LINK_RAW = 101,
    LINK_LOOP = 108,
    LINK_COOKED = 113,
    LINK_IPV4 = 228,
    LINK_IPV6 = 229,
    LINK_COOKED2 = 276,
};
enum { TYPE_IPV4 = 0x0800, TYPE_ARP = 0x0806, TYPE_VLAN = 0x8100, TYPE_IPV6 = 0x86dd, TYPE_QINQ = 0x88a8, TYPE_QINQ_OLD = 0x9100 };
#define ETHER 14u /* bytes of its header */

bool view_knows_link(uint16_t link)
{
    static const uint16_t known[] = {LINK_NULL, LINK_ETHERNET, LINK_RAW_BSD, LINK_RAW_OPENBSD, LINK_RAW,
                                     LINK_LOOP, LINK_COOKED,   LINK_IPV4,    LINK_IPV6,        LINK_COOKED2};
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
        if (known[i] == link)
            return true;
    return false;
}

void viewer_done(struct viewer *w)
{
    free(w->frame);
    *w = (struct viewer){0};
}

/* ---- the link layer ---- */

struct link { /* what stood before the network layer's packet */
    uint32_t hlen;
    uint16_t type;
    const uint8_t *src; /* a MAC address, or NULL */
    const uint8_t *dst;
};

/* The version in the first four bits tells. */
static uint16_t type_of_raw(const uint8_t *b, uint32_t n)
{
    if (n == 0)
        return 0;
    return b[0] >> 4 == 4 ? TYPE_IPV4 : b[0] >> 4 == 6 ? TYPE_IPV6 : 0;
}

/* BSD's address family, in either byte order (the capturing machine's): 2 is IPv4 everywhere,
 * IPv6 is 24, 28 or 30. */
static uint16_t type_of_family(const uint8_t *b)
{
    unsigned family = b[0] | b[3];
    return family == 2 ? TYPE_IPV4 : family == 24 || family == 28 || family == 30 || family == 10 ? TYPE_IPV6 : 0;
}

static enum view_result read_link(const struct capture_frame *f, struct link *l)
{
    const uint8_t *b = f->bytes;
    *l = (struct link){0};
    switch (f->link) {
    case LINK_ETHERNET:
        if (f->caplen < ETHER)
            return VIEW_SHORT;
        *l = (struct link){ETHER, wire_get16(b + 12), b + 6, b};
        return VIEW_OK;
    case LINK_RAW:
    case LINK_RAW_BSD:
    case LINK_RAW_OPENBSD:
    case LINK_IPV4:
    case LINK_IPV6:
        l->type = type_of_raw(b, f->caplen);
        return f->caplen == 0 ? VIEW_SHORT : VIEW_OK;
    case LINK_NULL:
    case LINK_LOOP:
        if (f->caplen < 4)
            return VIEW_SHORT;
        *l = (struct link){.hlen = 4, .type = type_of_family(b)};
        return VIEW_OK;
    case LINK_COOKED: /* kind, ARPHRD, length of the address, 8 bytes of it, protocol */
        if (f->caplen < 16)
            return VIEW_SHORT;
        *l = (struct link){16, wire_get16(b + 14), wire_get16(b + 4) == 6 ? b + 6 : NULL, NULL};
        return VIEW_OK;
    case LINK_COOKED2: /* protocol, 2, interface, ARPHRD, kind, length of the address, 8 bytes of it */
        if (f->caplen < 20)
            return VIEW_SHORT;
        *l = (struct link){20, wire_get16(b), b[11] == 6 ? b + 12 : NULL, NULL};
        return VIEW_OK;
    default:
        return VIEW_UNKNOWN_LINK;
    }
}

/* Takes tags off: moves *hlen behind them. */
static void strip_tags(const struct capture_frame *f, struct link *l, int *vlan)
{
    while ((l->type == TYPE_VLAN || l->type == TYPE_QINQ || l->type == TYPE_QINQ_OLD) && f->caplen - l->hlen >= 4) {
        if (*vlan < 0)
            *vlan = wire_get16(f->bytes + l->hlen) & 0xfff;
        l->type = wire_get16(f->bytes + l->hlen + 2);
        l->hlen += 4;
    }
}

static void made_up_mac(uint8_t mac[6], const uint8_t *ip)
{
    mac[0] = 2;
    mac[1] = 0;
    memcpy(mac + 2, ip, 4);
}

/* The Ethernet header of what had none, or only half of one. */
static void complete_link(const struct link *l, uint8_t *frame, const uint8_t *packet, uint32_t n)
{
    static const uint8_t group[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    bool ip = l->type == TYPE_IPV4 && n >= 20, arp = l->type == TYPE_ARP && n >= 28;
    if (l->dst != NULL)
        memcpy(frame, l->dst, 6);
    else if (ip && packet[16] < 224)
        made_up_mac(frame, packet + 16);
    else
        memcpy(frame, group, 6);
    if (l->src != NULL)
        memcpy(frame + 6, l->src, 6);
    else if (ip || arp)
        made_up_mac(frame + 6, packet + (ip ? 12 : 14));
    else
        made_up_mac(frame + 6, (const uint8_t[4]){0});
    wire_put16(frame + 12, l->type);
}

/* ---- what the headers say ---- */

static void addr4(uint8_t dst[16], td_ip4 a)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    memcpy(dst, mapped, 12);
    wire_put32(dst + 12, a);
}

/* The checksum over a TCP or UDP packet of n bytes at b, of which `kept` were captured. */
static enum view_sum sum_of(const struct view *v, const uint8_t *b, uint32_t n, uint32_t kept)
{
    uint32_t sum;
    if (kept < n)
        return SUM_UNKNOWN;
    if (v->net == VIEW_IPV4) {
        sum = checksum_pseudo(v->ip.src, v->ip.dst, v->proto, n);
    } else {
        uint8_t tail[8] = {0};
        wire_put32(tail, n);
        tail[7] = v->proto;
        sum = checksum_add(checksum_add(checksum_add(0, v->src, 16), v->dst, 16), tail, 8);
    }
    return checksum_finish(checksum_add(sum, b, n)) == 0 ? SUM_GOOD : SUM_BAD;
}

/* TCP or UDP: the n bytes of it at `at`. */
static void read_transport(struct view *v, uint32_t at, uint32_t n)
{
    const uint8_t *b = v->frame + at;
    uint32_t there = v->frame_len - v->filled, kept = there <= at ? 0 : there - at < n ? there - at : n;
    if (v->proto == IPPROTO_TCP && n >= 20 && kept >= 14) {
        v->sport = wire_get16(b);
        v->dport = wire_get16(b + 2);
        uint32_t hlen = (uint32_t)(b[12] >> 4) * 4;
        enum wire_status s = tcp_parse(&v->tcp, b, n);
        v->has_tcp = (s == WIRE_OK || s == WIRE_BAD_OPTION) && hlen <= n;
        v->text_at = at + hlen;
        v->text_len = v->has_tcp ? n - hlen : 0;
        v->text_kept = kept > hlen && v->has_tcp ? kept - hlen : 0;
        v->l4_sum = sum_of(v, b, n, kept);
    } else if (v->proto == IPPROTO_UDP && n >= UDP_HLEN && kept >= UDP_HLEN) {
        uint32_t length = wire_get16(b + 4);
        v->sport = wire_get16(b);
        v->dport = wire_get16(b + 2);
        length = length < UDP_HLEN || length > n ? n : length;
        v->text_at = at + UDP_HLEN;
        v->text_len = length - UDP_HLEN;
        v->text_kept = (kept < length ? kept : length) - UDP_HLEN;
        v->l4_sum = wire_get16(b + 6) == 0 && v->net == VIEW_IPV4 ? SUM_GOOD : sum_of(v, b, length, kept);
    } else if (v->proto == IPPROTO_ICMP && v->net == VIEW_IPV4) {
        v->l4_sum = kept < n ? SUM_UNKNOWN : checksum(b, n) == 0 ? SUM_GOOD : SUM_BAD;
    }
}

static void read_ipv4(struct view *v, uint32_t n)
{
    uint8_t h[60];
    const uint8_t *b = v->frame + ETHER;
    uint32_t hlen = n > 0 ? (uint32_t)(b[0] & 15) * 4 : 0;
    if (n < 20 || b[0] >> 4 != 4 || hlen < 20 || hlen > n)
        return;
    memcpy(h, b, hlen);
    v->ip_sum = v->frame_len - v->filled < ETHER + hlen ? SUM_UNKNOWN : checksum(h, hlen) == 0 ? SUM_GOOD : SUM_BAD;
    /* A super-segment says 0, or what fits into 16 bits; the rest is judged by the stack. */
    uint32_t total = wire_get16(h + 2);
    if (total < hlen || total > n)
        total = n;
    wire_put16(h + 2, total > 65535 ? 65535 : total);
    wire_put16(h + 10, 0);
    wire_put16(h + 10, checksum(h, hlen));
    if (ipv4_parse(&v->ip, h, total > 65535 ? 65535 : total) != WIRE_OK)
        return;
    v->net = VIEW_IPV4;
    v->proto = v->ip.proto;
    addr4(v->src, v->ip.src);
    addr4(v->dst, v->ip.dst);
    v->fragment = v->ip.frag_off > 0 || (v->ip.flags & IPV4_MF) != 0;
    if (!v->fragment)
        read_transport(v, ETHER + hlen, total - hlen);
}

static void read_ipv6(struct view *v, uint32_t n)
{
    const uint8_t *b = v->frame + ETHER;
    if (n < 40 || b[0] >> 4 != 6)
        return;
    v->net = VIEW_IPV6;
    memcpy(v->src, b + 8, 16);
    memcpy(v->dst, b + 24, 16);
    v->proto = b[6];
    uint32_t length = wire_get16(b + 4), room = n - 40;
    read_transport(v, ETHER + 40, length == 0 || length > room ? room : length);
}

int64_t view_wall(const struct capture_frame *f)
{
    const int64_t most = INT64_C(1) << 61;
    return f->wall > most ? most : f->wall < -most ? -most : f->wall;
}

enum view_result view_make(struct viewer *w, const struct capture_frame *f, uint64_t number, struct view *v)
{
    struct link l;
    *v = (struct view){.number = number, .wall = view_wall(f), .dir = f->dir, .iface = f->iface, .vlan = -1, .ip_sum = SUM_UNKNOWN, .l4_sum = SUM_UNKNOWN};
    enum view_result r = read_link(f, &l);
    if (r != VIEW_OK)
        return r;
    strip_tags(f, &l, &v->vlan);
    uint32_t kept = f->caplen - l.hlen, n = f->len - l.hlen;
    if (n > VIEW_FRAME_MAX - ETHER)
        return VIEW_SHORT;
    if (ETHER + n > w->room) {
        uint32_t room = ETHER + n < 2048 ? 2048 : ETHER + n;
        uint8_t *bigger = realloc(w->frame, room);
        if (bigger == NULL)
            return VIEW_NO_MEMORY;
        w->frame = bigger;
        w->room = room;
    }
    if (kept > 0)
        memcpy(w->frame + ETHER, f->bytes + l.hlen, kept);
    memset(w->frame + ETHER + kept, 0, n - kept);
    complete_link(&l, w->frame, w->frame + ETHER, kept);
    v->frame = w->frame;
    v->frame_len = ETHER + n;
    v->filled = n - kept;
    v->type = l.type;
    if (l.type == TYPE_ARP)
        v->net = VIEW_ARP;
    else if (l.type == TYPE_IPV4)
        read_ipv4(v, n);
    else if (l.type == TYPE_IPV6)
        read_ipv6(v, n);
    return VIEW_OK;
}

void view_none(const char *name, uint64_t packets, uint16_t link, char *msg, size_t msg_size)
{
    if (packets == 0)
        (void)snprintf(msg, msg_size, "%s: there is no packet in it", name);
    else if (view_knows_link(link))
        (void)snprintf(msg, msg_size, "%s: none of its %" PRIu64 " packets is whole enough for a header", name, packets);
    else
        (void)snprintf(msg, msg_size, "%s: link type %u can't be read: Ethernet (1), raw IP (12, 14, 101, 228, 229), "
                                      "Linux cooked (113, 276) and null or loopback (0, 108) can",
                       name, link);
}

void view_endpoint(const uint8_t addr[16], uint16_t port, char dst[64])
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    char text[INET6_ADDRSTRLEN];
    if (memcmp(addr, mapped, 12) == 0)
        (void)snprintf(dst, 64, "%u.%u.%u.%u:%u", addr[12], addr[13], addr[14], addr[15], port);
    else
        (void)snprintf(dst, 64, "[%s]:%u", inet_ntop(AF_INET6, addr, text, sizeof(text)) != NULL ? text : "?", port);
}

/* replay/host_facts.c: what a capture says of one of its hosts: its MAC address, netmask,
 * neighbours, gateway, ports (host.h).
 *
 * One pass over the packets, in which the first word counts: the first MAC address that ARP gives
 * for an IP address, the first that the host used for a destination. Tables have fixed sizes: what
 * comes later than they hold is not known before, which costs an ARP request.
 */
#include "replay/host_internal.h"

#include <string.h>

#include "wire/arp.h"
#include "wire/icmp.h"

#define ETHER 14u

static td_ip4 ip_at(const uint8_t *b)
{
    return wire_get32(b);
}

static struct td_mac mac_at(const uint8_t *b)
{
    struct td_mac m;
    memcpy(m.b, b, 6);
    return m;
}

bool bit_get(const uint8_t *bits, uint32_t i)
{
    return bits[i / 8] >> (i % 8) & 1;
}

static void bit_set(uint8_t *bits, uint32_t i)
{
    bits[i / 8] |= (uint8_t)(1u << (i % 8));
}

static bool arp_of(const struct view *v, struct arp_pkt *a)
{
    return v->net == VIEW_ARP && v->frame_len - v->filled >= ETHER + ARP_LEN &&
           arp_parse(a, v->frame + ETHER, v->frame_len - ETHER) == WIRE_OK;
}

static unsigned common(td_ip4 a, td_ip4 b)
{
    unsigned n = 0;
    while (n < 32 && ((a ^ b) & (UINT32_C(0x80000000) >> n)) == 0)
        n++;
    return n;
}

void facts_mac(struct facts *f, const struct view *v, bool *sure)
{
    struct arp_pkt a;
    if (v->frame_len < ETHER)
        return;
    struct td_mac src = mac_at(v->frame + 6), dst = mac_at(v->frame);
    if (*sure)
        return;
    if (arp_of(v, &a) && a.spa == f->addr) {
        f->mac = a.sha;
        f->found = *sure = true;
    } else if (v->net == VIEW_IPV4 && v->ip.src == f->addr && !f->found) {
        f->mac = src;
        f->found = true;
    } else if (v->net == VIEW_IPV4 && v->ip.dst == f->addr && !f->sent_to &&
               !mac_is_multicast(dst)) {
        f->target = dst; /* its own, or a router's that leads to it */
        f->sent_to = true;
    } else if (v->net == VIEW_IPV4 && !f->passes && !mac_is_multicast(dst)) {
        /* A router may never speak for itself: it is whom those on its link send to for elsewhere.
         */
        bool near_src = common(v->ip.src, f->addr) >= 24,
             near_dst = common(v->ip.dst, f->addr) >= 24;
        f->passes = near_src != near_dst;
        f->router = near_src ? dst : src;
    }
}

/* ---- tables ---- */

const struct station *facts_station(const struct facts *f, td_ip4 ip)
{
    for (unsigned i = 0; i < f->nstations; i++)
        if (f->station[i].ip == ip)
            return &f->station[i];
    return NULL;
}

bool facts_mac_of(const struct facts *f, td_ip4 ip, struct td_mac *mac)
{
    const struct station *s = facts_station(f, ip);
    if (s != NULL) {
        *mac = s->mac;
        return true;
    }
    for (unsigned i = 0; i < f->ndsts; i++) {
        if (f->dst[i].ip != ip)
            continue;
        *mac = f->dst[i].mac;
        return true;
    }
    return false;
}

bool facts_gone(const struct facts *f, td_ip4 ip)
{
    for (unsigned i = 0; i < f->ngone; i++)
        if (f->gone[i] == ip)
            return true;
    return false;
}

static void station_add(struct facts *f, td_ip4 ip, struct td_mac mac, uint64_t arp_at)
{
    struct station *s = (struct station *)(uintptr_t)facts_station(f, ip);
    if (s != NULL) {
        if (s->arp_at == 0)
            s->arp_at = arp_at;
        return;
    }
    if (ip != 0 && f->nstations < HOSTS_MAX && !mac_is_multicast(mac))
        f->station[f->nstations++] = (struct station){.ip = ip, .mac = mac, .arp_at = arp_at};
}

static void destination_add(struct facts *f, td_ip4 ip, struct td_mac mac, uint64_t at)
{
    struct destination *d = NULL;
    for (unsigned i = 0; i < f->ndsts && d == NULL; i++)
        if (f->dst[i].ip == ip)
            d = &f->dst[i];
    if (d == NULL && f->ndsts < HOSTS_MAX) {
        f->dst[f->ndsts++] = (struct destination){.ip = ip, .mac = mac, .at = at};
    } else if (d != NULL && !mac_eq(d->mac, mac)) {
        /* Another way since: did a redirect say so? Then this is the MAC address of the gateway
         * that it named. */
        for (unsigned i = 0; i < f->nredirects; i++)
            if (f->redirect[i].dst == ip) {
                f->redirected = true;
                station_add(f, f->redirect[i].via, mac, 0);
            }
    }
}

/* It is on this link: so long a netmask can't leave it out. */
static void on_link(struct facts *f, td_ip4 ip)
{
    unsigned n = common(f->addr, ip);
    if (ip != 0 && !ip4_is_loopback(ip) && n >= 8 && n < f->plen)
        f->plen = (uint8_t)n;
}

static bool ours(const struct facts *f, struct td_mac m)
{
    return f->found && mac_eq(m, f->mac);
}

/* Who captured? Whoever each unicast frame comes from or goes to. */
static void see_seer(struct facts *f, const struct view *v, struct td_mac dst, struct td_mac src)
{
    if (mac_is_multicast(dst)) {
        if (v->dir != CAPTURE_OUT)
            return;
        dst = src;
    }
    if (v->dir != CAPTURE_UNKNOWN) {
        f->seer[0] = v->dir == CAPTURE_OUT ? src : dst;
        f->nseers = 1;
        return;
    }
    if (f->nseers < 0) {
        f->seer[0] = src;
        f->seer[1] = dst;
        f->nseers = 2;
        return;
    }
    int n = 0;
    for (int i = 0; i < f->nseers; i++)
        if (mac_eq(f->seer[i], src) || mac_eq(f->seer[i], dst))
            f->seer[n++] = f->seer[i];
    f->nseers = n;
}

/* ---- packets ---- */

static void see_arp(struct facts *f, const struct view *v)
{
    struct arp_pkt a;
    f->arp = true;
    if (!arp_of(v, &a))
        return;
    if (ours(f, a.sha)) {
        if (!f->spoke && !f->asked && a.op == ARP_REQUEST && a.spa == a.tpa && a.spa == f->addr)
            f->announced_first = true;
        f->spoke = true;
        if (a.spa == f->addr && a.op == ARP_REQUEST)
            on_link(f, a.tpa);
    } else {
        f->asked |= a.tpa == f->addr;
        station_add(f, a.spa, a.sha, v->number);
        if (a.op == ARP_REQUEST && a.tpa == f->addr)
            on_link(f, a.spa);
    }
}

bool quote_read(struct quote *q, const struct view *v)
{
    uint32_t at = ETHER + v->ip.hlen, there = v->frame_len - v->filled;
    if (v->net != VIEW_IPV4 || v->fragment || v->proto != IPPROTO_ICMP_ || there < at + 8 ||
        !icmp_is_error(v->frame[at]))
        return false;
    const uint8_t *b = v->frame + at + 8;
    uint32_t n = there - (at + 8), hlen = n > 0 ? (b[0] & 15u) * 4 : 0;
    if (n < IPV4_HLEN || hlen < IPV4_HLEN || b[0] >> 4 != 4)
        return false;
    *q = (struct quote){.type = v->frame[at],
                        .code = v->frame[at + 1],
                        .proto = b[9],
                        .src = ip_at(b + 12),
                        .dst = ip_at(b + 16)};
    if (n >= hlen + 4) {
        q->sport = wire_get16(b + hlen);
        q->dport = wire_get16(b + hlen + 2);
    }
    return true;
}

uint32_t facts_tcp_bit(td_ip4 a, uint16_t ap, td_ip4 b, uint16_t bp)
{
    uint64_t one = (uint64_t)a << 16 | ap, other = (uint64_t)b << 16 | bp;
    uint64_t x = one * UINT64_C(0x9e3779b97f4a7c15) +
                 other * UINT64_C(0x9e3779b97f4a7c15); /* either way the same */
    return (uint32_t)(x >> 32) % TCP_BITS;
}

static uint32_t echo_name(const struct view *v)
{
    return wire_get32(v->frame + ETHER + v->ip.hlen + 4);
}

static uint8_t icmp_type(const struct view *v) /* 255: it is none, or a fragment */
{
    uint32_t at = ETHER + v->ip.hlen;
    bool icmp = v->net == VIEW_IPV4 && !v->fragment && v->proto == IPPROTO_ICMP_;
    return icmp && v->frame_len >= at + 8 ? v->frame[at] : 255;
}

/* What it must answer by itself: the ends and numbers of it. 0: it needn't. */
static uint32_t question_name(const struct view *v)
{
    if (icmp_type(v) == ICMP_ECHO)
        return echo_name(v);
    return v->proto == IPPROTO_UDP_ && !v->fragment ? ((uint32_t)v->sport << 16 | v->dport) : 0;
}

/* How soon it answers, and with which TTL what it sends by itself is seen here. */
static void see_question(struct facts *f, const struct view *v)
{
    uint32_t name = question_name(v);
    if (name == 0 || v->ip.dst != f->addr)
        return;
    f->echo[f->nechos % 8].name = name;
    f->echo[f->nechos++ % 8].wall = v->wall;
}

static void see_answer(struct facts *f, const struct view *v)
{
    struct quote q;
    uint8_t type = icmp_type(v);
    uint32_t name = 0;
    if (v->ip.src != f->addr || (type != ICMP_ECHO_REPLY && !icmp_is_error(type)))
        return;
    if (type == ICMP_ECHO_REPLY)
        name = echo_name(v);
    else if (quote_read(&q, v) && q.type == ICMP_UNREACHABLE && q.code == ICMP_PORT_UNREACH)
        name = (uint32_t)q.sport << 16 | q.dport;
    f->ttl = v->ip.ttl > f->ttl ? v->ip.ttl : f->ttl;
    for (unsigned i = 0; i < 8 && i < f->nechos; i++)
        if (f->echo[i].name == name && name != 0 && v->wall >= f->echo[i].wall &&
            (td_time)(v->wall - f->echo[i].wall) < f->soonest)
            f->soonest = (td_time)(v->wall - f->echo[i].wall);
}

static void see_sent(struct facts *f, struct ports *p, const struct view *v, struct td_mac dst)
{
    struct quote q;
    f->spoke = true;
    see_answer(f, v);
    if (!mac_is_multicast(dst))
        destination_add(f, v->ip.dst, dst, v->number);
    if ((v->ip.flags & IPV4_MF) && v->ip.total_len > f->mtu)
        f->mtu = v->ip.total_len;
    if (v->proto == IPPROTO_UDP_ && !v->fragment && v->ip.src == f->addr)
        bit_set(p->sent, v->sport);
    if (v->has_tcp && v->ip.src == f->addr && (v->tcp.flags & TCP_RST) == 0)
        bit_set(p->tcp, facts_tcp_bit(v->ip.src, v->sport, v->ip.dst, v->dport));
    if (!quote_read(&q, v))
        return;
    if (q.type == ICMP_UNREACHABLE && q.code == ICMP_PORT_UNREACH && q.proto == IPPROTO_UDP_)
        bit_set(p->refused, q.dport);
    if (q.type == ICMP_UNREACHABLE && q.code == ICMP_HOST_UNREACH && !facts_gone(f, q.dst) &&
        f->ngone < 64)
        f->gone[f->ngone++] = q.dst;
}

static void see_heard(struct facts *f, const struct view *v, struct td_mac src, struct td_mac dst)
{
    struct quote q;
    if (common(v->ip.src, f->addr) >= 24) /* a neighbour, whatever the netmask is */
        station_add(f, v->ip.src, src, 0);
    f->asked |= v->ip.dst == f->addr;
    see_question(f, v);
    if (ours(f, dst) && quote_read(&q, v) && q.type == ICMP_REDIRECT && f->nredirects < 16) {
        f->redirect[f->nredirects].dst = q.dst;
        f->redirect[f->nredirects++].via = ip_at(v->frame + ETHER + v->ip.hlen + 4);
    }
}

void facts_see(struct facts *f, struct ports *p, const struct view *v)
{
    if (v->frame_len < ETHER)
        return;
    struct td_mac dst = mac_at(v->frame), src = mac_at(v->frame + 6);
    see_seer(f, v, dst, src);
    if (v->net == VIEW_IPV4 && v->proto != IPPROTO_TCP_ && v->ip.total_len > 1500 &&
        v->ip.total_len > f->mtu)
        f->mtu = v->ip.total_len;
    if (v->net == VIEW_ARP)
        see_arp(f, v);
    else if (v->net == VIEW_IPV4 && ours(f, src))
        see_sent(f, p, v, dst);
    else if (v->net == VIEW_IPV4)
        see_heard(f, v, src, dst);
}

/* Stations that only sent, and what was sent to them: neighbours if they are within the netmask. */
void facts_done(struct facts *f, uint8_t plen)
{
    if (plen <= 32)
        f->plen = plen;
    unsigned n = 0;
    for (unsigned i = 0; i < f->nstations; i++)
        if (f->station[i].arp_at != 0 || common(f->station[i].ip, f->addr) >= f->plen)
            f->station[n++] = f->station[i];
    f->nstations = n;
    for (unsigned i = 0; i < f->ndsts; i++)
        if (common(f->dst[i].ip, f->addr) >= f->plen)
            station_add(f, f->dst[i].ip, f->dst[i].mac, 0);
}

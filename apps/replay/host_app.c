/* replay/host_app.c: what the played host's applications did, done again (host.h).
 *
 * What was captured of the host's own is looked at as it left: an echo request is a ping's, a UDP
 * datagram a socket's. The same socket sends it again, with the same TTL, type of service and
 * don't-fragment bit. Fragments are put together first, from those that lie ahead. Where the stack
 * refuses (a source that it hasn't, no route) the bytes are sent as they are: what isn't the
 * subject must not stand in its way.
 */
#include "replay/host_internal.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "arp/arp.h"
#include "common/parse.h"
#include "ip/ip.h"
#include "wire/arp.h"
#include "wire/checksum.h"
#include "wire/icmp.h"
#include "wire/udp.h"

#define ETHER 14u

/* ---- sockets ---- */

static struct port *port_find(struct host *h, enum socket_kind kind, uint16_t port)
{
    for (unsigned i = 0; i < h->nports; i++)
        if (h->port[i].kind == kind && h->port[i].port == port)
            return &h->port[i];
    return NULL;
}

static void port_close(struct host *h, struct port *p)
{
    (void)td_close(h->st, p->handle);
    *p = h->port[--h->nports];
}

/* A socket bound to the port; the one that rested longest makes room. NULL: the stack has none. */
static struct port *port_open(struct host *h, enum socket_kind kind, uint16_t port)
{
    struct port *p = port_find(h, kind, port);
    int on = 1;
    if (p == NULL) {
        if (h->nports == PORTS_MAX) {
            struct port *oldest = &h->port[0];
            for (unsigned i = 1; i < h->nports; i++)
                if (h->port[i].used < oldest->used)
                    oldest = &h->port[i];
            port_close(h, oldest);
        }
        struct sockaddr_in sa = td_sockaddr(0, port);
        int s =
            td_socket(h->st, AF_INET, SOCK_DGRAM, kind == SOCKET_PING ? IPPROTO_ICMP : IPPROTO_UDP);
        if (s < 0)
            return NULL;
        (void)td_setsockopt(h->st, s, SOL_SOCKET, SO_BROADCAST, &on, sizeof(on));
        if (port == 0 || td_bind(h->st, s, (struct sockaddr *)&sa, sizeof(sa)) != 0) {
            (void)td_close(h->st, s);
            return NULL;
        }
        p = &h->port[h->nports++];
        *p = (struct port){.kind = kind, .port = port, .handle = s};
    }
    p->used = ++h->uses;
    return p;
}

void app_read(struct host *h)
{
    uint8_t byte[4];
    for (unsigned i = 0; i < h->nports; i++)
        for (int n = 0; n < 64; n++) {
            int64_t got = td_recv(h->st, h->port[i].handle, byte, sizeof(byte), 0);
            if (got == -EAGAIN)
                break; /* else a datagram, or an error that was waiting */
        }
}

/* Is this datagram reported as one for a port where nobody listens? */
static bool refused_ahead(struct host *h, const struct view *v)
{
    struct quote q;
    for (unsigned i = 0; i < LOOK_NEAR && host_look_item(h, i) != NULL; i++) {
        const struct item *it = host_look_item(h, i);
        if (it->out && it->v.proto == IPPROTO_UDP_ && it->v.sport == v->dport)
            return false; /* somebody is there still */
        if (it->out && quote_read(&q, &it->v) && q.type == ICMP_UNREACHABLE &&
            q.code == ICMP_PORT_UNREACH && q.proto == IPPROTO_UDP_ && q.src == v->ip.src &&
            q.sport == v->sport && q.dport == v->dport)
            return true;
    }
    return false;
}

void app_before(struct host *h, const struct item *it)
{
    const struct view *v = &it->v;
    if (v->net != VIEW_IPV4 || v->fragment || v->proto != IPPROTO_UDP_ || v->dport == 0)
        return;
    bool sends = bit_get(h->ports->sent, v->dport), refuses = bit_get(h->ports->refused, v->dport);
    struct port *p = port_find(h, SOCKET_UDP, v->dport);
    if (refuses && refused_ahead(h, v)) {
        if (p != NULL)
            port_close(h, p);
    } else if (p == NULL && (sends || ip_is_local(h->st, v->ip.dst))) {
        (void)port_open(h, SOCKET_UDP, v->dport);
    }
}

static void control(struct msghdr *m, uint8_t *room, int type, const void *value, size_t n)
{
    struct cmsghdr c = {.cmsg_len = CMSG_LEN(n), .cmsg_level = IPPROTO_IP, .cmsg_type = type};
    memcpy(room + m->msg_controllen, &c, sizeof(c));
    memcpy(room + m->msg_controllen + CMSG_LEN(0), value, n);
    m->msg_controllen += CMSG_SPACE(n);
}

static int64_t socket_send(struct host *h, const struct item *it, const struct cause_of *c)
{
    bool ping = c->cause == CAUSE_PING;
    const uint8_t *text = ping ? c->payload : c->payload + UDP_HLEN;
    size_t n = ping ? c->n : c->n - UDP_HLEN;
    struct port *p =
        port_open(h, ping ? SOCKET_PING : SOCKET_UDP, wire_get16(c->payload + (ping ? 4 : 0)));
    if (p == NULL)
        return -EADDRINUSE;
    int discover = c->ip.flags & IPV4_DF ? IP_PMTUDISC_DO : IP_PMTUDISC_DONT, ttl = c->ip.ttl,
        tos = c->ip.tos;
    (void)td_setsockopt(h->st, p->handle, IPPROTO_IP, IP_MTU_DISCOVER, &discover, sizeof(discover));
    struct sockaddr_in to = td_sockaddr(c->ip.dst, ping ? 0 : wire_get16(c->payload + 2));
    struct in_pktinfo info = {.ipi_ifindex = 0};
    uint8_t room[256] = {0};
    struct iovec v = {(void *)(uintptr_t)text, n};
    struct msghdr m = {.msg_name = &to,
                       .msg_namelen = sizeof(to),
                       .msg_iov = &v,
                       .msg_iovlen = 1,
                       .msg_control = room};
    info.ipi_spec_dst = td_sockaddr(c->ip.src, 0).sin_addr;
    if (ip4_is_multicast(c->ip.dst) || c->ip.dst == TD_IP4_BROADCAST)
        info.ipi_ifindex = (int)h->iface[it->iface].index;
    control(&m, room, IP_PKTINFO, &info, sizeof(info));
    if (ttl > 0)
        control(&m, room, IP_TTL, &ttl, sizeof(ttl));
    control(&m, room, IP_TOS, &tos, sizeof(tos));
    return td_sendmsg(h->st, p->handle, &m, 0);
}

/* ---- what made it ---- */

static bool part_of(const struct item *it, const struct view *v)
{
    const struct view *w = &it->v;
    return it->out && w->net == VIEW_IPV4 && w->fragment && w->ip.src == v->ip.src &&
           w->ip.dst == v->ip.dst && w->ip.id == v->ip.id && w->ip.proto == v->ip.proto;
}

/* A fragment's octets into the datagram; *end: the datagram's, where it is known. */
static void take_part(struct host *h, struct cause_of *c, struct item *it, uint32_t *end,
                      uint32_t *got)
{
    const struct view *v = &it->v;
    uint32_t n = (uint32_t)v->ip.total_len - v->ip.hlen, at = v->ip.frag_off;
    if (at + n > sizeof(h->bytes))
        return;
    memcpy(h->bytes + at, v->frame + ETHER + v->ip.hlen, n);
    *got += n;
    if (at == 0)
        c->ip = v->ip;
    if ((v->ip.flags & IPV4_MF) == 0)
        *end = at + n;
}

static void gather(struct host *h, struct item *it, struct cause_of *c)
{
    const struct view *v = &it->v;
    uint32_t end = 0, got = 0;
    if (!v->fragment) {
        c->ip = v->ip;
        c->n = (uint32_t)v->ip.total_len - v->ip.hlen;
        c->whole = c->n <= sizeof(h->bytes);
        if (c->whole)
            memcpy(h->bytes, v->frame + ETHER + v->ip.hlen, c->n);
    } else {
        memset(h->bytes, 0, sizeof(h->bytes));
        take_part(h, c, it, &end, &got);
        for (unsigned i = 0; i < LOOK_NEAR && host_look_item(h, i) != NULL; i++)
            if (part_of(host_look_item(h, i), v))
                take_part(h, c, host_look_item(h, i), &end, &got);
        c->n = end;
        c->whole = c->ip.hlen > 0 && end > 0 && got == end;
    }
    c->payload = h->bytes;
}

static enum cause cause_of(struct host *h, const struct cause_of *c)
{
    if (c->ip.src == 0)
        return CAUSE_FRAME;
    if (c->ip.proto == IPPROTO_ICMP_ && c->n >= ICMP_HLEN) {
        uint8_t type = c->payload[0];
        if (type == ICMP_ECHO && c->payload[1] == 0)
            return CAUSE_PING;
        return type == ICMP_ECHO_REPLY || type == ICMP_TIMESTAMP_REPLY || icmp_is_error(type)
                   ? CAUSE_STACK
                   : CAUSE_RAW;
    }
    if (c->ip.proto == IPPROTO_UDP_ && c->n >= UDP_HLEN)
        return CAUSE_UDP;
    if (c->ip.proto == IPPROTO_TCP_ && c->n >= 20 &&
        !bit_get(h->ports->tcp, facts_tcp_bit(c->ip.src, wire_get16(c->payload), c->ip.dst,
                                              wire_get16(c->payload + 2))))
        return CAUSE_STACK; /* a RST for a port where nobody listens */
    return CAUSE_RAW;
}

/* Something that came in where nobody captured, and was passed on to where somebody did. */
static bool came_from_elsewhere(struct host *h, const struct item *it, struct text *why)
{
    unsigned k = 0;
    while (k < h->o.nifs && (h->iface[k].f.captured || k == it->iface))
        k++;
    uint32_t n = it->v.frame_len;
    if (k == h->o.nifs || n > sizeof(h->bytes) || it->v.ip.ttl == 255)
        return false;
    struct eth_hdr e = {.dst = h->iface[k].f.mac, .type = ETHERTYPE_IPV4, .hlen = ETH_HLEN};
    e.src = (struct td_mac){{2, 0}};
    wire_put32(e.src.b + 2, it->v.ip.src);
    memcpy(h->bytes, it->v.frame, n);
    (void)eth_emit(&e, h->bytes);
    h->bytes[ETHER + 8]++;
    wire_put16(h->bytes + ETHER + 10, 0);
    wire_put16(h->bytes + ETHER + 10,
               checksum_finish(checksum_add(0, h->bytes + ETHER, it->v.ip.hlen)));
    h->sum.assumed++;
    text_printf(why, "it must have come in on %s, where nobody captured\n", h->iface[k].name);
    (void)td_stack_input_bytes(h->st, h->iface[k].index, h->bytes, n, td_stack_now(h->st));
    return true;
}

bool app_send(struct host *h, struct item *it, struct text *why)
{
    struct cause_of c = {.cause = CAUSE_NONE};
    const struct view *v = &it->v;
    it->done = true;
    if (v->net != VIEW_IPV4) {
        c.cause = CAUSE_FRAME;
    } else if (v->ip.src != 0 && !ip_is_local(h->st, v->ip.src)) {
        return came_from_elsewhere(h, it, why);
    } else {
        gather(h, it, &c);
        const struct netif *nif = netif_by_index(h->st, h->iface[it->iface].index);
        if (!c.whole || (v->fragment && nif != NULL && c.ip.hlen + c.n <= nif->mtu)) {
            text_puts(
                why, c.whole
                         ? "it would have fitted whole: somebody made these pieces\n"
                         : "a datagram that isn't whole in the capture, or whose pieces overlap\n");
            c.cause = CAUSE_FRAME;
        } else {
            c.cause = cause_of(h, &c);
        }
    }
    for (unsigned i = 0;
         v->fragment && c.cause != CAUSE_FRAME && i < LOOK_NEAR && host_look_item(h, i) != NULL;
         i++)
        host_look_item(h, i)->done |= part_of(host_look_item(h, i), v); /* the whole is sent now */
    if (c.cause == CAUSE_STACK)
        return false;
    int64_t done = -1;
    if (c.cause == CAUSE_PING || c.cause == CAUSE_UDP)
        done = socket_send(h, it, &c);
    if (done >= 0) {
        text_printf(why, "an application's: a %s sends it again\n",
                    c.cause == CAUSE_PING ? "ping socket" : "UDP socket");
        return true;
    }
    if (c.cause != CAUSE_FRAME) {
        struct td_datagram d = {.src = c.ip.src,
                                .dst = c.ip.dst,
                                .proto = c.ip.proto,
                                .tos = c.ip.tos,
                                .ttl = c.ip.ttl,
                                .dont_fragment = (c.ip.flags & IPV4_DF) != 0};
        if (ip4_is_multicast(c.ip.dst) || c.ip.dst == TD_IP4_BROADCAST)
            d.ifindex = h->iface[it->iface].index;
        done = td_send_datagram(h->st, &d, h->bytes, c.n);
        if (done >= 0)
            text_puts(why, c.ip.proto == IPPROTO_TCP_
                               ? "TCP, which isn't played here: sent with these bytes\n"
                               : "an application's: sent again with these bytes\n");
    }
    if (done < 0) {
        struct eth_hdr e;
        text_puts(why, "sent as the frame that it is: ");
        text_puts(why, c.cause == CAUSE_FRAME ? "no socket sends this\n"
                                              : "the stack refuses it as a datagram\n");
        if (eth_parse(&e, v->frame, v->frame_len) == WIRE_OK)
            (void)td_send_frame(h->st, h->iface[it->iface].index, e.dst, e.type, v->frame + ETHER,
                                v->frame_len - ETHER);
    }
    return true;
}

/* ---- ARP ---- */

/* What waits for the answer: the first of the host's own that goes to this neighbour. */
static struct item *waits_for(struct host *h, const struct item *it, td_ip4 target)
{
    const struct station *s = facts_station(&h->iface[it->iface].f, target);
    for (unsigned i = 0; host_look_item(h, i) != NULL; i++) {
        struct item *x = host_look_item(h, i);
        if (!x->out || x->done || x->iface != it->iface || x->v.net != VIEW_IPV4 ||
            !ip_is_local(h->st, x->v.ip.src))
            continue;
        if (x->v.ip.dst == target || (s != NULL && memcmp(x->v.frame, s->mac.b, 6) == 0))
            return x;
    }
    return NULL;
}

static void send_frame(struct host *h, const struct item *it, const char *why_text,
                       struct text *why)
{
    struct td_mac dst;
    memcpy(dst.b, it->v.frame, 6);
    text_puts(why, why_text);
    (void)td_send_frame(h->st, h->iface[it->iface].index, dst, it->v.type, it->v.frame + ETHER,
                        it->v.frame_len - ETHER);
}

void app_arp(struct host *h, struct item *it, struct text *why)
{
    struct host_if *i = &h->iface[it->iface];
    struct netif *nif = netif_by_index(h->st, i->index);
    struct arp_pkt a;
    bool everybody = it->v.frame[0] & 1;
    it->done = true;
    if (arp_parse(&a, it->v.frame + ETHER, it->v.frame_len - ETHER) != WIRE_OK) {
        send_frame(h, it, "no ARP that the stack would send: sent as it is\n", why);
    } else if (a.spa == a.tpa && a.op == ARP_REQUEST && !ip_is_local(h->st, a.spa)) {
        text_puts(why, "an address is added, and announced\n");
        if (a.spa == i->f.addr)
            host_address(h, it->iface);
        else if (h->nadded++ < ADDED_MAX)
            (void)td_addr_add(h->st, i->index, a.spa, 32);
    } else if (a.spa == a.tpa || (a.op == ARP_REPLY && everybody)) {
        send_frame(h, it, "announced by somebody's command (`arping`), so sent as it is\n", why);
    } else if (a.op == ARP_REQUEST && a.spa != 0 && everybody && nif != NULL &&
               neigh_lookup(h->st, nif, a.tpa, NULL) != NEIGH_INCOMPLETE) {
        struct item *x = waits_for(h, it, a.tpa);
        if (x != NULL) {
            struct text cause = {0};
            text_printf(why, "asked because of packet %llu, which waits for the answer\n",
                        (unsigned long long)x->v.number);
            (void)app_send(h, x, &cause);
            text_free(&cause);
        } else if (facts_station(&i->f, a.tpa) == NULL) {
            struct td_datagram d = {.dst = a.tpa, .proto = 253 /* for experiments: RFC 3692 */};
            text_puts(why, "nobody ever answers: something is sent there that waits in vain\n");
            (void)td_send_datagram(h->st, &d, NULL, 0);
        } else {
            send_frame(h, it,
                       "nothing in the capture waits for the answer: sent as `arping` would\n",
                       why);
        }
    }
}

/* RFC 5227 2.1.1: the first probe comes a random time of up to a second after the address was
 * added. The one that the stack is going to draw is looked up, and the address added so much before
 * the captured probe; where that would be before the last thing that happened, more entropy gives
 * another draw. */
void app_probe(struct host *h, struct item *it)
{
    struct host_if *i = &h->iface[it->iface];
    struct arp_pkt a;
    char knob[64];
    if (!it->out || it->v.net != VIEW_ARP ||
        arp_parse(&a, it->v.frame + ETHER, it->v.frame_len - ETHER) != WIRE_OK ||
        a.op != ARP_REQUEST || a.spa != 0 || i->probing == a.tpa || h->nadded >= ADDED_MAX ||
        ip_is_local(h->st, a.tpa))
        return;
    td_time probe = HOST_START + it->at;
    i->probing = a.tpa;
    h->nadded++;
    (void)snprintf(knob, sizeof(knob), "net.ipv4.conf.%s.arp_acd", i->name);
    (void)td_knob_set(h->st, knob, "1");
    for (uint8_t n = 0; n < 64; n++) {
        struct rng then = h->st->rng;
        td_time wait = rng_below(&then, (uint32_t)TD_SEC + 1);
        if (wait <= probe && probe - wait >= td_stack_now(h->st)) {
            host_run(h, probe - wait, false);
            then = h->st->rng;
            if (rng_below(&then, (uint32_t)TD_SEC + 1) == wait)
                break;
        }
        td_stack_entropy(h->st, &n, 1);
    }
    (void)td_addr_add(h->st, i->index, a.tpa, i->f.plen);
    host_settle(h);
}

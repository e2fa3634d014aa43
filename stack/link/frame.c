/* link/frame.c: what a frame is (link/frame.h).
 *
 * Theory of operation. The first bytes of the frame, as many as an Ethernet, an IP and a TCP header
 * can have, are copied to the stack and parsed there by wire/: frames may be made of slices, and
 * here they are only looked at. IPv6 is understood as far as its fixed header goes, because the
 * wires of apps/ carry it for others.
 */
#include "link/frame.h"

#include "wire/checksum.h"
#include "wire/eth.h"
#include "wire/ipv4.h"
#include "wire/tcp.h"
#include "wire/udp.h"

#include <string.h>

#define ETH_MAX  26
#define IP6_HLEN 40
#define LOOK     (ETH_MAX + IPV4_MAX_HLEN + TCP_MAX_HLEN)

#define ECN_MASK 3U
#define ECN_CE   3U

struct look {
    uint8_t b[LOOK];
    uint32_t n; /* bytes of b that are the frame's */
    struct eth_hdr eth;
    bool ip4, ip6;
    struct ipv4_hdr ip; /* of ip4 */
    const uint8_t *l4;  /* NULL: none (not IP, a later fragment) */
    uint32_t l4_len;    /* bytes of it in the frame */
    uint32_t l4_seen;   /* of them in b */
    uint8_t proto;
};

/* False: not even Ethernet. */
static bool look_at(struct look *k, const struct pkt *p)
{
    uint32_t l3, rest;

    memset(k, 0, sizeof *k);
    k->n = p->len < LOOK ? p->len : LOOK;
    if (!pkt_read(p, 0, k->b, k->n) || eth_parse(&k->eth, k->b, k->n) != WIRE_OK)
        return false;
    l3 = k->eth.hlen;
    rest = p->len - l3;
    if (k->eth.type == ETHERTYPE_IPV4 && rest >= IPV4_HLEN &&
        ipv4_parse(&k->ip, k->b + l3, rest) == WIRE_OK) {
        k->ip4 = true;
        k->proto = k->ip.proto;
        if (k->ip.frag_off == 0) {
            k->l4 = k->b + l3 + k->ip.hlen;
            k->l4_len = (uint32_t)k->ip.total_len - k->ip.hlen;
        }
    } else if (k->eth.type == ETHERTYPE_IPV6 && rest >= IP6_HLEN && k->b[l3] >> 4 == 6) {
        uint32_t len = wire_get16(k->b + l3 + 4);

        k->ip6 = true;
        k->proto = k->b[l3 + 6];
        k->l4 = k->b + l3 + IP6_HLEN;
        k->l4_len = len < rest - IP6_HLEN ? len : rest - IP6_HLEN;
    }
    if (k->l4 != NULL) {
        uint32_t off = (uint32_t)(k->l4 - k->b);

        k->l4_seen = k->n > off ? k->n - off : 0;
        if (k->l4_seen > k->l4_len)
            k->l4_seen = k->l4_len;
    }
    return true;
}

static uint32_t tcp_kinds(const struct look *k)
{
    struct tcp_hdr t;
    uint32_t kinds = TD_KIND_TCP, flags;

    /* An illegal option is the receiver's business: the fields before it are there. */
    if (k->l4_seen < TCP_HLEN || tcp_parse(&t, k->l4, k->l4_len) == WIRE_BAD_LENGTH)
        return kinds;
    flags = t.flags;
    if ((flags & TCP_SYN) != 0)
        kinds |= (flags & TCP_ACK) != 0 ? TD_KIND_SYN_ACK : TD_KIND_SYN;
    if ((flags & TCP_FIN) != 0)
        kinds |= TD_KIND_FIN;
    if ((flags & TCP_RST) != 0)
        kinds |= TD_KIND_RST;
    if (k->l4_len > t.hlen)
        kinds |= TD_KIND_DATA;
    else if ((flags & (TCP_SYN | TCP_FIN | TCP_RST | TCP_ACK)) == TCP_ACK)
        kinds |= TD_KIND_ACK;
    return kinds;
}

static uint32_t look_ecn(const struct look *k)
{
    uint32_t l3 = k->eth.hlen;

    if (k->ip4)
        return k->ip.tos & ECN_MASK;
    return k->ip6 ? (k->b[l3 + 1] >> 4) & ECN_MASK : 0;
}

uint32_t frame_kinds(const struct pkt *p)
{
    struct look k;
    uint32_t kinds = 0;

    if (!look_at(&k, p))
        return 0;
    if (k.eth.type == ETHERTYPE_ARP)
        return TD_KIND_ARP;
    if (!k.ip4 && !k.ip6)
        return 0;
    kinds |= k.ip4 ? TD_KIND_IP : TD_KIND_IP6;
    if (k.ip4 && (k.ip.frag_off != 0 || (k.ip.flags & IPV4_MF) != 0))
        kinds |= TD_KIND_FRAGMENT;
    if (look_ecn(&k) == ECN_CE)
        kinds |= TD_KIND_CE;
    if (k.ip4 && k.proto == IPPROTO_ICMP_)
        kinds |= TD_KIND_ICMP;
    if (k.proto == IPPROTO_UDP_)
        kinds |= TD_KIND_UDP | (k.l4 != NULL && k.l4_len > UDP_HLEN ? TD_KIND_DATA : 0);
    if (k.proto == IPPROTO_TCP_)
        kinds |= k.l4 != NULL ? tcp_kinds(&k) : TD_KIND_TCP;
    return kinds;
}

uint64_t frame_flow(const struct pkt *p, const struct siphash_key *key)
{
    struct look k;
    uint8_t id[40] = {0};
    uint32_t l3;

    if (!look_at(&k, p))
        return 0;
    l3 = k.eth.hlen;
    if (k.ip4) {
        wire_put32(id, k.ip.src);
        wire_put32(id + 4, k.ip.dst);
    } else if (k.ip6) {
        memcpy(id, k.b + l3 + 8, 32);
    } else {
        memcpy(id, k.b, 12); /* both MAC addresses */
        wire_put16(id + 12, k.eth.type);
    }
    id[32] = k.proto;
    /* The ports of a fragment would set its first piece apart from the others. */
    if ((k.proto == IPPROTO_TCP_ || k.proto == IPPROTO_UDP_) && k.l4_seen >= 4 &&
        (!k.ip4 || (k.ip.flags & IPV4_MF) == 0))
        memcpy(id + 33, k.l4, 4);
    return siphash(key, id, sizeof id);
}

bool frame_mark_ce(struct pkt *p)
{
    struct look k;
    uint8_t *h;
    uint32_t ecn;

    if (!look_at(&k, p))
        return false;
    ecn = look_ecn(&k);
    if (ecn == 0 || ecn == ECN_CE)
        return ecn == ECN_CE;
    if (!pkt_may_pull(p, (uint32_t)k.eth.hlen + IPV4_HLEN))
        return false;
    h = p->data + k.eth.hlen; /* the head is private: pkt.h */
    if (k.ip4) {
        uint16_t before = wire_get16(h), after = before | ECN_CE;

        wire_put16(h, after);
        wire_put16(h + 10, checksum_update(wire_get16(h + 10), before, after));
    } else {
        h[1] |= ECN_CE << 4;
    }
    return true;
}

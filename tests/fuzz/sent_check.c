/* Checks of what a stack sends: see sent_check.h. */
#include "sent_check.h"
#include "fuzz.h"
#include "wire/checksum.h"

static void check_tcp(struct sent *s)
{
    FUZZ_CHECK(tcp_parse(&s->tcp, s->l4, s->l4_len) == WIRE_OK);
    const struct tcp_hdr *t = &s->tcp;
    s->data = s->l4 + t->hlen;
    s->data_len = s->l4_len - t->hlen;
    bool syn = (t->flags & TCP_SYN) != 0, rst = (t->flags & TCP_RST) != 0;
    FUZZ_CHECK(t->reserved == 0);
    FUZZ_CHECK(!(syn && rst));
    FUZZ_CHECK(!(syn && (t->flags & TCP_FIN) != 0));
    FUZZ_CHECK(syn || rst || (t->flags & TCP_ACK) != 0);
    FUZZ_CHECK((t->flags & TCP_ACK) != 0 || t->ack == 0);
    FUZZ_CHECK(t->o.unknown == 0);
    FUZZ_CHECK(syn || (!t->o.has_mss && !t->o.has_wscale && !t->o.has_sack_perm)); /* MUST-65 */
    FUZZ_CHECK(!t->o.has_wscale || t->o.wscale <= 14);
    FUZZ_CHECK(rst || (t->sport != 0 && t->dport != 0)); /* port 0 is a closed port: RST */
    FUZZ_CHECK(!ip4_is_multicast(s->ip.dst) && s->ip.dst != TD_IP4_BROADCAST && s->ip.dst != 0);
    for (unsigned i = 0; i < t->o.nsack; i++) {
        FUZZ_CHECK(seq_lt(t->o.sack[i].left, t->o.sack[i].right));
    }
}

static void check_transport(struct sent *s)
{
    uint32_t pseudo = checksum_pseudo(s->ip.src, s->ip.dst, s->ip.proto, (uint32_t)s->l4_len);
    switch (s->ip.proto) {
    case IPPROTO_TCP_:
        FUZZ_CHECK(checksum_finish(checksum_add(pseudo, s->l4, s->l4_len)) == 0);
        check_tcp(s);
        break;
    case IPPROTO_UDP_:
        FUZZ_CHECK(udp_parse(&s->udp, s->l4, s->l4_len) == WIRE_OK);
        FUZZ_CHECK(s->udp.length == s->l4_len);
        FUZZ_CHECK(s->udp.csum == 0 ||
                   checksum_finish(checksum_add(pseudo, s->l4, s->l4_len)) == 0);
        s->data = s->l4 + UDP_HLEN;
        s->data_len = s->l4_len - UDP_HLEN;
        break;
    case IPPROTO_ICMP_:
        FUZZ_CHECK(checksum(s->l4, s->l4_len) == 0);
        FUZZ_CHECK(icmp_parse(&s->icmp, s->l4, s->l4_len) == WIRE_OK);
        FUZZ_CHECK(s->icmp.type != ICMP_SOURCE_QUENCH); /* RFC 6633 */
        if (icmp_is_error(s->icmp.type)) {              /* RFC 1122 3.2.2 */
            FUZZ_CHECK(s->l4_len <= 576 - IPV4_HLEN);
            FUZZ_CHECK(s->l4_len >= ICMP_HLEN + IPV4_HLEN);
            FUZZ_CHECK(!ip4_is_multicast(s->ip.dst) && s->ip.dst != TD_IP4_BROADCAST);
            FUZZ_CHECK(s->ip.dst != 0);
        }
        break;
    default:
        break;
    }
}

void sent_check(struct sent *s, const uint8_t *frame, size_t len, uint32_t mtu, bool own)
{
    *s = (struct sent){0};
    FUZZ_CHECK(eth_parse(&s->eth, frame, len) == WIRE_OK);
    FUZZ_CHECK(!s->eth.snap);
    FUZZ_CHECK(!mac_is_multicast(s->eth.src) && !mac_is_zero(s->eth.src));
    FUZZ_CHECK(!mac_is_zero(s->eth.dst));
    const uint8_t *b = frame + s->eth.hlen;
    size_t n = len - s->eth.hlen, used = n;
    FUZZ_CHECK(n <= mtu || len <= ETH_MIN_FRAME);
    if (s->eth.type == ETHERTYPE_ARP) {
        s->is_arp = true;
        FUZZ_CHECK(arp_parse(&s->arp, b, n) == WIRE_OK);
        FUZZ_CHECK(mac_eq(s->arp.sha, s->eth.src));
        used = ARP_LEN;
    } else {
        FUZZ_CHECK(s->eth.type == ETHERTYPE_IPV4);
        s->is_ip = true;
        FUZZ_CHECK(ipv4_parse(&s->ip, b, n) == WIRE_OK);
        FUZZ_CHECK(s->ip.ttl > 0); /* RFC 1122 3.2.1.7 */
        FUZZ_CHECK(!ip4_is_multicast(s->ip.src) && !ip4_is_class_e(s->ip.src));
        FUZZ_CHECK(!ip4_is_loopback(s->ip.src) && !ip4_is_loopback(s->ip.dst));
        FUZZ_CHECK((s->ip.flags & IPV4_EVIL) == 0 || !own);
        /* What is forwarded keeps the length it came with: judging it is the receiver's (RFC 791 3.2). */
        FUZZ_CHECK((s->ip.flags & IPV4_MF) == 0 || !own || (s->ip.total_len - s->ip.hlen) % 8 == 0);
        FUZZ_CHECK(s->ip.frag_off + (s->ip.total_len - s->ip.hlen) + IPV4_HLEN <= 65535);
        used = s->ip.total_len;
        s->l4 = b + s->ip.hlen;
        s->l4_len = (size_t)(s->ip.total_len - s->ip.hlen);
        s->whole = (s->ip.flags & IPV4_MF) == 0 && s->ip.frag_off == 0;
        if (s->whole && own) {
            unsigned pointer;
            FUZZ_CHECK(ipv4_options_check(&s->ip, &pointer) == WIRE_OK);
            check_transport(s);
        }
    }
    for (size_t i = used; i < n; i++) {
        FUZZ_CHECK(b[i] == 0); /* padding must not leak what lay in memory (ATK-ETH-02) */
    }
}

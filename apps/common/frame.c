/* common/frame.c: a frame in one line: addresses, ports, flags and sizes; tcpdump says the rest. */
#include "common/frame.h"

#include <stdio.h>
#include <string.h>

#include "common/parse.h"
#include "core/pkt.h"
#include "wire/arp.h"
#include "wire/eth.h"
#include "wire/icmp.h"
#include "wire/ipv4.h"
#include "wire/tcp.h"
#include "wire/udp.h"

#define HEAD 256 /* all the headers, with options, of what is told here */

static void arp_text(const uint8_t *b, size_t n, char *dst)
{
    struct arp_pkt a;
    char spa[16], tpa[16], mac[18];
    if (arp_parse(&a, b, n) != WIRE_OK) {
        snprintf(dst, FRAME_TEXT, "ARP, malformed");
        return;
    }
    format_ip4(a.spa, spa);
    format_ip4(a.tpa, tpa);
    format_mac(a.sha, mac);
    if (a.op == ARP_REQUEST)
        snprintf(dst, FRAME_TEXT, "ARP who has %s, tell %s", tpa, spa);
    else
        snprintf(dst, FRAME_TEXT, "ARP %s is at %s", spa, mac);
}

static void tcp_text(const struct ipv4_hdr *ip, const uint8_t *b, size_t n, const char *src,
                     const char *dst_text, char *dst)
{
    static const char letters[] = "FSRP.UEW"; /* tcpdump's, from bit 0 on */
    struct tcp_hdr h;
    char flags[16] = "";
    size_t k = 0;
    if (tcp_parse(&h, b, n) != WIRE_OK) {
        snprintf(dst, FRAME_TEXT, "%s > %s TCP, malformed", src, dst_text);
        return;
    }
    for (unsigned i = 0; letters[i] != '\0'; i++)
        if (h.flags >> i & 1)
            flags[k++] = letters[i];
    flags[k] = '\0';
    snprintf(dst, FRAME_TEXT, "%s:%u > %s:%u TCP %s, %d bytes", src, h.sport, dst_text, h.dport,
             k > 0 ? flags : "none", ip->total_len - ip->hlen - h.hlen);
}

static void ip_text(const uint8_t *b, size_t n, char *dst)
{
    struct ipv4_hdr ip;
    char src[16], to[16];
    enum wire_status s = ipv4_parse(&ip, b, n);
    /* The length is the whole datagram's, and only its head is here. */
    bool cut =
        s == WIRE_BAD_LENGTH && ip.hlen >= IPV4_HLEN && ip.hlen <= n && ip.total_len >= ip.hlen;
    if (s != WIRE_OK && !cut) {
        snprintf(dst, FRAME_TEXT, "IP, malformed");
        return;
    }
    format_ip4(ip.src, src);
    format_ip4(ip.dst, to);
    const uint8_t *l4 = b + ip.hlen;
    size_t left = n - ip.hlen;
    struct icmp_hdr i;
    if (ip.frag_off > 0)
        snprintf(dst, FRAME_TEXT, "%s > %s fragment at %u, %d bytes", src, to, ip.frag_off,
                 ip.total_len - ip.hlen);
    else if (ip.proto == 6)
        tcp_text(&ip, l4, left, src, to, dst);
    else if (ip.proto == 17 && left >= UDP_HLEN)
        snprintf(dst, FRAME_TEXT, "%s:%u > %s:%u UDP, %d bytes", src, wire_get16(l4), to,
                 wire_get16(l4 + 2), ip.total_len - ip.hlen - UDP_HLEN);
    else if (ip.proto == 1 && icmp_parse(&i, l4, left) == WIRE_OK &&
             (i.type == ICMP_ECHO || i.type == ICMP_ECHO_REPLY))
        snprintf(dst, FRAME_TEXT, "%s > %s ICMP echo %s, seq %u", src, to,
                 i.type == ICMP_ECHO ? "request" : "reply", i.echo.seq);
    else if (ip.proto == 1 && left >= 2)
        snprintf(dst, FRAME_TEXT, "%s > %s ICMP type %u code %u", src, to, l4[0], l4[1]);
    else
        snprintf(dst, FRAME_TEXT, "%s > %s protocol %u, %d bytes", src, to, ip.proto,
                 ip.total_len - ip.hlen);
}

void frame_text(const struct pkt *p, char dst[FRAME_TEXT])
{
    uint8_t b[HEAD] = {0};
    size_t n = p->len < sizeof b ? p->len : sizeof b;
    struct eth_hdr h;
    dst[0] = '\0';
    if (!pkt_read(p, 0, b, (uint32_t)n) || eth_parse(&h, b, n) != WIRE_OK) {
        snprintf(dst, FRAME_TEXT, "no Ethernet II frame");
        return;
    }
    size_t tag = h.tagged ? (size_t)snprintf(dst, FRAME_TEXT, "vlan %u ", h.tci & 0xfffU) : 0;
    char text[FRAME_TEXT] = "";
    if (h.type == 0x0806)
        arp_text(b + h.hlen, n - h.hlen, text);
    else if (h.type == 0x0800)
        ip_text(b + h.hlen, n - h.hlen, text);
    else
        snprintf(text, sizeof text, "EtherType 0x%04x", h.type);
    snprintf(dst + tag, FRAME_TEXT - tag, "%.*s", (int)(FRAME_TEXT - tag - 1), text);
}

/* replay/describe.c: what a packet that is no TCP segment means (describe.h). */
#include "replay/describe.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "wire/arp.h"
#include "wire/icmp.h"

#define ETHER 14u

void describe_time(struct text *out, int64_t ns)
{
    if (ns < 1000000)
        text_printf(out, "%.0f us", (double)ns / 1e3);
    else if (ns < 1000000000)
        text_printf(out, "%.1f ms", (double)ns / 1e6);
    else
        text_printf(out, "%.2f s", (double)ns / 1e9);
}

static void put_ip4(struct text *out, td_ip4 a)
{
    text_printf(out, "%u.%u.%u.%u", a >> 24, a >> 16 & 255, a >> 8 & 255, a & 255);
}

static void put_mac(struct text *out, struct td_mac m)
{
    text_printf(out, "%02x:%02x:%02x:%02x:%02x:%02x", m.b[0], m.b[1], m.b[2], m.b[3], m.b[4], m.b[5]);
}

/* An address alone. */
static void name_addr(const uint8_t addr[16], char name[64])
{
    view_endpoint(addr, 0, name);
    char *colon = strrchr(name, ':');
    if (colon != NULL)
        *colon = '\0';
}

static void put_addr(struct text *out, const uint8_t addr[16])
{
    char name[64];
    name_addr(addr, name);
    text_puts(out, name);
}

static uint32_t captured(const struct view *v, uint32_t at)
{
    uint32_t there = v->frame_len - v->filled;
    return there > at ? there - at : 0;
}

static void arp(const struct view *v, struct text *out)
{
    struct arp_pkt a;
    if (arp_parse(&a, v->frame + ETHER, captured(v, ETHER)) != WIRE_OK) {
        text_puts(out, "ARP that can't be read");
        return;
    }
    if (a.op == ARP_REQUEST && a.spa == 0) {
        text_puts(out, "ARP probe: does anyone use ");
        put_ip4(out, a.tpa);
        text_puts(out, "? (RFC 5227 2.1.1)");
    } else if (a.spa == a.tpa) {
        text_puts(out, "ARP announcement: ");
        put_ip4(out, a.spa);
        text_puts(out, " is at ");
        put_mac(out, a.sha);
        text_puts(out, a.op == ARP_REQUEST ? " (RFC 5227 2.3)" : ", a reply that nobody asked for (gratuitous)");
    } else if (a.op == ARP_REQUEST) {
        text_puts(out, "ARP request: who has ");
        put_ip4(out, a.tpa);
        text_puts(out, "? tell ");
        put_ip4(out, a.spa);
        text_puts(out, " (RFC 826)");
    } else {
        text_puts(out, "ARP reply: ");
        put_ip4(out, a.spa);
        text_puts(out, " is at ");
        put_mac(out, a.sha);
        text_puts(out, " (RFC 826)");
    }
}

/* ---- ICMP ---- */

static const char *unreachable(uint8_t code)
{
    static const char *const text[] = {
        "network unreachable", "host unreachable", "no such protocol there", "no such port there", "too big, and may not be fragmented",
        "source route failed", "network unknown", "host unknown", "host isolated", "network prohibited", "host prohibited",
        "network unreachable for this type of service", "host unreachable for this type of service", "prohibited by a filter",
        "precedence violation", "precedence cut off"};
    return code < sizeof(text) / sizeof(*text) ? text[code] : "unreachable";
}

/* The datagram that an error quotes. */
static void quoted(const struct view *v, uint32_t at, struct text *out)
{
    uint32_t n = captured(v, at);
    const uint8_t *b = v->frame + at;
    if (n < 20 || b[0] >> 4 != 4)
        return;
    uint32_t hlen = (uint32_t)(b[0] & 15) * 4;
    text_puts(out, ", about ");
    put_ip4(out, wire_get32(b + 12));
    bool ports = hlen >= 20 && n >= hlen + 4 && (b[9] == IPPROTO_TCP || b[9] == IPPROTO_UDP);
    if (ports)
        text_printf(out, ":%u", wire_get16(b + hlen));
    text_puts(out, " > ");
    put_ip4(out, wire_get32(b + 16));
    if (ports)
        text_printf(out, ":%u", wire_get16(b + hlen + 2));
    text_puts(out, b[9] == IPPROTO_TCP ? " (TCP)" : b[9] == IPPROTO_UDP ? " (UDP)" : b[9] == IPPROTO_ICMP ? " (ICMP)" : "");
}

static void icmp(const struct view *v, struct text *out)
{
    struct icmp_hdr h;
    uint32_t at = ETHER + v->ip.hlen;
    enum wire_status s = icmp_parse(&h, v->frame + at, captured(v, at));
    text_puts(out, "ICMP ");
    if (s == WIRE_SHORT) {
        text_puts(out, "that can't be read");
        return;
    }
    switch (h.type) {
    case ICMP_ECHO:
        text_printf(out, "echo request, id %u, seq %u", h.echo.id, h.echo.seq);
        break;
    case ICMP_ECHO_REPLY:
        text_printf(out, "echo reply, id %u, seq %u", h.echo.id, h.echo.seq);
        break;
    case ICMP_UNREACHABLE:
        text_printf(out, "destination unreachable: %s", unreachable(h.code));
        if (h.code == ICMP_FRAG_NEEDED)
            text_printf(out, " (next hop's MTU %u, RFC 1191)", h.unreach.mtu);
        quoted(v, at + ICMP_HLEN, out);
        break;
    case ICMP_TIME_EXCEEDED:
        text_puts(out, h.code == 0 ? "time to live exceeded on the way" : "fragments missing: reassembly timed out");
        quoted(v, at + ICMP_HLEN, out);
        break;
    case ICMP_REDIRECT:
        text_puts(out, "redirect: a better first hop is ");
        put_ip4(out, h.gateway);
        quoted(v, at + ICMP_HLEN, out);
        break;
    case ICMP_PARAM_PROBLEM:
        text_printf(out, "parameter problem at octet %u", h.param.pointer);
        quoted(v, at + ICMP_HLEN, out);
        break;
    case ICMP_SOURCE_QUENCH:
        text_puts(out, "source quench, to be ignored (RFC 6633)");
        quoted(v, at + ICMP_HLEN, out);
        break;
    default:
        text_printf(out, "type %u, code %u", h.type, h.code);
    }
}

/* ---- the rest ---- */

static void dns_type(unsigned type, struct text *out)
{
    static const struct {
        unsigned type;
        const char *name;
    } types[] = {{1, "A"}, {2, "NS"}, {5, "CNAME"}, {6, "SOA"}, {12, "PTR"}, {15, "MX"}, {16, "TXT"}, {28, "AAAA"}, {33, "SRV"}, {65, "HTTPS"}};
    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
        if (types[i].type == type) {
            text_printf(out, " %s", types[i].name);
            return;
        }
    }
    text_printf(out, " type %u", type);
}

static void dns(const struct view *v, struct text *out)
{
    const uint8_t *b = v->frame + v->text_at;
    if ((v->sport != 53 && v->dport != 53 && v->sport != 5353) || v->text_kept < 12)
        return;
    static const char *const codes[] = {"no error", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"};
    bool answer = (b[2] & 0x80) != 0;
    unsigned code = b[3] & 15, records = wire_get16(b + 6);
    text_printf(out, ", DNS %s, id %u, ", answer ? "answer" : "question", wire_get16(b));
    if (answer && code < sizeof(codes) / sizeof(*codes))
        text_printf(out, "%s, ", codes[code]);
    else if (answer)
        text_printf(out, "code %u, ", code);
    if (answer)
        text_printf(out, "%u record%s, ", records, records == 1 ? "" : "s");
    uint32_t i = 12;
    for (int labels = 0; labels < 32 && i < v->text_kept && b[i] > 0 && b[i] < 64 && i + b[i] < v->text_kept; labels++) {
        for (uint32_t k = 1; k <= b[i]; k++) {
            char c = (char)b[i + k];
            text_add(out, c > ' ' && c < 127 ? &c : "?", 1);
        }
        text_add(out, ".", 1);
        i += b[i] + 1u;
    }
    if (i + 3 <= v->text_kept && b[i] == 0)
        dns_type(wire_get16(b + i + 1), out);
}

static void udp(const struct view *v, struct text *out)
{
    char from[64], to[64];
    view_endpoint(v->src, v->sport, from);
    view_endpoint(v->dst, v->dport, to);
    text_printf(out, "UDP %s > %s, %u bytes", from, to, v->text_len);
    dns(v, out);
    if (v->dport == 67 || v->dport == 68)
        text_puts(out, ", DHCP");
}

static void addresses(const struct view *v, struct text *out)
{
    put_addr(out, v->src);
    text_puts(out, " > ");
    put_addr(out, v->dst);
}

static void fragment(const struct view *v, struct text *out)
{
    uint32_t payload = v->ip.total_len - v->ip.hlen;
    text_puts(out, "fragment ");
    addresses(v, out);
    text_printf(out, ", id %u, protocol %u, bytes %u to %u%s", v->ip.id, v->proto, v->ip.frag_off,
                v->ip.frag_off + (payload > 0 ? payload - 1 : 0), v->ip.flags & IPV4_MF ? ", more follow" : ", the last");
}

const char *describe_packet(const struct view *v, struct text *out)
{
    if (v->net == VIEW_ARP) {
        arp(v, out);
        return "arp";
    }
    if (v->net == VIEW_OTHER) {
        text_printf(out, "EtherType 0x%04x, %u bytes", v->type, v->frame_len);
        return "other";
    }
    if (v->fragment) {
        fragment(v, out);
        return "fragment";
    }
    if (v->proto == IPPROTO_ICMP && v->net == VIEW_IPV4) {
        addresses(v, out);
        text_puts(out, ": ");
        icmp(v, out);
        if (v->l4_sum == SUM_BAD)
            text_puts(out, ", bad checksum");
        return "icmp";
    }
    if (v->proto == IPPROTO_UDP && (v->sport != 0 || v->dport != 0)) {
        udp(v, out);
        if (v->l4_sum == SUM_BAD)
            text_puts(out, ", bad checksum");
        return "udp";
    }
    addresses(v, out);
    if (v->proto == IPPROTO_TCP) {
        text_puts(out, ": TCP, its header can't be read");
        return "tcp";
    }
    text_printf(out, ": protocol %u", v->proto);
    return v->net == VIEW_IPV6 ? "ipv6" : "ipv4";
}

void describe_ends(const struct view *v, char from[64], char to[64])
{
    struct arp_pkt a;
    struct text t = {0};
    from[0] = to[0] = '\0';
    if (v->net == VIEW_IPV4 || v->net == VIEW_IPV6) {
        name_addr(v->src, from);
        name_addr(v->dst, to);
    } else if (v->net == VIEW_ARP && arp_parse(&a, v->frame + ETHER, captured(v, ETHER)) == WIRE_OK) {
        a.spa != 0 ? put_ip4(&t, a.spa) : put_mac(&t, a.sha);
        (void)snprintf(from, 64, "%s", t.s);
        text_consume(&t, t.len);
        put_ip4(&t, a.tpa);
        (void)snprintf(to, 64, "%s", t.s);
    }
    text_free(&t);
}

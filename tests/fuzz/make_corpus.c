/* Writes the seeds of the fuzz targets: make_corpus DIRECTORY fills DIRECTORY/TARGET/. The seeds
 * are kept in the repository; make_corpus.sh is for whoever adds to them. A seed is a small honest
 * example of what its target reads: the fuzzer does the rest. */
#include "stack_ops.h"
#include "wire/arp.h"
#include "wire/checksum.h"
#include "wire/eth.h"
#include "wire/icmp.h"
#include "wire/ipv4.h"
#include "wire/tcp.h"
#include "wire/udp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char *root;

static void save(const char *target, const char *name, const void *bytes, size_t n)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", root, target);
    mkdir(root, 0777);
    mkdir(path, 0777);
    snprintf(path, sizeof path, "%s/%s/%s", root, target, name);
    FILE *f = fopen(path, "wb");
    if (f == NULL || fwrite(bytes, 1, n, f) != n || fclose(f) != 0) {
        perror(path);
        exit(1);
    }
}

/* ---- headers ---- */

static size_t make_ip(uint8_t *b, uint8_t proto, const void *opt, uint8_t opt_len, size_t payload)
{
    struct ipv4_hdr h = {.ttl = 64,
                         .proto = proto,
                         .src = NET_PEER(0),
                         .dst = NET_US(0),
                         .opt_len = opt_len,
                         .total_len = (uint16_t)(20 + opt_len + payload)};
    if (opt_len > 0) {
        memcpy(h.opt, opt, opt_len);
    }
    return ipv4_emit(&h, b);
}

static size_t make_syn(uint8_t *b, enum tcp_opt_style style, bool fastopen)
{
    struct tcp_hdr h = {.sport = 40000, .dport = 80, .seq = 1, .flags = TCP_SYN, .wnd = 65535};
    h.o = (struct tcp_opts){.has_mss = true,
                            .mss = 1460,
                            .has_wscale = true,
                            .wscale = 7,
                            .has_sack_perm = true,
                            .has_ts = true,
                            .ts_val = 1,
                            .has_fastopen = fastopen,
                            .fastopen_len = 8};
    tcp_opts_layout(&h, true, style);
    return tcp_emit(&h, b);
}

static size_t make_sack(uint8_t *b)
{
    struct tcp_hdr h = {
        .sport = 40000, .dport = 80, .seq = 2, .ack = 9, .flags = TCP_ACK, .wnd = 500};
    h.o = (struct tcp_opts){.has_ts = true, .nsack = 3};
    for (uint32_t i = 0; i < 3; i++) {
        h.o.sack[i] = (struct tcp_sack_block){1000 * i, 1000 * i + 500};
    }
    tcp_opts_layout(&h, false, TCP_OPTS_LINUX);
    return tcp_emit(&h, b);
}

static void headers(void)
{
    uint8_t b[200] = {0};
    struct eth_hdr eth = {
        .dst = {{2, 0, 0, 0, 0, 1}}, .src = {{2, 0, 0, 0, 0, 0x99}}, .type = 0x0800};
    save("fuzz_eth", "ethernet", b, eth_emit(&eth, b) + 46);
    eth.tagged = true;
    eth.tci = 100;
    save("fuzz_eth", "tagged", b, eth_emit(&eth, b) + 46);
    eth.snap = true;
    eth.length = 36;
    save("fuzz_eth", "tagged-snap", b, eth_emit(&eth, b) + 38);
    eth.tagged = false;
    save("fuzz_eth", "snap", b, eth_emit(&eth, b) + 38);

    struct arp_pkt arp = {.op = ARP_REQUEST, .sha = eth.src, .spa = NET_PEER(0), .tpa = NET_US(0)};
    save("fuzz_arp", "request", b, arp_emit(&arp, b));
    arp.op = ARP_REPLY;
    save("fuzz_arp", "reply", b, arp_emit(&arp, b));

    memset(b, 0, sizeof b);
    save("fuzz_ipv4", "plain", b, make_ip(b, 17, NULL, 0, 20) + 20);
    static const uint8_t rr[] = {7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    static const uint8_t ts[] = {68, 12, 5, 1, 0, 0, 0, 0, 0, 0, 0, 0};
    static const uint8_t routes[] = {1, 131, 7,   4, 10, 0, 0, 9, 148, 4,
                                     0, 0,   200, 4, 1,  2, 0, 0, 0,   0};
    save("fuzz_ipv4", "record-route", b, make_ip(b, 1, rr, sizeof rr, 8) + 8);
    save("fuzz_ipv4", "timestamp", b, make_ip(b, 1, ts, sizeof ts, 8) + 8);
    save("fuzz_ipv4", "source-route", b, make_ip(b, 6, routes, sizeof routes, 8) + 8);

    static const struct {
        const char *name;
        uint8_t type, code;
    } icmp[] = {{"echo", 8, 0},       {"reply", 0, 0},     {"frag-needed", 3, 4},
                {"redirect", 5, 1},   {"exceeded", 11, 0}, {"parameter", 12, 0},
                {"timestamp", 13, 0}, {"quench", 4, 0}};
    for (size_t i = 0; i < sizeof icmp / sizeof icmp[0]; i++) {
        struct icmp_hdr h = {.type = icmp[i].type, .code = icmp[i].code, .word = 0x05dc0514};
        save("fuzz_icmp", icmp[i].name, b, icmp_emit(&h, b) + 12);
    }
    struct udp_hdr udp = {.sport = 53, .dport = 40000, .length = 20, .csum = 1};
    save("fuzz_udp", "datagram", b, udp_emit(&udp, b) + 12);
    save("fuzz_tcp", "syn", b, make_syn(b, TCP_OPTS_LINUX, false));
    save("fuzz_tcp", "syn-plain", b, make_syn(b, TCP_OPTS_PLAIN, true));
    save("fuzz_tcp", "syn-fastopen", b, make_syn(b, TCP_OPTS_LINUX, true));
    save("fuzz_tcp", "sack", b, make_sack(b));
    save("fuzz_checksum", "text", "an odd number of bytes, summed", 29);
}

/* ---- capture files: little-endian, as this machine's libpcap writes them ---- */

static size_t le32(uint8_t *b, uint32_t v)
{
    b[0] = (uint8_t)v;
    b[1] = (uint8_t)(v >> 8);
    b[2] = (uint8_t)(v >> 16);
    b[3] = (uint8_t)(v >> 24);
    return 4;
}

static size_t make_pcap(uint8_t *b, uint32_t magic, unsigned frames)
{
    size_t n = le32(b, magic);
    n += le32(b + n, 0x00040002); /* version 2.4 */
    n += le32(b + n, 0);
    n += le32(b + n, 0);
    n += le32(b + n, 65535);
    n += le32(b + n, 1);
    for (uint32_t i = 0; i < frames; i++) {
        n += le32(b + n, 1700000000 + i);
        n += le32(b + n, 123456);
        n += le32(b + n, 20);
        n += le32(b + n, 60);
        memset(b + n, (int)i, 20);
        n += 20;
    }
    return n;
}

static void captures(void)
{
    uint8_t b[512];
    save("fuzz_capture", "microseconds", b, make_pcap(b, 0xa1b2c3d4, 2));
    save("fuzz_capture", "nanoseconds", b, make_pcap(b, 0xa1b23c4d, 2));
    save("fuzz_capture", "truncated", b, make_pcap(b, 0xa1b2c3d4, 2) - 5);
    /* pcapng: section header, one interface, one enhanced packet. */
    size_t n = le32(b, 0x0a0d0d0a);
    n += le32(b + n, 28);
    n += le32(b + n, 0x1a2b3c4d);
    n += le32(b + n, 1);
    n += le32(b + n, UINT32_MAX);
    n += le32(b + n, UINT32_MAX);
    n += le32(b + n, 28);
    n += le32(b + n, 1);
    n += le32(b + n, 20);
    n += le32(b + n, 1);
    n += le32(b + n, 65535);
    n += le32(b + n, 20);
    n += le32(b + n, 6);
    n += le32(b + n, 48);
    n += le32(b + n, 0);
    n += le32(b + n, 1);
    n += le32(b + n, 2);
    n += le32(b + n, 16);
    n += le32(b + n, 60);
    memset(b + n, 7, 16);
    n += 16;
    n += le32(b + n, 48);
    save("fuzz_capture", "pcapng", b, n);
}

/* ---- lives of a stack ---- */

struct life {
    uint8_t b[4096];
    size_t n;
};
static void add(struct life *l, uint8_t delay, uint8_t kind, const uint8_t *args, size_t n)
{
    l->b[l->n++] = delay;
    l->b[l->n++] = kind;
    if (n >= 255) {
        l->b[l->n++] = 255;
        l->b[l->n++] = (uint8_t)(n >> 8);
    }
    l->b[l->n++] = (uint8_t)n;
    memcpy(l->b + l->n, args, n);
    l->n += n;
}
#define OP(l, delay, kind, ...)                                                                    \
    add(l, delay, kind, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))
enum {
    NOW_,
    D1MS = 5,
    D10MS = 6,
    D40MS = 7,
    D200MS = 8,
    D1S = 10,
    D3S = 11,
    D15S = 12,
    D61S = 13,
    D300S = 14,
    D2H = 15
};
static void begin(struct life *l, uint8_t plan)
{
    l->b[0] = plan;
    l->b[1] = 0;
    l->n = 2;
}
static void end(const struct life *l, const char *name)
{
    save("fuzz_stack", name, l->b, l->n);
}

enum { STREAM, DGRAM, PING };
enum {
    ADDR_ANY,
    ADDR_US,
    ADDR_PEER,
    ADDR_US1,
    ADDR_PEER1,
    ADDR_UNKNOWN,
    ADDR_ROUTER,
    ADDR_BCAST,
    ADDR_LO = 10,
    ADDR_MCAST = 12,
    ADDR_FAR = 14
};
enum { PORT_0, PORT_80, PORT_81, PORT_7, PORT_53 };
#define ALL_OPTS    (SEG_TS | SEG_MSS | SEG_WSCALE | SEG_SACK_PERM)
#define WND         0x40, 0x00
#define IP_TTL_     2 /* control messages of level 0, as Linux numbers them */
#define IP_PKTINFO_ 8

static void server(struct life *l, uint8_t opts)
{
    OP(l, NOW_, OP_SOCKET, STREAM);
    OP(l, NOW_, OP_BIND, 0, ADDR_ANY, PORT_80);
    OP(l, NOW_, OP_LISTEN, 0, 5);
    OP(l, D1MS, OP_SYN, 0, PORT_80, 1, 0xff, opts);
    OP(l, D1MS, OP_SEGMENT, 0, TCP_ACK, 0, 0, WND, opts & SEG_TS);
    OP(l, NOW_, OP_ACCEPT, 0);
}
static void client(struct life *l, uint8_t opts)
{
    OP(l, NOW_, OP_SOCKET, STREAM);
    OP(l, NOW_, OP_CONNECT, 0, ADDR_PEER, PORT_80);
    OP(l, D1MS, OP_SEGMENT, 0, TCP_SYN | TCP_ACK, 100, 0, WND, opts);
}

static void lives(void)
{
    struct life life, *l = &life;

    begin(l, PLAN_TWICE | PLAN_CLOSE | PLAN_REPLAY);
    server(l, ALL_OPTS);
    OP(l, D1MS, OP_SEGMENT, 0, TCP_ACK | TCP_PSH, 0, 0, WND, SEG_TS, 200, 0);
    OP(l, NOW_, OP_RECV, 1, 4, 0, 0);
    OP(l, NOW_, OP_SEND, 1, 0x10, 0x00, 0);
    OP(l, D1MS, OP_SEGMENT, 0, TCP_ACK, 0, 0, WND, SEG_TS);
    OP(l, NOW_, OP_CLOSE, 1);
    OP(l, D1MS, OP_SEGMENT, 0, TCP_ACK, 0, 0, WND, SEG_TS);
    OP(l, D1MS, OP_SEGMENT, 0, TCP_FIN | TCP_ACK, 0, 0, WND, SEG_TS);
    OP(l, D61S, OP_TIME, 3);
    end(l, "tcp-server");

    begin(l, PLAN_RFC | PLAN_REPLAY);
    client(l, SEG_MSS);
    OP(l, NOW_, OP_SEND, 0, 0x20, 0x00, 0);
    OP(l, D1MS, OP_SEGMENT, 0, TCP_ACK, 0, 0xf8, WND, 0, 0, 4);
    OP(l, D1MS, OP_SEGMENT, 0, TCP_ACK, 0, 0, WND);
    OP(l, D1MS, OP_SEGMENT, 0, TCP_FIN | TCP_ACK, 0, 0, WND, 0, 100, 0);
    OP(l, NOW_, OP_RECV, 0, 1, 0, 0);
    OP(l, NOW_, OP_CLOSE, 0);
    OP(l, D1MS, OP_SEGMENT, 0, TCP_ACK, 0, 0, WND);
    end(l, "tcp-client");

    begin(l, 0); /* loss: SACKs, fast retransmit, then silence to the end */
    client(l, ALL_OPTS);
    OP(l, NOW_, OP_SEND, 0, 0xff, 0xff, 0);
    for (uint8_t i = 1; i <= 4; i++) {
        OP(l, D1MS, OP_SEGMENT, 0, TCP_ACK, 0, 0xf6, WND, SEG_TS | SEG_SACK, 0, 4, 20, i,
           (uint8_t)(10 * i));
    }
    OP(l, D10MS, OP_SEGMENT, 0, TCP_ACK, 0, 0xfc, WND, SEG_TS, 0, 4);
    OP(l, D1S, OP_TIME, 20);
    OP(l, D2H, OP_TIME, 20);
    end(l, "tcp-loss");

    begin(l, 0); /* the same without SACK: duplicate acknowledgements, a partial one, the rest */
    client(l, SEG_MSS);
    OP(l, NOW_, OP_SEND, 0, 0xff, 0xff, 0);
    OP(l, D1MS, OP_SEGMENT, 0, TCP_ACK, 0, 2, WND, 0, 0, SCALE_ACK_MSS | SCALE_ACK_UNA);
    for (uint8_t i = 1; i <= 5; i++) {
        OP(l, NOW_, OP_SEGMENT, 0, TCP_ACK, 0, 0, WND, 0, 0, SCALE_ACK_UNA);
    }
    OP(l, D1MS, OP_SEGMENT, 0, TCP_ACK, 0, 3, WND, 0, 0, SCALE_ACK_MSS | SCALE_ACK_UNA);
    OP(l, D1MS, OP_SEGMENT, 0, TCP_ACK, 0, 0, WND);
    OP(l, D1S, OP_TIME, 20);
    end(l, "tcp-reno");

    begin(l, 0); /* out of order, duplicates, urgent data, a zero window and its probes */
    server(l, ALL_OPTS);
    OP(l, D1MS, OP_SEGMENT, 0, TCP_ACK, 1, 0, WND, SEG_TS, 200, 1);
    OP(l, D1MS, OP_SEGMENT, 0, TCP_ACK, 3, 0, WND, SEG_TS, 200, 1);
    OP(l, D1MS, OP_SEGMENT, 0, TCP_ACK, 0, 0, WND, SEG_TS, 200, 16);
    OP(l, D1MS, OP_SEGMENT, 0, TCP_ACK, 0xff, 0, WND, SEG_TS, 100, 1);
    OP(l, D1MS, OP_SEGMENT, 0, TCP_ACK | TCP_URG, 0, 0, WND, SEG_TS, 10, 0, 3);
    OP(l, NOW_, OP_MISC, 1, 3);
    OP(l, NOW_, OP_RECV, 1, 0, 1, 1);
    OP(l, D1MS, OP_SEGMENT, 0, TCP_ACK, 0, 0, 0, 0, SEG_TS);
    OP(l, NOW_, OP_SEND, 1, 4, 0, 0);
    OP(l, D3S, OP_TIME, 10);
    OP(l, D1MS, OP_SEGMENT, 0, TCP_ACK, 0, 0, WND, SEG_TS);
    OP(l, D1MS, OP_SEGMENT, 0, TCP_RST, 0, 0, WND);
    end(l, "tcp-disorder");

    begin(l,
          0); /* overlaps of every kind; what the front brings, what is there already, and both */
    server(l, SEG_MSS);
    OP(l, NOW_, OP_SEGMENT, 0, TCP_ACK, 100, 0, WND, 0, 100, 0);
    OP(l, NOW_, OP_SEGMENT, 0, TCP_ACK, 50, 0, WND, 0, 100, 0);
    OP(l, NOW_, OP_SEGMENT, 0, TCP_ACK, 40, 0, WND, 0, 250, 0);
    OP(l, NOW_, OP_SEGMENT, 0, TCP_ACK, 120, 0, WND, 0, 250, 0);
    OP(l, NOW_, OP_SEGMENT, 0, TCP_ACK, 0, 0, WND, 0, 60, 0);
    OP(l, NOW_, OP_RECV, 1, 0, 30, 0);
    OP(l, NOW_, OP_SEGMENT, 0, TCP_ACK, 0xf0, 0, WND, 0, 100, 0);
    OP(l, NOW_, OP_SEGMENT, 0, TCP_ACK, 20, 0, WND, 0, 20, 0);
    OP(l, NOW_, OP_SEGMENT, 0, TCP_ACK | TCP_FIN, 0, 0, WND, 0, 50, 0);
    OP(l, NOW_, OP_RECV, 1, 4, 0, 0);
    end(l, "tcp-overlap");

    begin(l, 0); /* simultaneous open and close */
    OP(l, NOW_, OP_SOCKET, STREAM);
    OP(l, NOW_, OP_CONNECT, 0, ADDR_PEER, PORT_80);
    OP(l, D1MS, OP_SEGMENT, 0, TCP_SYN, 0, 0, WND, SEG_MSS);
    OP(l, D1MS, OP_SEGMENT, 0, TCP_SYN | TCP_ACK, 0xff, 0, WND, SEG_MSS);
    OP(l, D1MS, OP_SEGMENT, 0, TCP_ACK, 0, 0, WND);
    OP(l, NOW_, OP_SHUTDOWN, 0, 1);
    OP(l, D1MS, OP_SEGMENT, 0, TCP_FIN | TCP_ACK, 0, 0xff, WND);
    OP(l, D1MS, OP_SEGMENT, 0, TCP_ACK, 0, 0, WND);
    OP(l, D61S, OP_TIME, 5);
    end(l, "tcp-simultaneous");

    begin(l, PLAN_JOURNAL | PLAN_CLOSE |
                 PLAN_REPLAY); /* both ends on the loopback, run by notifications */
    OP(l, NOW_, OP_SOCKET, STREAM);
    OP(l, NOW_, OP_BIND, 0, ADDR_LO, PORT_81);
    OP(l, NOW_, OP_LISTEN, 0, 5);
    OP(l, NOW_, OP_NOTIFY, 0, NOTIFY_ACCEPT);
    OP(l, NOW_, OP_SOCKET, STREAM);
    OP(l, NOW_, OP_NOTIFY, 1, NOTIFY_READ | NOTIFY_WRITE);
    OP(l, NOW_, OP_CONNECT, 1, ADDR_LO, PORT_81);
    OP(l, D1MS, OP_SEND, 1, 0x20, 0, 0);
    OP(l, D40MS, OP_TIME, 10);
    OP(l, NOW_, OP_CLOSE, 1);
    OP(l, D1S, OP_TIME, 10);
    end(l, "tcp-loopback");

    begin(l, PLAN_CLOSE); /* refused, reset, errors by ICMP */
    OP(l, NOW_, OP_SYN, 0, PORT_81, 7, 0, ALL_OPTS);
    OP(l, NOW_, OP_SOCKET, STREAM);
    OP(l, NOW_, OP_CONNECT, 0, ADDR_FAR, PORT_80);
    OP(l, D1MS, OP_ICMP_ERROR, 3, 1, 0, 0, 0, 0, 40, 0, 0);
    OP(l, D1MS, OP_SEGMENT, 0, TCP_SYN | TCP_ACK, 50, 0, WND, ALL_OPTS);
    OP(l, NOW_, OP_SETOPT, 0, 33, 0, 0, 0, 1);
    OP(l, NOW_, OP_SEND, 0, 0x40, 0, 0);
    OP(l, D1MS, OP_ICMP_ERROR, 3, 4, 0, 0, 2, 88, 40, 0, 0);
    OP(l, D1S, OP_TIME, 4);
    OP(l, NOW_, OP_GETOPT, 0, 41, 250);
    OP(l, D1MS, OP_SEGMENT, 0, TCP_RST | TCP_ACK, 0, 0, WND);
    OP(l, NOW_, OP_GETOPT, 0, 7, 4);
    end(l, "tcp-errors");

    begin(l, 0); /* keep-alive, linger, options */
    client(l, ALL_OPTS);
    OP(l, NOW_, OP_SETOPT, 0, 1, 0, 0, 0, 1);
    OP(l, NOW_, OP_SETOPT, 0, 34, 0, 0, 0, 5);
    OP(l, NOW_, OP_SETOPT, 0, 35, 0, 0, 0, 1);
    OP(l, NOW_, OP_SETOPT, 0, 36, 0, 0, 0, 3);
    OP(l, D15S, OP_TIME, 5);
    OP(l, NOW_, OP_SETOPT, 0, 5, 0, 0, 3, 1);
    OP(l, NOW_, OP_SEND, 0, 0, 50, 0);
    OP(l, NOW_, OP_CLOSE, 0);
    OP(l, D300S, OP_TIME, 20);
    end(l, "tcp-options");

    begin(l, PLAN_TWICE | PLAN_REPLAY);
    OP(l, NOW_, OP_SOCKET, DGRAM);
    OP(l, NOW_, OP_BIND, 0, ADDR_ANY, PORT_53);
    OP(l, NOW_, OP_SETOPT, 0, 19, 0, 0, 0, 1);
    OP(l, NOW_, OP_SETOPT, 0, 20, 0, 0, 0, 1);
    OP(l, NOW_, OP_UDP, 0, 0, 0, 5, PORT_53, 100, 0);
    OP(l, NOW_, OP_MSG, 0, 3, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
       0, 0, 0, 0);
    OP(l, NOW_, OP_SENDTO, 0, ADDR_PEER, PORT_53, 0, 200, 0);
    OP(l, D1MS, OP_ICMP_ERROR, 3, 3, 0, 0, 0, 0, 8, 0, 0);
    OP(l, NOW_, OP_SENDTO, 0, ADDR_PEER1, PORT_53, 0x10, 0, 0);
    OP(l, NOW_, OP_UDP, 0, 0, ADDR_BCAST, 5, PORT_53, 10, 0);
    OP(l, NOW_, OP_UDP, 0, 0, 0, 5, PORT_7, 10, 0);
    OP(l, NOW_, OP_CONNECT, 0, ADDR_PEER, PORT_7);
    OP(l, NOW_, OP_SEND, 0, 0, 30, 0);
    OP(l, NOW_, OP_RECV, 0, 1, 0, 0);
    OP(l, NOW_, OP_CLOSE, 0);
    end(l, "udp");

    begin(l, 0);
    static const char answer[] = "\377net.ipv4.icmp_timestamp_reply=1";
    add(l, NOW_, OP_KNOB, (const uint8_t *)answer, sizeof answer - 1);
    OP(l, NOW_, OP_SOCKET, PING);
    OP(l, NOW_, OP_BIND, 0, ADDR_ANY, PORT_53);
    OP(l, NOW_, OP_SETOPT, 0, 20, 0, 0, 0, 1);
    OP(l, NOW_, OP_CONNECT, 0, ADDR_PEER, PORT_0);
    OP(l, NOW_, OP_SEND, 0, 0, 40, 0);
    OP(l, D1MS, OP_ICMP, 0, 0, 0, 0, 10, 0, 53);
    OP(l, NOW_, OP_ICMP, 0, 8, 0, 0, 250);
    OP(l, NOW_, OP_ICMP, 0, 13, 0, 0, 3);
    OP(l, NOW_, OP_ICMP, 0, 8, 0, ADDR_BCAST, 3);
    OP(l, NOW_, OP_RECV, 0, 1, 0, 0);
    OP(l, NOW_, OP_SEND, 0, 0, 40, 0);
    OP(l, D1MS, OP_ICMP_ERROR, 11, 0, 0, 0, 0, 0, 40, 255, 1);
    OP(l, NOW_, OP_MSG, 0, MSG_RECV | MSG_NAME, 1, 0, FLAG_ERRQUEUE, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
       0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
       0, 0, 0, 0, 0, 0);
    OP(l, NOW_, OP_GETOPT, 0, 7, 4);
    end(l, "ping");

    begin(l, 0);
    OP(l, NOW_, OP_SOCKET, DGRAM);
    OP(l, NOW_, OP_SENDTO, 0, ADDR_UNKNOWN, PORT_53, 0, 20, 0);
    OP(l, D1MS, OP_ARP, 0, 2, ADDR_UNKNOWN, ADDR_US, 2);
    OP(l, D15S, OP_SENDTO, 0, ADDR_UNKNOWN, PORT_53, 0, 20, 0);
    OP(l, D15S, OP_TIME, 10);
    OP(l, NOW_, OP_ARP, 0, 1, ADDR_PEER, ADDR_US, 1);
    OP(l, NOW_, OP_ARP, 0, 1, ADDR_US, ADDR_US, 3);
    OP(l, D61S, OP_SENDTO, 0, ADDR_BCAST, PORT_53, 0, 20, 0);
    OP(l, D300S, OP_TIME, 10);
    end(l, "arp");

    begin(l, 0);
    OP(l, NOW_, OP_SOCKET, DGRAM);
    OP(l, NOW_, OP_BIND, 0, ADDR_ANY, PORT_53);
    OP(l, NOW_, OP_FRAGMENT, 0, 0, 0, 1, 0, 0, 1, 100, 3, 64);
    OP(l, NOW_, OP_FRAGMENT, 0, 0, 0, 1, 0, 100, 2, 32);
    OP(l, NOW_, OP_FRAGMENT, 0, 1, 0, 2, 0, 0, 1, 10);
    OP(l, NOW_, OP_FRAGMENT, 0, 1, 0, 2, 0, 9, 1, 10);
    OP(l, NOW_, OP_FRAGMENT, 0, 1, 0, 3, 0, 0, 1, 200);
    OP(l, D61S, OP_TIME, 3);
    OP(l, NOW_, OP_FRAGMENT, 1, 1, 0, 4, 0, 10, 0, 10);
    OP(l, NOW_, OP_FRAGMENT, 1, 1, 0, 4, 0, 0, 1, 10);
    end(l, "fragments");

    uint8_t frame[400] = {0, FIX_MAC | FIX_IP | FIX_ADDR | FIX_SUM | FIX_TYPE};
    begin(l, PLAN_FORWARD);
    static const uint8_t lsrr[] = {131, 7, 4, 192, 168, 5, 2, 0},
                         rr[] = {7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    size_t n = 2 + ETH_HLEN, hlen = make_ip(frame + n, 1, rr, sizeof rr, 8);
    frame[n + hlen] = ICMP_ECHO;
    add(l, NOW_, OP_FRAME, frame, n + hlen + 8);
    hlen = make_ip(frame + n, 17, lsrr, sizeof lsrr, 12);
    add(l, NOW_, OP_FRAME, frame, n + hlen + 12);
    frame[1] = FIX_MAC | FIX_IP | FIX_SUM | FIX_TYPE;
    hlen = make_ip(frame + n, 17, NULL, 0, 100);
    wire_put32(frame + n + 16, NET_PEER(1));
    add(l, NOW_, OP_FRAME, frame, n + hlen + 100);
    hlen = make_ip(frame + n, 6, NULL, 0, 60);
    make_syn(frame + n + hlen, TCP_OPTS_LINUX, false);
    frame[1] = FIX_MAC | FIX_IP | FIX_ADDR | FIX_SUM | FIX_TYPE;
    add(l, NOW_, OP_FRAME, frame, n + hlen + 40);
    end(l, "frames");

    begin(l, PLAN_RFC);
    static const uint8_t ts[] = {68, 12, 5, 1, 0, 0, 0, 0, 0, 0, 0, 0},
                         done[] = {131, 11, 12, 10, 0, 0, 2, 10, 0, 0, 3, 0};
    hlen = make_ip(frame + n, 1, ts, sizeof ts, 8);
    memset(frame + n + hlen, 0, 8);
    frame[n + hlen] = ICMP_ECHO;
    frame[n + hlen + 7] = 1;
    add(l, NOW_, OP_FRAME, frame, n + hlen + 8);
    hlen = make_ip(frame + n, 1, done, sizeof done, 8);
    memset(frame + n + hlen, 0, 8);
    frame[n + hlen] = ICMP_ECHO;
    add(l, NOW_, OP_FRAME, frame, n + hlen + 8);
    struct eth_hdr eth = {
        .dst = {{2, 0, 0, 0, 0, 1}}, .src = {{2, 0, 0, 0, 0, 0x99}}, .type = 0x0800};
    eth.snap = true;
    eth.length = 8 + 28;
    frame[1] = FIX_SUM;
    n = 2 + eth_emit(&eth, frame + 2);
    hlen = make_ip(frame + n, 1, NULL, 0, 8);
    memset(frame + n + hlen, 0, 8);
    frame[n + hlen] = ICMP_ECHO;
    add(l, NOW_, OP_FRAME, frame, n + hlen + 8);
    eth.tagged = true;
    n = 2 + eth_emit(&eth, frame + 2);
    hlen = make_ip(frame + n, 1, NULL, 0, 8);
    memset(frame + n + hlen, 0, 8);
    frame[n + hlen] = ICMP_ECHO;
    add(l, NOW_, OP_FRAME, frame, n + hlen + 8);
    end(l, "frames-options");

    begin(l, PLAN_TWICE | PLAN_JOURNAL);
    for (uint8_t what = 0; what < 14; what++) {
        OP(l, D1MS, OP_CONFIG, what, what & 1, 18, 24);
    }
    for (uint8_t k = 0; k < 60; k += 7) {
        OP(l, NOW_, OP_KNOB, k, k & 3);
    }
    OP(l, NOW_, OP_NETEM, 0, 0, 14, D1MS, 4, 40, 20, 0, 20, 10, 1);
    server(l, ALL_OPTS);
    OP(l, D200MS, OP_TIME, 20);
    OP(l, NOW_, OP_CONFIG, 14, 0, 0, 0);
    OP(l, NOW_, OP_TIME, 20);
    end(l, "config");

    begin(l, PLAN_TWICE);
    server(l, ALL_OPTS);
    OP(l, NOW_, OP_SOCKET, DGRAM);
    OP(l, NOW_, OP_MSG, 2, MSG_NAME | MSG_ONE_CONTROL, 0, 100, 0, 0, IP_TTL_, 0, 9, 0, 0);
    OP(l, NOW_, OP_MSG, 2, MSG_NAME | MSG_ONE_CONTROL, 0, 100, 0, 0, IP_PKTINFO_, 0, 0, 1, 1);
    for (uint8_t t = 0; t < 16; t++) {
        OP(l, NOW_, OP_LOOK, t, 40);
    }
    end(l, "tables");

    begin(l, PLAN_TWICE | PLAN_REPLAY | PLAN_FORWARD);
    for (uint8_t k = 9; k < 19; k++) {
        OP(l, NOW_, OP_RULES, k);
    }
    server(l, ALL_OPTS);
    OP(l, NOW_, OP_UDP, 0, 0, 13, 5, PORT_53, 10, 0);
    OP(l, NOW_, OP_RULES, 1);
    OP(l, NOW_, OP_RULES, 4);
    OP(l, D200MS, OP_TIME, 20);
    OP(l, NOW_, OP_RULES, 63);
    OP(l, NOW_, OP_RULES, 0);
    OP(l, D2H, OP_TIME, 20);
    end(l, "rules");

    begin(l, PLAN_TWICE | PLAN_REPLAY | PLAN_FORWARD | PLAN_JOURNAL);
    OP(l, NOW_, OP_LINK, 0, 2, 0x01, 3);  /* VLAN 3 on eth0 */
    OP(l, NOW_, OP_LINK, 0, 4, 0x01, 5);  /* VLAN 5 on that */
    OP(l, NOW_, OP_LINK, 10, 0, 0, 3);    /* the peer speaks in VLAN 3 */
    OP(l, NOW_, OP_LINK, 9, 4, 3, 24);    /* an address there */
    server(l, ALL_OPTS);
    OP(l, NOW_, OP_UDP, 0, 0, 1, 5, PORT_53, 10, 0);
    OP(l, NOW_, OP_LINK, 0, 0, 0x41, 1);  /* a bridge */
    OP(l, NOW_, OP_LINK, 2, 4, 6, 0);     /* its ports: the VLAN, and eth1 */
    OP(l, NOW_, OP_LINK, 2, 3, 6, 0);
    OP(l, NOW_, OP_LINK, 4, 6, 0, 4);
    OP(l, NOW_, OP_UDP, 0, 0, 1, 5, PORT_53, 10, 0);
    OP(l, NOW_, OP_UDP, 1, 0, 1, 5, PORT_53, 10, 0);
    OP(l, NOW_, OP_LINK, 6, 3, 2, 9);
    OP(l, NOW_, OP_LINK, 5, 3, 4, 0);
    OP(l, NOW_, OP_LOOK, 3, 40);
    OP(l, D2H, OP_TIME, 20);
    OP(l, NOW_, OP_LINK, 11, 2, 0, 0);
    OP(l, NOW_, OP_LINK, 11, 6, 0, 0);
    end(l, "links");

    begin(l, PLAN_RFC); /* redirects are believed under this profile; so are source routes */
    OP(l, NOW_, OP_SOCKET, DGRAM);
    OP(l, NOW_, OP_SENDTO, 0, ADDR_FAR, PORT_53, 0, 100, 0);
    OP(l, D1MS, OP_ICMP_ERROR, 5, 1, 10, 0, 0, 2, 40, 255, 1);
    OP(l, NOW_, OP_SENDTO, 0, ADDR_FAR, PORT_53, 0, 100, 0);
    OP(l, NOW_, OP_ICMP_ERROR, 3, 4, 0, 0, 2, 88, 40, 255, 0);
    OP(l, NOW_, OP_SENDTO, 0, ADDR_FAR, PORT_53, 4, 0, 0);
    OP(l, NOW_, OP_CONFIG, 2, 0, 1, 0);
    OP(l, NOW_, OP_CONFIG, 2, 0, 0, 0);
    OP(l, D2H, OP_SENDTO, 0, ADDR_FAR, PORT_53, 4, 0, 0);
    end(l, "redirect");

    begin(l, 0);
    OP(l, NOW_, OP_SOCKET, DGRAM);
    OP(l, NOW_, OP_BIND, 0, ADDR_ANY, PORT_53);
    OP(l, NOW_, OP_SETOPT, 0, 29, 0, 0, 0, 13);
    OP(l, NOW_, OP_UDP, 0, 0, 13, 5, PORT_53, 10, 0);
    OP(l, NOW_, OP_SENDTO, 0, 13, PORT_53, 0, 100, 0);
    OP(l, NOW_, OP_RECV, 0, 1, 0, 0);
    OP(l, NOW_, OP_SETOPT, 0, 30, 0, 0, 0, 13);
    OP(l, NOW_, OP_SETOPT, 0, 29, 0, 0, 0, 12);
    OP(l, NOW_, OP_CLOSE, 0);
    end(l, "multicast");

    begin(l, PLAN_REPLAY); /* more neighbours than there may be */
    static const char thresh1[] = "\377net.ipv4.neigh.default.gc_thresh1=2";
    static const char thresh3[] = "\377net.ipv4.neigh.default.gc_thresh3=6";
    add(l, NOW_, OP_KNOB, (const uint8_t *)thresh1, sizeof thresh1 - 1);
    add(l, NOW_, OP_KNOB, (const uint8_t *)thresh3, sizeof thresh3 - 1);
    OP(l, NOW_, OP_SOCKET, DGRAM);
    OP(l, NOW_, OP_SENDTO, 0, ADDR_UNKNOWN, PORT_53, 0, 20, 0);
    OP(l, NOW_, OP_SENDTO, 0, 18, PORT_53, 0, 20, 0);
    for (uint8_t i = 0; i < 12; i++) {
        OP(l, NOW_, OP_ARP, 0, 1, ADDR_PEER, ADDR_US, (uint8_t)(0x41 + 2 * i));
    }
    OP(l, NOW_, OP_SENDTO, 0, ADDR_UNKNOWN, PORT_53, 0, 20, 0);
    OP(l, D300S, OP_TIME, 10);
    end(l, "arp-full");

    begin(l, 0);
    for (uint8_t i = 0; i < 12; i++) {
        OP(l, NOW_, OP_ARP, 0, 1, ADDR_PEER, ADDR_US, (uint8_t)(0x41 + 2 * i));
    }
    OP(l, D300S, OP_TIME, 10);
    end(l, "arp-many");

    begin(l, PLAN_CLOSE);
    server(l, ALL_OPTS);
    OP(l, NOW_, OP_FAULT, 3);
    OP(l, D1MS, OP_SEGMENT, 0, TCP_ACK | TCP_PSH, 0, 0, WND, SEG_TS, 200, 0);
    OP(l, NOW_, OP_SEND, 1, 0x10, 0, 0);
    OP(l, NOW_, OP_SOCKET, DGRAM);
    OP(l, NOW_, OP_SENDTO, 2, ADDR_UNKNOWN, PORT_53, 0, 20, 0);
    OP(l, NOW_, OP_FAULT, 0);
    OP(l, D1S, OP_TIME, 10);
    end(l, "no-memory");
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: make_corpus DIRECTORY\n");
        return 2;
    }
    root = argv[1];
    headers();
    captures();
    lives();
    return 0;
}

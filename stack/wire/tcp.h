/* wire/tcp.h: the TCP header and its options (RFC 9293, 7323, 2018, 7413). */
#ifndef WIRE_TCP_H
#define WIRE_TCP_H

#include "core/seq.h"
#include "wire/wire.h"

#define TCP_HLEN     20
#define TCP_MAX_HLEN 60

enum tcp_flags {
    TCP_FIN = 0x01, TCP_SYN = 0x02, TCP_RST = 0x04, TCP_PSH = 0x08, TCP_ACK = 0x10,
    TCP_URG = 0x20, TCP_ECE = 0x40, TCP_CWR = 0x80, TCP_AE = 0x100,
};

enum tcp_opt_kind {
    TCPOPT_EOL_ = 0, TCPOPT_NOP_ = 1, TCPOPT_MSS_ = 2, TCPOPT_WSCALE_ = 3, TCPOPT_SACK_PERM_ = 4,
    TCPOPT_SACK_ = 5, TCPOPT_TS_ = 8, TCPOPT_UTO_ = 28, TCPOPT_FASTOPEN_ = 34, TCPOPT_EXP_ = 254,
};

struct tcp_sack_block {
    tcp_seq left, right; /* [left, right) */
};

/* What the options said. `has_*` tells whether the option was there with its legal length; an
 * option with a wrong length for its kind (but a sane one) is skipped as unknown. The first MSS,
 * WSCALE, TS … counts; repeats are ignored. */
struct tcp_opts {
    bool has_mss, has_wscale, has_sack_perm, has_ts, has_fastopen, has_uto;
    uint16_t mss;
    uint16_t uto;           /* User Timeout (RFC 5482): the field, with its G bit */
    uint8_t wscale;         /* as sent; > 14 is to be used as 14 (RFC 7323 2.3) */
    uint32_t ts_val, ts_ecr;
    uint8_t nsack;          /* 0..4 */
    struct tcp_sack_block sack[4];
    bool fastopen_exp;      /* in the experimental option: kind 254, magic 0xf989 */
    uint8_t fastopen_len;   /* 0 = cookie request, or 4..16 */
    uint8_t fastopen[16];
    uint8_t unknown;        /* options of other kinds that were skipped */
};

struct tcp_hdr {
    uint16_t sport, dport;
    tcp_seq seq, ack;
    uint16_t flags;   /* enum tcp_flags, 9 bits */
    uint8_t reserved; /* the 3 bits behind the data offset, as read; emitted as zero */
    uint16_t wnd;     /* raw field, unscaled */
    uint16_t csum;    /* as read */
    uint16_t urp;
    uint8_t hlen;     /* bytes, 20..60 */
    uint8_t raw_len;  /* option bytes as on the wire */
    uint8_t raw[40];
    struct tcp_opts o;
};

/* Parses a segment's header in [b, b+n). SHORT: n < 20. BAD_LENGTH: data offset < 5 or beyond n.
 * BAD_OPTION: an option length of 0 or 1 or beyond the header (what came before it is in h->o).
 * The checksum is the caller's (it needs the addresses and the payload). */
enum wire_status tcp_parse(struct tcp_hdr *h, const uint8_t *b, size_t n);
/* Writes the header from h: options are h->raw[0..raw_len) when raw_len is non-zero (padded with
 * EOL to 4), none otherwise. Checksum field zero. Returns hlen, at most 60. */
size_t tcp_emit(const struct tcp_hdr *h, uint8_t *b);

/* How the options are laid out: Linux's order and alignment (pkt-language "5.3"), or plainly in
 * kind order with NOPs in front for alignment. */
enum tcp_opt_style { TCP_OPTS_LINUX, TCP_OPTS_PLAIN };
/* Lays out h->o into h->raw / raw_len (a multiple of 4), dropping SACK blocks (and a Fast Open
 * cookie) that don't fit into 40 bytes. `syn` says that it is a SYN or SYN-ACK (MSS, WSCALE,
 * SACK-permitted and Fast Open only there; SACK blocks only elsewhere). Sets hlen too. Returns
 * raw_len. */
unsigned tcp_opts_layout(struct tcp_hdr *h, bool syn, enum tcp_opt_style style);

#endif

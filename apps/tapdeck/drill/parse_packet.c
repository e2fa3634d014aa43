/* drill/parse_packet.c: packets.
 *
 *     packet := ('<' | '>') [ipinfo] (tcp | 'udp' … | 'icmp' …)
 *     tcp    := [sport '>' dport] flags seq ':' seq '(' len ')' ['ack' N] ['win' N] ['urg' N]
 *               ['<' options '>']
 *
 * Theory of operation. Three places where the notation is not what it seems. Flags are characters,
 * not tokens (`S.5` would be a word and a float), so the lexer is set back and read by hand. `80 >
 * 1234 S` and `5 1:1(0)` both begin with an integer: what follows decides between a port and an ACE
 * counter. And a `<` behind a segment opens its options, because an event can't begin with one.
 *
 * Packets within packets (`ipv4 A > B:`, gre, mpls, psp) are not supported: everything up to the
 * next line that begins with a time is passed over.
 */
#include "tapdeck/drill/names.h"
#include "tapdeck/drill/parse.h"
#include "wire/icmp.h"
#include "wire/tcp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DATAGRAM_MAX 65535
#define IP_HEADER    20
#define JOINED_MAX   (1u << 30) /* payload of an outbound segment, joined from many */

/* ---- the IP header ---- */

static bool parse_hex(struct parser *p, uint64_t max, const char *what, uint64_t *v)
{
    if (p->t.kind != TOKEN_HEX || p->t.n > 18)
        return parse_expected(p, what);
    char digits[20];
    memcpy(digits, p->t.s, p->t.n);
    digits[p->t.n] = '\0';
    *v = strtoull(digits, NULL, 16);
    if (*v > max)
        return parse_expected(p, what);
    parse_next(p);
    return true;
}

static bool parse_ip_item(struct parser *p, struct drill_packet *k)
{
    uint64_t v;
    for (enum drill_ecn e = DRILL_NOECN; e <= DRILL_ECT01; e++) {
        if (token_is(&p->t, ecn_names[e])) {
            k->ecn = e;
            parse_next(p);
            return true;
        }
    }
    if (token_is(&p->t, "tos")) {
        parse_next(p);
        if (!parse_hex(p, 0xff, "a TOS octet from 0x00 to 0xff", &v))
            return false;
        k->ecn = DRILL_TOS;
        k->tos = (uint8_t)v;
        return true;
    }
    if (token_is(&p->t, "ttl")) {
        parse_next(p);
        if (!parse_number(p, 255, "a TTL", &v))
            return false;
        k->has_ttl = true;
        k->ttl = (uint8_t)v;
        return true;
    }
    if (token_is(&p->t, "flowlabel")) {
        parse_unsupported(p, &p->t, "flow labels are IPv6's, which is not supported");
        parse_next(p);
        return parse_hex(p, 0xfffff, "a flow label from 0x0 to 0xfffff", &v);
    }
    return parse_expected(p, "noecn, ect0, ect1, ect01, ce, tos 0xHH or ttl N");
}

static bool parse_ip_info(struct parser *p, struct drill_packet *k)
{
    char close = token_punct(&p->t, '(') ? ')' : token_punct(&p->t, '[') ? ']' : '\0';
    if (close == '\0')
        return true;
    do {
        parse_next(p);
        if (!parse_ip_item(p, k))
            return false;
    } while (token_punct(&p->t, ','));
    return parse_punct(p, close, close == ')' ? "')' or ','" : "']' or ','");
}

static bool parse_ports(struct parser *p, struct drill_packet *k)
{
    struct token after = parse_peek(p);
    if (p->t.kind != TOKEN_INT || !token_punct(&after, '>'))
        return true;
    k->has_ports = true;
    if (!parse_u16(p, "a port", &k->sport))
        return false;
    parse_next(p);
    return parse_u16(p, "a port", &k->dport);
}

/* ---- lengths ---- */

/* "(len)" */
static bool parse_len(struct parser *p, uint32_t max, uint32_t *len)
{
    uint64_t n;
    if (!parse_punct(p, '(', "'(' and the number of bytes") ||
        !parse_number(p, max, "a number of bytes", &n) || !parse_punct(p, ')', "')'"))
        return false;
    *len = (uint32_t)n;
    return true;
}

/* "seq:seq(len)" */
static bool parse_range(struct parser *p, uint32_t max, struct drill_packet *k)
{
    uint32_t end;
    struct token t;
    if (!parse_seq(p, "a sequence number", &k->seq) ||
        !parse_punct(p, ':', "':' between two sequence numbers"))
        return false;
    t = p->t;
    if (!parse_seq(p, "a sequence number", &end) || !parse_len(p, max, &k->len))
        return false;
    if (end != (uint32_t)(k->seq + k->len)) {
        char right[60];
        snprintf(right, sizeof(right), "%u:%u(%u)", k->seq, (uint32_t)(k->seq + k->len), k->len);
        return parse_refuse(
            p, &t, right,
            "the numbers don't agree: %u and %u bytes make %u, not %u (SYN and FIN aren't "
            "counted)",
            k->seq, k->len, (uint32_t)(k->seq + k->len), end);
    }
    return true;
}

static uint32_t payload_max(const struct drill_packet *k)
{
    uint32_t header = k->proto == DRILL_TCP ? TCP_HLEN : 8;
    return k->inbound ? DATAGRAM_MAX - IP_HEADER - header : JOINED_MAX;
}

/* ---- TCP options ---- */

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A blob of hex digits, which scans as an integer or a word. None is right, too, if `may_lack`. */
static bool parse_blob(struct parser *p, struct drill_opt *o, size_t max, bool may_lack)
{
    bool there = p->t.kind == TOKEN_INT || p->t.kind == TOKEN_WORD;
    char what[60];
    if (!there && may_lack)
        return true;
    snprintf(what, sizeof(what), "an even number of hex digits, at most %zu", 2 * max);
    if (!there || p->t.n % 2 != 0 || p->t.n > 2 * max)
        return parse_expected(p, what);
    for (size_t i = 0; i < p->t.n; i += 2) {
        int high = hex_value(p->t.s[i]), low = hex_value(p->t.s[i + 1]);
        if (high < 0 || low < 0)
            return parse_expected(p, what);
        o->bytes[o->n++] = (uint8_t)(high << 4 | low);
    }
    parse_next(p);
    return true;
}

static bool parse_sack(struct parser *p, struct drill_opt *o)
{
    uint32_t block[4][2];
    do {
        if (o->n == 4)
            return parse_expected(p, "at most four SACK blocks");
        if (!parse_seq(p, "a SACK block such as 1001:2001", &block[o->n][0]) ||
            !parse_punct(p, ':', "':' within a SACK block") ||
            !parse_seq(p, "the end of a SACK block", &block[o->n][1]))
            return false;
        o->n++;
    } while (p->t.kind == TOKEN_INT);
    o->sack = parse_take(p, o->n * sizeof(o->sack[0]));
    if (o->sack == NULL)
        return false;
    memcpy(o->sack, block, o->n * sizeof(o->sack[0]));
    return true;
}

/* The counters of an AccECN option: the first of them tells the order, which must hold. */
static bool parse_accecn(struct parser *p, struct drill_opt *o)
{
    uint64_t v;
    o->order1 = token_is(&p->t, "e1b");
    const char *const *names = accecn_names[o->order1];
    while (p->t.kind == TOKEN_WORD) {
        if (o->n == 3 || !token_is(&p->t, names[o->n]))
            return parse_expected(p, o->order1 ? "e1b N ceb N e0b N" : "e0b N ceb N e1b N");
        parse_next(p);
        if (!parse_number(p, 0xffffff, "a counter of 24 bits", &v))
            return false;
        o->count[o->n++] = (uint32_t)v;
    }
    return true;
}

static bool parse_ts(struct parser *p, struct drill_opt *o)
{
    return parse_word(p, "val") && parse_seq(p, "a timestamp", &o->v[0]) && parse_word(p, "ecr") &&
           parse_seq(p, "a timestamp", &o->v[1]);
}

static bool parse_opt(struct parser *p, struct drill_opt *o)
{
    static const struct {
        const char *word;
        enum drill_opt_kind kind;
    } words[] = {
        {"eol", DRILL_OPT_EOL},       {"nop", DRILL_OPT_NOP},       {"mss", DRILL_OPT_MSS},
        {"wscale", DRILL_OPT_WSCALE}, {"sackOK", DRILL_OPT_SACKOK}, {"sack", DRILL_OPT_SACK},
        {"TS", DRILL_OPT_TS},         {"FO", DRILL_OPT_FO},         {"FOEXP", DRILL_OPT_FOEXP},
        {"md5", DRILL_OPT_MD5},       {"ECN", DRILL_OPT_ACCECN},
    };
    const size_t n = sizeof words / sizeof words[0];
    uint64_t v = 0;
    size_t i = 0;
    memset(o, 0, sizeof(*o));
    while (i < n && !token_is(&p->t, words[i].word))
        i++;
    if (i == n)
        return parse_expected(
            p, "a TCP option: mss, wscale, sackOK, nop, eol, TS, sack, FO, FOEXP, md5 or "
               "ECN");
    o->kind = words[i].kind;
    parse_next(p);
    bool ok = true;
    switch (o->kind) {
    case DRILL_OPT_MSS:
        ok = parse_number(p, UINT16_MAX, "an MSS", &v);
        o->v[0] = (uint32_t)v;
        break;
    case DRILL_OPT_WSCALE:
        ok = parse_number(p, UINT8_MAX, "a window scale", &v);
        o->v[0] = (uint32_t)v;
        break;
    case DRILL_OPT_SACK:
        return parse_sack(p, o);
    case DRILL_OPT_TS:
        return parse_ts(p, o);
    case DRILL_OPT_FO:
        return parse_blob(p, o, 38, true);
    case DRILL_OPT_FOEXP:
        return parse_blob(p, o, 36, true);
    case DRILL_OPT_MD5:
        return parse_blob(p, o, 38, false);
    case DRILL_OPT_ACCECN:
        return parse_accecn(p, o);
    default:
        break;
    }
    return ok;
}

/* From behind the '<'. */
static bool parse_opts(struct parser *p, struct drill_packet *k, const struct token *open)
{
    struct drill_opt opt[DRILL_OPTS_MAX];
    size_t bytes = 0;
    if (p->t.kind == TOKEN_ELLIPSIS) {
        struct token t = p->t;
        k->any_opts = true;
        parse_next(p);
        if (k->inbound)
            return parse_refuse(
                p, &t, "the options to send",
                "<...> leaves the options of a packet to the stack: one that the script "
                "sends needs them spelled out");
        return parse_punct(p, '>', "'>'");
    }
    for (;;) {
        struct token t = p->t;
        if (k->nopts == DRILL_OPTS_MAX)
            return parse_refuse(p, &t, "at most 40 bytes of options", "more than 40 TCP options");
        if (!parse_opt(p, &opt[k->nopts]))
            return false;
        bytes += drill_opt_size(&opt[k->nopts++]);
        if (bytes > DRILL_OPTS_MAX)
            return parse_refuse(
                p, &t, "at most 40 bytes of options",
                "with this TCP option they take %zu bytes: a header has room for 40", bytes);
        if (!token_punct(&p->t, ','))
            break;
        parse_next(p);
    }
    if (!parse_punct(p, '>', "',' or '>'"))
        return false;
    if (bytes % 4 != 0)
        return parse_refuse(
            p, open, "a multiple of 4 bytes",
            "these TCP options take %zu bytes: they must fill a multiple of 4 (nop and eol "
            "take one each)",
            bytes);
    k->opt = parse_take(p, k->nopts * sizeof(k->opt[0]));
    if (k->opt == NULL)
        return false;
    memcpy(k->opt, opt, k->nopts * sizeof(k->opt[0]));
    return true;
}

/* ---- TCP ---- */

static bool flag(struct drill_packet *k, char c)
{
    uint16_t bit = 0;
    if (c >= '0' && c <= '7') {
        unsigned ace = (unsigned)(c - '0');
        bit =
            (uint16_t)((ace & 4 ? TCP_AE : 0) | (ace & 2 ? TCP_CWR : 0) | (ace & 1 ? TCP_ECE : 0));
        if (k->has_ace || (k->flags & (TCP_AE | TCP_CWR | TCP_ECE)) != 0)
            return false;
        k->has_ace = true;
        k->flags |= bit;
        return true;
    }
    for (size_t i = 0; i < flag_letters_n; i++)
        bit = flag_letters[i].letter == c ? flag_letters[i].bit : bit;
    if (bit == 0 || (k->flags & bit) != 0 || (k->has_ace && strchr("EWA", c) != NULL))
        return false;
    k->flags |= bit;
    return true;
}

static bool flag_char(char c)
{
    return c == '.' || c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
           (c >= 'A' && c <= 'Z');
}

static bool parse_flags(struct parser *p, struct drill_packet *k)
{
    static const char what[] = "TCP flags (S F R P U E W A . or a digit 0 to 7, or a lone '-')";
    const struct token t = p->t;
    struct token run = t;
    if (t.kind == TOKEN_END || t.kind == TOKEN_BAD)
        return parse_expected(p, what);
    if (token_punct(&t, '-')) {
        parse_next(p);
        return true;
    }
    if (!t.replaced) {
        /* The lexer goes back to where the token began: flags may end within the next one. */
        run.n = 0;
        while (t.s + run.n < p->lex.end && flag_char(t.s[run.n]))
            run.n++;
        p->lex.p = t.s + run.n;
        p->lex.line = t.line;
        p->lex.line_start = t.s - (t.col - 1);
    }
    run.kind = TOKEN_WORD;
    for (size_t i = 0; i < run.n; i++) {
        if (!flag(k, run.s[i])) {
            p->t = run;
            return parse_expected(p, what);
        }
    }
    if (run.n == 0)
        return parse_expected(p, what);
    parse_next(p);
    return true;
}

static bool parse_tcp(struct parser *p, struct drill_packet *k)
{
    if (!parse_ports(p, k) || !parse_flags(p, k) || !parse_range(p, payload_max(k), k))
        return false;
    if (token_is(&p->t, "ack")) {
        parse_next(p);
        k->has_ack = true;
        if (!parse_seq(p, "an acknowledgment number", &k->ack))
            return false;
    }
    if (token_is(&p->t, "win")) {
        parse_next(p);
        k->has_win = true;
        if (!parse_u16(p, "a window", &k->win))
            return false;
    } else if (k->inbound) {
        return parse_expected(p, "'win N': a segment that the script sends needs a window");
    }
    if (token_is(&p->t, "urg")) {
        parse_next(p);
        k->has_urg = true;
        if (!parse_u16(p, "an urgent pointer", &k->urg))
            return false;
    }
    if (!token_punct(&p->t, '<'))
        return true;
    struct token open = p->t;
    parse_next(p);
    return parse_opts(p, k, &open);
}

/* ---- ICMP ---- */

/* "type_12": the number, or -1. */
static int numbered(const struct token *t, const char *prefix)
{
    size_t n = strlen(prefix);
    int v = 0;
    if (t->kind != TOKEN_WORD || t->n <= n || t->n > n + 3 || memcmp(t->s, prefix, n) != 0)
        return -1;
    for (size_t i = n; i < t->n; i++) {
        if (t->s[i] < '0' || t->s[i] > '9')
            return -1;
        v = v * 10 + (t->s[i] - '0');
    }
    return v <= 255 ? v : -1;
}

static bool parse_icmp_type(struct parser *p, struct drill_packet *k)
{
    int v = numbered(&p->t, "type_");
    for (size_t i = 0; v < 0 && i < icmp_types_n; i++)
        v = token_is(&p->t, icmp_types[i].name) ? icmp_types[i].type : -1;
    if (v < 0 && p->s->options.ip_version != DRILL_IPV4 && p->t.kind == TOKEN_WORD)
        v = 0; /* ICMPv6 has names of its own; the script is unsupported already */
    if (v < 0)
        return parse_expected(p, "an ICMP type: unreachable, time_exceeded, parameter_problem, "
                                 "source_quench, redirect, echo_request, echo_reply or type_N");
    k->icmp_type = (uint8_t)v;
    parse_next(p);
    return true;
}

static bool parse_icmp_code(struct parser *p, struct drill_packet *k)
{
    if (p->t.kind != TOKEN_WORD || token_is(&p->t, "mtu") || token_is(&p->t, "id"))
        return true;
    int v = numbered(&p->t, "code_");
    for (size_t i = 0; v < 0 && i < icmp_codes_n; i++) {
        if (icmp_codes[i].type == k->icmp_type && token_is(&p->t, icmp_codes[i].name))
            v = icmp_codes[i].code;
    }
    if (v < 0 && p->s->options.ip_version != DRILL_IPV4)
        v = 0;
    if (v < 0)
        return parse_expected(p,
                              k->icmp_type == ICMP_UNREACHABLE
                                  ? "a code: net_unreachable, host_unreachable, port_unreachable, "
                                    "frag_needed … or code_N"
                                  : "a code of this ICMP type, or code_N");
    k->icmp_code = (uint8_t)v;
    parse_next(p);
    return true;
}

static bool parse_quote(struct parser *p, struct drill_packet *k)
{
    const uint32_t max = payload_max(k);
    if (!token_punct(&p->t, '['))
        return true;
    parse_next(p);
    k->quote = token_is(&p->t, "udp")   ? DRILL_QUOTE_UDP
               : token_is(&p->t, "raw") ? DRILL_QUOTE_RAW
                                        : DRILL_QUOTE_TCP;
    if (k->quote == DRILL_QUOTE_TCP) {
        if (p->t.kind != TOKEN_INT)
            return parse_expected(p, "seq:seq(len), udp (len) or raw (len)");
        /* What is quoted is what the stack sent: it may have been many segments. */
        if (!parse_range(p, JOINED_MAX, k))
            return false;
    } else {
        parse_next(p);
        if (!parse_len(p, max, &k->len))
            return false;
    }
    return parse_punct(p, ']', "']'");
}

static bool parse_icmp(struct parser *p, struct drill_packet *k)
{
    if (!parse_icmp_type(p, k) || !parse_icmp_code(p, k))
        return false;
    if (token_is(&p->t, "mtu")) {
        bool needed = k->icmp_type == ICMP_UNREACHABLE && k->icmp_code == 4;
        if (!needed && p->s->options.ip_version == DRILL_IPV4)
            return parse_expected(p, "no mtu: only `unreachable frag_needed` has one");
        parse_next(p);
        k->has_mtu = true;
        if (!parse_u16(p, "an MTU", &k->mtu))
            return false;
    }
    if (token_is(&p->t, "id")) {
        parse_next(p);
        k->has_id = true;
        if (!parse_u16(p, "an identifier", &k->id))
            return false;
    }
    return parse_quote(p, k);
}

/* ---- packets ---- */

/* Is it a packet within a packet? */
static bool tunnelled(const struct token *t)
{
    static const char *const words[] = {"ipv4", "ipv6", "gre", "mpls", "psp"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (token_is(t, words[i]))
            return true;
    }
    return false;
}

/* To the next line that begins as an event does. */
static bool skip_event(struct parser *p)
{
    do {
        if (p->t.kind == TOKEN_BAD)
            return parse_expected(p, "a packet");
        parse_next(p);
    } while (p->t.kind != TOKEN_END &&
             !(p->t.newline &&
               (token_punct(&p->t, '+') || token_punct(&p->t, '*') || p->t.kind == TOKEN_INT ||
                p->t.kind == TOKEN_FLOAT || p->t.kind == TOKEN_SHELL)));
    return true;
}

static bool skip_tunnelled(struct parser *p, bool *skipped)
{
    int n = (int)(p->t.n < 20 ? p->t.n : 20);
    parse_unsupported(p, &p->t, "packets with the layer %.*s are not supported", n, p->t.s);
    *skipped = true;
    return skip_event(p);
}

static bool parse_udp(struct parser *p, struct drill_packet *k, bool *skipped)
{
    if (!parse_ports(p, k))
        return false;
    if (tunnelled(&p->t))
        return skip_tunnelled(p, skipped);
    return parse_len(p, payload_max(k), &k->len);
}

bool parse_packet(struct parser *p, struct drill_packet *k, bool *skipped)
{
    k->inbound = token_punct(&p->t, '<');
    parse_next(p);
    if (!parse_ip_info(p, k))
        return false;
    if (tunnelled(&p->t))
        return skip_tunnelled(p, skipped);
    if (token_is(&p->t, "udp")) {
        k->proto = DRILL_UDP;
        parse_next(p);
        return parse_udp(p, k, skipped);
    }
    if (token_is(&p->t, "icmp")) {
        k->proto = DRILL_ICMP;
        parse_next(p);
        return parse_icmp(p, k);
    }
    k->proto = DRILL_TCP;
    return parse_tcp(p, k);
}

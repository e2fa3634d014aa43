/* ip/nf/grammar.c: iptables' words into rules.
 *
 * A line is split into words as iptables-restore does: blanks separate, quotes keep together, a backslash in them
 * takes the next character as it is. The words are then read from left to right, each option by the function that the
 * table at the end names for it. Options of a match are known once their match is loaded, by -m or, for tcp, udp and icmp,
 * by -p; said without it they are refused, as iptables does, with the word that is missing.
 *
 * Whatever is wrong is said in one sentence: which word, and what would have been right.
 */
#include "ip/nf/nf_internal.h"

#include "wire/tcp.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- words ---- */

int nf_words(char *line, char **word, int max, char *msg, size_t msg_size)
{
    char *to = line, *from = line;
    int n = 0;

    for (;;) {
        char quote = '\0';

        from += strspn(from, " \t\r");
        if (*from == '\0')
            return n;
        if (n == max) {
            (void)snprintf(msg, msg_size, "a line has at most %d words", max);
            return -1;
        }
        word[n++] = to;
        for (; *from != '\0' && (quote != '\0' || strchr(" \t\r", *from) == NULL); from++) {
            if (quote == '\0' && (*from == '"' || *from == '\'')) {
                quote = *from;
            } else if (quote != '\0' && *from == quote) {
                quote = '\0';
            } else {
                if (quote == '"' && *from == '\\' && from[1] != '\0')
                    from++;
                *to++ = *from;
            }
        }
        if (quote != '\0') {
            (void)snprintf(msg, msg_size, "a quote (%c) is opened and not closed", quote);
            return -1;
        }
        if (*from != '\0')
            from++;
        *to++ = '\0';
    }
}

/* ---- the reader ---- */

enum { MOD_TCP = 1, MOD_UDP = 2, MOD_ICMP = 4, MOD_MULTIPORT = 8, MOD_STATE = 16, MOD_CONNTRACK = 32, MOD_LIMIT = 64,
       MOD_TTL = 128, MOD_COMMENT = 256 };

struct parse {
    struct td_stack *st;
    const struct nf_ruleset *s;
    int argc, at; /* the word in hand */
    char **argv;
    struct nf_cmd *cmd;
    struct nf_rule *r;
    unsigned mods;
    const char *target; /* the word after -j or -g */
    bool jump_goto, not, clamp, has_target_option;
    char *msg;
    size_t msg_size;
};

static bool bad(struct parse *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static bool bad(struct parse *p, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(p->msg, p->msg_size, fmt, ap);
    va_end(ap);
    return false;
}

static const char *word_of(const struct parse *p)
{
    return p->argv[p->at];
}

/* The next word, which belongs to the one in hand; NULL: there is none (said). */
static const char *value_of(struct parse *p, const char *what)
{
    if (p->at + 1 >= p->argc) {
        (void)bad(p, "'%s' needs %s behind it", word_of(p), what);
        return NULL;
    }
    return p->argv[++p->at];
}

/* Decimal digits up to `end`; false: none, or more than max. */
static bool number(const char **s, uint64_t max, uint64_t *out)
{
    uint64_t v = 0;
    const char *at = *s;

    if (*at < '0' || *at > '9')
        return false;
    for (; *at >= '0' && *at <= '9'; at++) {
        v = v * 10 + (uint64_t)(*at - '0');
        if (v > max)
            return false;
    }
    *s = at;
    *out = v;
    return true;
}

static bool whole_number(const char *s, uint64_t max, uint64_t *out)
{
    return number(&s, max, out) && *s == '\0';
}

static bool address(const char **s, td_ip4 *out)
{
    td_ip4 a = 0;
    uint64_t v;

    for (int i = 0; i < 4; i++) {
        if (i > 0 && *(*s)++ != '.')
            return false;
        if ((*s)[0] == '0' && (*s)[1] >= '0' && (*s)[1] <= '9')
            return false;
        if (!number(s, 255, &v))
            return false;
        a = a << 8 | (td_ip4)v;
    }
    *out = a;
    return true;
}

/* "10.0.0.0/8", "10.0.0.0/255.0.0.0", "10.0.0.1". */
static bool network(const char *s, td_ip4 *a, td_ip4 *mask)
{
    uint64_t len;

    *mask = TD_IP4_BROADCAST;
    if (!address(&s, a))
        return false;
    if (*s == '/') {
        const char *tail = ++s;

        if (strchr(s, '.') != NULL) {
            if (!address(&s, mask))
                return false;
        } else {
            if (!number(&tail, 32, &len))
                return false;
            s = tail;
            *mask = ip4_mask((unsigned)len);
        }
    }
    *a &= *mask;
    return *s == '\0';
}

static bool port_number(const char **s, uint16_t *out)
{
    static const struct {
        const char *name;
        uint16_t port;
    } known[] = {{"ftp", 21}, {"ssh", 22}, {"telnet", 23}, {"smtp", 25}, {"domain", 53}, {"http", 80},
                 {"ntp", 123}, {"https", 443}};
    uint64_t v;
    size_t n = strspn(*s, "abcdefghijklmnopqrstuvwxyz");

    for (unsigned i = 0; n > 0 && i < sizeof known / sizeof known[0]; i++)
        if (strlen(known[i].name) == n && strncmp(*s, known[i].name, n) == 0) {
            *s += n;
            *out = known[i].port;
            return true;
        }
    if (!number(s, 65535, &v))
        return false;
    *out = (uint16_t)v;
    return true;
}

/* "80", "80:90", ":90", "80:" with that separator. */
static bool port_range(const char **s, char sep, uint16_t p[2])
{
    p[0] = 0;
    if (**s != sep && !port_number(s, &p[0]))
        return false;
    p[1] = p[0];
    if (**s != sep)
        return true;
    (*s)++;
    if (**s == '\0' || **s == ',')
        p[1] = 65535;
    else if (!port_number(s, &p[1]))
        return false;
    return p[0] <= p[1];
}

static bool take_not(struct parse *p, uint32_t m)
{
    if ((p->r->match & m) != 0)
        return bad(p, "'%s' is said twice", word_of(p));
    p->r->match |= m;
    if (p->not)
        p->r->not |= m;
    p->not = false;
    return true;
}

static bool no_not(struct parse *p)
{
    return !p->not || bad(p, "'!' can't stand before '%s'", word_of(p));
}

/* ---- addresses, interfaces, protocol ---- */

static bool opt_net(struct parse *p, uint32_t m, td_ip4 *a, td_ip4 *mask)
{
    const char *v;

    if (!take_not(p, m) || (v = value_of(p, "an address or network")) == NULL)
        return false;
    if (!network(v, a, mask))
        return bad(p, "'%s' is no address or network: write it as 10.0.0.1, 10.0.0.0/8 or 10.0.0.0/255.0.0.0 (names "
                      "aren't looked up)", v);
    if (*mask == 0 && (p->r->not & m) == 0)
        p->r->match &= ~m; /* any */
    return true;
}

static bool opt_src(struct parse *p)
{
    return opt_net(p, NF_M_SRC, &p->r->src, &p->r->smask);
}

static bool opt_dst(struct parse *p)
{
    return opt_net(p, NF_M_DST, &p->r->dst, &p->r->dmask);
}

static bool opt_if(struct parse *p, uint32_t m, char name[NF_IFNAME_LEN])
{
    const char *v;

    if (!take_not(p, m) || (v = value_of(p, "an interface's name")) == NULL)
        return false;
    if (*v == '\0' || strlen(v) >= NF_IFNAME_LEN || v[strcspn(v, " /!\"'\\")] != '\0' || *v == '-')
        return bad(p, "'%s' is no interface's name: up to %d letters, with + at the end for all that begin so", v,
                   NF_IFNAME_LEN - 1);
    memcpy(name, v, strlen(v) + 1);
    return true;
}

static bool opt_in(struct parse *p)
{
    return opt_if(p, NF_M_IN, p->r->in);
}

static bool opt_out(struct parse *p)
{
    return opt_if(p, NF_M_OUT, p->r->out);
}

static bool opt_proto(struct parse *p)
{
    const char *v;
    char buf[8];
    uint64_t n;

    if (!take_not(p, NF_M_PROTO) || (v = value_of(p, "a protocol")) == NULL)
        return false;
    for (unsigned i = 1; i < 256; i++)
        if (strcmp(nf_proto_name((uint8_t)i, buf), v) == 0) {
            p->r->proto = (uint8_t)i;
            return true;
        }
    if (whole_number(v, 255, &n) && n != 0) {
        p->r->proto = (uint8_t)n;
        return true;
    }
    if ((strcmp(v, "all") == 0 || strcmp(v, "0") == 0) && (p->r->not & NF_M_PROTO) == 0) {
        p->r->match &= ~(uint32_t)NF_M_PROTO;
        return true;
    }
    return bad(p, "'%s' is no protocol: write tcp, udp, icmp, all or a number up to 255", v);
}

static bool opt_frag(struct parse *p)
{
    return take_not(p, NF_M_FRAG);
}

/* ---- matches ---- */

static bool opt_match(struct parse *p)
{
    static const struct {
        const char *name;
        unsigned mod;
    } mods[] = {{"tcp", MOD_TCP}, {"udp", MOD_UDP}, {"icmp", MOD_ICMP}, {"multiport", MOD_MULTIPORT},
                {"state", MOD_STATE}, {"conntrack", MOD_CONNTRACK}, {"limit", MOD_LIMIT}, {"ttl", MOD_TTL},
                {"comment", MOD_COMMENT}};
    const char *v;

    if (!no_not(p) || (v = value_of(p, "a match")) == NULL)
        return false;
    for (unsigned i = 0; i < sizeof mods / sizeof mods[0]; i++)
        if (strcmp(v, mods[i].name) == 0) {
            p->mods |= mods[i].mod;
            if (mods[i].mod <= MOD_ICMP)
                p->r->match |= NF_M_MOD;
            return true;
        }
    return bad(p, "there is no match '%s' here: there are tcp, udp, icmp, multiport, state, conntrack, limit, ttl and "
                  "comment", v);
}

static bool positive(const struct parse *p, uint8_t proto)
{
    return (p->r->match & NF_M_PROTO) != 0 && (p->r->not & NF_M_PROTO) == 0 && p->r->proto == proto;
}

static bool needs_ports(struct parse *p)
{
    if (!positive(p, IPPROTO_TCP_) && !positive(p, IPPROTO_UDP_))
        return bad(p, "'%s' needs `-p tcp` or `-p udp` before it", word_of(p));
    p->r->match |= NF_M_MOD;
    return true;
}

static bool opt_ports(struct parse *p, uint32_t m, uint16_t range[2])
{
    const char *v;

    if (!needs_ports(p) || !take_not(p, m) || (v = value_of(p, "a port or a range of ports")) == NULL)
        return false;
    const char *end = v;

    if (!port_range(&end, ':', range) || *end != '\0')
        return bad(p, "'%s' is no port or range: write it as 80 or 1024:65535", v);
    return true;
}

static bool opt_sport(struct parse *p)
{
    return opt_ports(p, NF_M_SPORT, p->r->sport);
}

static bool opt_dport(struct parse *p)
{
    return opt_ports(p, NF_M_DPORT, p->r->dport);
}

static bool multiport(struct parse *p, enum nf_multiport kind)
{
    const char *v;
    unsigned slots = 0;

    if ((p->mods & MOD_MULTIPORT) == 0)
        return bad(p, "'%s' needs `-m multiport` before it", word_of(p));
    if (!positive(p, IPPROTO_TCP_) && !positive(p, IPPROTO_UDP_))
        return bad(p, "'%s' needs `-p tcp` or `-p udp` before it", word_of(p));
    if (!take_not(p, NF_M_MULTIPORT) || (v = value_of(p, "ports, with commas between them")) == NULL)
        return false;
    p->r->multiport = (uint8_t)kind;
    for (const char *at = v;; at++) {
        uint16_t range[2];

        if (!port_range(&at, ':', range) || (*at != ',' && *at != '\0'))
            return bad(p, "'%s' is no list of ports: write it as 22,80,1024:2048", v);
        slots += range[0] != range[1] ? 2 : 1;
        if (slots > NF_PORTS_MAX)
            return bad(p, "a list has at most %d ports (a range counts as two)", NF_PORTS_MAX);
        memcpy(p->r->port[p->r->nports++], range, sizeof range);
        if (*at == '\0')
            return true;
    }
}

static bool opt_sports(struct parse *p)
{
    /* iptables takes --source-port's plural without -m multiport too; we ask for it. */
    return multiport(p, NF_MP_SOURCE);
}

static bool opt_dports(struct parse *p)
{
    return multiport(p, NF_MP_DEST);
}

static bool opt_bothports(struct parse *p)
{
    return multiport(p, NF_MP_BOTH);
}

static bool flags_word(const char *v, uint8_t *out)
{
    static const char *const name[] = {"FIN", "SYN", "RST", "PSH", "ACK", "URG"};

    *out = 0;
    for (;;) {
        size_t n = strcspn(v, ",");
        unsigned i;

        for (i = 0; i < 6; i++)
            if (strlen(name[i]) == n && strncmp(v, name[i], n) == 0)
                break;
        if (i < 6)
            *out |= (uint8_t)(1U << i);
        else if (n == 3 && strncmp(v, "ALL", n) == 0)
            *out = 63;
        else if (n != 4 || strncmp(v, "NONE", n) != 0)
            return false;
        if (v[n] == '\0')
            return true;
        v += n + 1;
    }
}

static bool opt_tcp_flags(struct parse *p)
{
    const char *mask, *set;

    if (!positive(p, IPPROTO_TCP_))
        return bad(p, "'%s' needs `-p tcp` before it", word_of(p));
    p->r->match |= NF_M_MOD;
    if (!take_not(p, NF_M_TCPFLAGS) || (mask = value_of(p, "two lists of flags")) == NULL ||
        (set = value_of(p, "a second list: the flags that must be set")) == NULL)
        return false;
    if (!flags_word(mask, &p->r->tcp_mask) || !flags_word(set, &p->r->tcp_cmp))
        return bad(p, "'%s %s' are no flags: write --tcp-flags SYN,RST,ACK,FIN SYN (FIN SYN RST PSH ACK URG ALL NONE)", mask,
                   set);
    if ((p->r->tcp_cmp & ~p->r->tcp_mask) != 0)
        return bad(p, "'%s %s' can never match: the second list has flags that the first hasn't", mask, set);
    return true;
}

static bool opt_syn(struct parse *p)
{
    if (!positive(p, IPPROTO_TCP_))
        return bad(p, "'%s' needs `-p tcp` before it", word_of(p));
    p->r->match |= NF_M_MOD;
    p->r->tcp_mask = TCP_SYN | TCP_RST | TCP_ACK | TCP_FIN;
    p->r->tcp_cmp = TCP_SYN;
    return take_not(p, NF_M_TCPFLAGS);
}

static const struct icmp_name {
    const char *name;
    uint8_t type, lo, hi;
} icmp_names[] = {
    {"any", 255, 0, 255}, {"echo-reply", 0, 0, 255}, {"pong", 0, 0, 255}, {"destination-unreachable", 3, 0, 255},
    {"network-unreachable", 3, 0, 0}, {"host-unreachable", 3, 1, 1}, {"protocol-unreachable", 3, 2, 2},
    {"port-unreachable", 3, 3, 3}, {"fragmentation-needed", 3, 4, 4}, {"source-route-failed", 3, 5, 5},
    {"network-unknown", 3, 6, 6}, {"host-unknown", 3, 7, 7}, {"network-prohibited", 3, 9, 9},
    {"host-prohibited", 3, 10, 10}, {"communication-prohibited", 3, 13, 13}, {"source-quench", 4, 0, 255},
    {"redirect", 5, 0, 255}, {"echo-request", 8, 0, 255}, {"ping", 8, 0, 255}, {"time-exceeded", 11, 0, 255},
    {"ttl-exceeded", 11, 0, 255}, {"ttl-zero-during-transit", 11, 0, 0}, {"ttl-zero-during-reassembly", 11, 1, 1},
    {"parameter-problem", 12, 0, 255}, {"timestamp-request", 13, 0, 255}, {"timestamp-reply", 14, 0, 255},
};

static bool opt_icmp_type(struct parse *p)
{
    const char *v, *at;
    uint64_t type, code = 0;

    if (!positive(p, IPPROTO_ICMP_))
        return bad(p, "'%s' needs `-p icmp` before it", word_of(p));
    p->r->match |= NF_M_MOD;
    if (!take_not(p, NF_M_ICMP) || (v = value_of(p, "a type")) == NULL)
        return false;
    for (unsigned i = 0; i < sizeof icmp_names / sizeof icmp_names[0]; i++)
        if (strcmp(v, icmp_names[i].name) == 0) {
            p->r->icmp_type = icmp_names[i].type;
            p->r->icmp_code_lo = icmp_names[i].lo;
            p->r->icmp_code_hi = icmp_names[i].hi;
            return true;
        }
    at = v;
    p->r->icmp_code_hi = 255;
    if (!number(&at, 254, &type) || (*at != '\0' && *at != '/'))
        return bad(p, "'%s' is no ICMP type: write echo-request, fragmentation-needed, 8 or 3/4", v);
    p->r->icmp_type = (uint8_t)type;
    if (*at == '/') {
        if (!whole_number(at + 1, 255, &code))
            return bad(p, "'%s' has no ICMP code behind the slash: 0 to 255", v);
        p->r->icmp_code_lo = p->r->icmp_code_hi = (uint8_t)code;
    }
    return true;
}

static bool opt_states(struct parse *p, bool conntrack)
{
    static const struct {
        const char *name;
        uint8_t bit;
        bool ct;
    } names[] = {{"NEW", NF_S_NEW, false}, {"ESTABLISHED", NF_S_ESTABLISHED, false}, {"RELATED", NF_S_RELATED, false},
                 {"INVALID", NF_S_INVALID, false}, {"UNTRACKED", NF_S_UNTRACKED, false}, {"SNAT", NF_S_SNAT, true},
                 {"DNAT", NF_S_DNAT, true}};
    const char *v;

    if ((p->mods & (conntrack ? MOD_CONNTRACK : MOD_STATE)) == 0)
        return bad(p, "'%s' needs `-m %s` before it", word_of(p), conntrack ? "conntrack" : "state");
    if (!take_not(p, NF_M_STATE) || (v = value_of(p, "states, with commas between them")) == NULL)
        return false;
    p->r->ctstate = conntrack;
    for (const char *at = v;;) {
        size_t n = strcspn(at, ",");
        unsigned i;

        for (i = 0; i < sizeof names / sizeof names[0]; i++)
            if (strlen(names[i].name) == n && strncmp(at, names[i].name, n) == 0 && (conntrack || !names[i].ct))
                break;
        if (i == sizeof names / sizeof names[0])
            return bad(p, "'%s' are no states: there are NEW, ESTABLISHED, RELATED, INVALID%s", v,
                       conntrack ? ", SNAT, DNAT, UNTRACKED" : ", UNTRACKED");
        p->r->states |= names[i].bit;
        if (at[n] == '\0')
            return true;
        at += n + 1;
    }
}

static bool opt_state(struct parse *p)
{
    return opt_states(p, false);
}

static bool opt_ctstate(struct parse *p)
{
    return opt_states(p, true);
}

static bool opt_limit(struct parse *p)
{
    static const char *const unit[] = {"second", "minute", "hour", "day"};
    const char *v, *at;
    uint64_t n;

    if ((p->mods & MOD_LIMIT) == 0)
        return bad(p, "'%s' needs `-m limit` before it", word_of(p));
    if (!no_not(p) || !take_not(p, NF_M_LIMIT) || (v = value_of(p, "a rate")) == NULL)
        return false;
    at = v;
    if (number(&at, 10000, &n) && n > 0) {
        p->r->limit = (uint32_t)n;
        p->r->limit_unit = 0;
        if (*at == '\0')
            return true;
        for (unsigned i = 0; *at == '/' && at[1] != '\0' && i < 4; i++)
            if (strncmp(unit[i], at + 1, strlen(at + 1)) == 0) {
                p->r->limit_unit = (uint8_t)i;
                return true;
            }
    }
    return bad(p, "'%s' is no rate: write it as 10/second, 3/minute, 100/hour or 5/day, at most 10000", v);
}

static bool opt_limit_burst(struct parse *p)
{
    const char *v;
    uint64_t n;

    if ((p->mods & MOD_LIMIT) == 0)
        return bad(p, "'%s' needs `-m limit` before it", word_of(p));
    if (!no_not(p) || (v = value_of(p, "a number")) == NULL)
        return false;
    if (!whole_number(v, 10000, &n) || n == 0)
        return bad(p, "'%s' is no burst: 1 to 10000", v);
    p->r->burst = (uint32_t)n;
    return true;
}

static bool opt_ttl(struct parse *p, uint8_t op)
{
    const char *v;
    uint64_t n;

    if ((p->mods & MOD_TTL) == 0)
        return bad(p, "'%s' needs `-m ttl` before it", word_of(p));
    if ((op != '=' && !no_not(p)) || !take_not(p, NF_M_TTL) || (v = value_of(p, "a TTL")) == NULL)
        return false;
    if (!whole_number(v, 255, &n))
        return bad(p, "'%s' is no TTL: 0 to 255", v);
    p->r->ttl_op = op;
    p->r->ttl = (uint8_t)n;
    return true;
}

static bool opt_ttl_eq(struct parse *p)
{
    return opt_ttl(p, '=');
}

static bool opt_ttl_lt(struct parse *p)
{
    return opt_ttl(p, '<');
}

static bool opt_ttl_gt(struct parse *p)
{
    return opt_ttl(p, '>');
}

static bool printable(const char *s)
{
    for (; *s != '\0'; s++)
        if ((unsigned char)*s < ' ' || *s == 127)
            return false;
    return true;
}

static bool opt_comment(struct parse *p)
{
    const char *v;
    size_t n;

    if ((p->mods & MOD_COMMENT) == 0)
        return bad(p, "'%s' needs `-m comment` before it", word_of(p));
    if (!no_not(p) || !take_not(p, NF_M_COMMENT) || (v = value_of(p, "a text")) == NULL)
        return false;
    n = strlen(v) + 1;
    if (n > NF_COMMENT_MAX || !printable(v))
        return bad(p, "a comment has at most %d characters, none of them a control character", NF_COMMENT_MAX - 1);
    p->r->comment = mem_alloc(&p->st->mem, MEM_IP, n);
    p->cmd->no_memory = p->r->comment == NULL;
    if (p->cmd->no_memory)
        return bad(p, "there is no memory left for the rules");
    memcpy(p->r->comment, v, n);
    return true;
}

/* ---- targets ---- */

static bool opt_target(struct parse *p, bool jump_goto)
{
    if (p->target != NULL)
        return bad(p, "a rule has one target: '%s' is the second", word_of(p));
    if (!no_not(p) || (p->target = value_of(p, "a target")) == NULL)
        return false;
    p->jump_goto = jump_goto;
    static const struct {
        const char *name;
        enum nf_target target;
    } targets[] = {{"ACCEPT", NF_T_ACCEPT}, {"DROP", NF_T_DROP}, {"RETURN", NF_T_RETURN}, {"REJECT", NF_T_REJECT},
                   {"LOG", NF_T_LOG}, {"SNAT", NF_T_SNAT}, {"DNAT", NF_T_DNAT}, {"MASQUERADE", NF_T_MASQUERADE},
                   {"REDIRECT", NF_T_REDIRECT}, {"TCPMSS", NF_T_TCPMSS}};

    for (unsigned i = 0; !jump_goto && i < sizeof targets / sizeof targets[0]; i++)
        if (strcmp(p->target, targets[i].name) == 0) {
            p->r->target = (uint8_t)targets[i].target;
            return true;
        }
    p->r->target = jump_goto ? NF_T_GOTO : NF_T_JUMP; /* the chain is looked for at the end */
    return true;
}

static bool opt_jump(struct parse *p)
{
    return opt_target(p, false);
}

static bool opt_goto(struct parse *p)
{
    return opt_target(p, true);
}

static bool of_target(struct parse *p, enum nf_target t, const char *name)
{
    if (!no_not(p))
        return false;
    if (p->r->target == t)
        return true;
    return bad(p, "'%s' needs `-j %s` before it", word_of(p), name);
}

static bool opt_reject_with(struct parse *p)
{
    static const struct {
        const char *name;
        enum nf_reject r;
    } other[] = {{"port-unreach", NF_REJECT_PORT}, {"net-unreach", NF_REJECT_NET}, {"host-unreach", NF_REJECT_HOST},
                 {"proto-unreach", NF_REJECT_PROTO}, {"net-prohib", NF_REJECT_NET_PROHIB},
                 {"host-prohib", NF_REJECT_HOST_PROHIB}, {"admin-prohib", NF_REJECT_ADMIN_PROHIB},
                 {"tcp-rst", NF_REJECT_TCP_RESET}};
    const char *v;

    if (!of_target(p, NF_T_REJECT, "REJECT") || (v = value_of(p, "a kind of answer")) == NULL)
        return false;
    for (unsigned i = 0; i < NF_REJECTS; i++)
        if (strcmp(v, nf_reject_name((enum nf_reject)i)) == 0 || strcmp(v, other[i].name) == 0) {
            p->r->reject = (uint8_t)(strcmp(v, other[i].name) == 0 ? other[i].r : (enum nf_reject)i);
            return true;
        }
    return bad(p, "'%s' is no kind of answer: there are icmp-net-unreachable, icmp-host-unreachable, icmp-port-unreachable, "
                  "icmp-proto-unreachable, icmp-net-prohibited, icmp-host-prohibited, icmp-admin-prohibited and tcp-reset", v);
}

static bool opt_log_prefix(struct parse *p)
{
    const char *v;

    if (!of_target(p, NF_T_LOG, "LOG") || (v = value_of(p, "a text")) == NULL)
        return false;
    if (strlen(v) >= NF_PREFIX_LEN || !printable(v))
        return bad(p, "a prefix has at most %d characters, none of them a control character", NF_PREFIX_LEN - 1);
    memset(p->r->prefix, 0, sizeof p->r->prefix);
    memcpy(p->r->prefix, v, strlen(v));
    return true;
}

static bool opt_log_level(struct parse *p)
{
    static const char *const name[] = {"emerg", "alert", "crit", "error", "warning", "notice", "info", "debug"};
    const char *v;
    uint64_t n = 8;

    if (!of_target(p, NF_T_LOG, "LOG") || (v = value_of(p, "a level")) == NULL)
        return false;
    for (unsigned i = 0; i < 8; i++)
        if (strcmp(v, name[i]) == 0)
            n = i;
    if (n == 8 && !whole_number(v, 7, &n))
        return bad(p, "'%s' is no level: 0 to 7, or emerg, alert, crit, error, warning, notice, info, debug", v);
    p->r->log_level = (uint8_t)n;
    return true;
}

/* "10.0.0.1", "10.0.0.1-10.0.0.9", ":80", "10.0.0.1:80-90". */
static bool nat_place(struct nf_rule *r, const char *v)
{
    if (*v != ':') {
        if (!address(&v, &r->nat_addr[0]))
            return false;
        r->nat_addr[1] = r->nat_addr[0];
        if (*v == '-' && (v++, !address(&v, &r->nat_addr[1])))
            return false;
        if (r->nat_addr[1] < r->nat_addr[0])
            return false;
        r->nat_has_addr = true;
    }
    if (*v == ':') {
        v++;
        if (*v == '-' || !port_range(&v, '-', r->nat_port) || r->nat_port[0] == 0)
            return false;
        r->nat_has_ports = true;
    }
    return *v == '\0';
}

static bool needs_ports_to(struct parse *p)
{
    if (positive(p, IPPROTO_TCP_) || positive(p, IPPROTO_UDP_))
        return true;
    return bad(p, "'%s' with ports needs `-p tcp` or `-p udp` before it", word_of(p));
}

static bool opt_nat(struct parse *p, const char *example)
{
    const char *v = value_of(p, "an address");

    if (v == NULL)
        return false;
    if (!nat_place(p->r, v))
        return bad(p, "'%s' is no place to translate to: write it as %s", v, example);
    if (p->r->nat_has_addr && (ip4_is_multicast(p->r->nat_addr[1]) || p->r->nat_addr[0] == 0 || ip4_is_class_e(p->r->nat_addr[1])))
        return bad(p, "'%s' is no host's address", v);
    p->has_target_option = true;
    return !p->r->nat_has_ports || needs_ports_to(p);
}

static bool opt_to_source(struct parse *p)
{
    return of_target(p, NF_T_SNAT, "SNAT") && opt_nat(p, "192.0.2.1, 192.0.2.1-192.0.2.9 or 192.0.2.1:1024-2048");
}

static bool opt_to_destination(struct parse *p)
{
    return of_target(p, NF_T_DNAT, "DNAT") && opt_nat(p, "10.0.0.5, 10.0.0.5:8080 or 10.0.0.5-10.0.0.9");
}

static bool opt_to_ports(struct parse *p)
{
    const char *v, *at;

    if (p->r->target != NF_T_MASQUERADE && p->r->target != NF_T_REDIRECT)
        return bad(p, "'%s' needs `-j REDIRECT` or `-j MASQUERADE` before it", word_of(p));
    if (!no_not(p) || !needs_ports_to(p) || (v = at = value_of(p, "a port or a range of ports")) == NULL)
        return false;
    if (*at == '-' || !port_range(&at, '-', p->r->nat_port) || *at != '\0' || p->r->nat_port[0] == 0)
        return bad(p, "'%s' is no port or range: write it as 8080 or 1024-2048", v);
    p->r->nat_has_ports = true;
    return true;
}

static bool is_nat_target(const struct nf_rule *r)
{
    return r->target == NF_T_SNAT || r->target == NF_T_DNAT || r->target == NF_T_MASQUERADE || r->target == NF_T_REDIRECT;
}

static bool opt_random(struct parse *p)
{
    if (!is_nat_target(p->r))
        return bad(p, "'%s' needs a target that translates before it", word_of(p));
    p->r->nat_random = true;
    return no_not(p);
}

static bool opt_persistent(struct parse *p)
{
    if (p->r->target != NF_T_SNAT && p->r->target != NF_T_DNAT)
        return bad(p, "'%s' needs `-j SNAT` or `-j DNAT` before it", word_of(p));
    p->r->nat_persistent = true;
    return no_not(p);
}

static bool opt_set_mss(struct parse *p)
{
    const char *v;
    uint64_t n;

    if (!of_target(p, NF_T_TCPMSS, "TCPMSS") || (v = value_of(p, "a size")) == NULL)
        return false;
    if (p->clamp || !whole_number(v, 65495, &n) || n == 0)
        return bad(p, "'%s' is no segment size (1 to 65495), or --clamp-mss-to-pmtu is there already", v);
    p->r->mss = (uint16_t)n;
    p->has_target_option = true;
    return true;
}

static bool opt_clamp(struct parse *p)
{
    if (!of_target(p, NF_T_TCPMSS, "TCPMSS"))
        return false;
    if (p->r->mss != 0)
        return bad(p, "--set-mss and --clamp-mss-to-pmtu exclude each other");
    p->clamp = p->has_target_option = true;
    return true;
}

/* ---- commands ---- */

static bool chain_name_ok(struct parse *p, const char *name)
{
    if (*name == '\0' || strlen(name) >= NF_NAME_LEN || *name == '-' || *name == '!' || !printable(name) ||
        name[strcspn(name, " \t\"'\\")] != '\0')
        return bad(p, "'%s' is no name for a chain: up to %d characters, no blanks or quotes, not beginning with - or !", name,
                   NF_NAME_LEN - 1);
    return true;
}

static bool take_command(struct parse *p, char op)
{
    struct nf_cmd *cmd = p->cmd;
    bool optional = op == 'F' || op == 'Z' || op == 'X';

    if (cmd->op != '\0')
        return bad(p, "a line has one command: '%s' is the second", word_of(p));
    if (!no_not(p))
        return false;
    cmd->op = op;
    if (optional && (p->at + 1 >= p->argc || *p->argv[p->at + 1] == '-'))
        return true;
    cmd->chain = value_of(p, "a chain");
    if (cmd->chain == NULL || !chain_name_ok(p, cmd->chain))
        return false;
    if (op == 'E' || op == 'P') {
        cmd->other = value_of(p, op == 'E' ? "the chain's new name" : "ACCEPT or DROP");
        return cmd->other != NULL && (op == 'P' || chain_name_ok(p, cmd->other));
    }
    if ((op == 'I' || op == 'D' || op == 'R' || op == 'Z') && p->at + 1 < p->argc && *p->argv[p->at + 1] != '-' &&
        *p->argv[p->at + 1] != '!') {
        uint64_t n;
        const char *v = p->argv[++p->at];

        if (!whole_number(v, NF_RULES_MAX, &n) || n == 0)
            return bad(p, "'%s' is no number of a rule: they count from 1", v);
        cmd->number = (uint32_t)n;
    }
    if (op == 'R' && cmd->number == 0)
        return bad(p, "which rule is to be replaced? `iptables -L %s --line-numbers` shows their numbers", cmd->chain);
    return true;
}

static bool opt_table(struct parse *p)
{
    const char *v;

    if (!no_not(p) || (v = value_of(p, "a table")) == NULL)
        return false;
    for (unsigned t = 0; t < NF_TABLES; t++)
        if (strcmp(v, nf_table_name((enum nf_table_id)t)) == 0) {
            if (p->cmd->has_table && p->cmd->table != (enum nf_table_id)t)
                return bad(p, "the table is %s here", nf_table_name(p->cmd->table));
            p->cmd->table = (enum nf_table_id)t;
            p->cmd->has_table = true;
            return true;
        }
    return bad(p, "there is no table '%s': there are filter and nat", v);
}

static bool opt_counters(struct parse *p)
{
    const char *a, *b;

    if (!no_not(p) || (a = value_of(p, "packets and bytes")) == NULL || (b = value_of(p, "bytes")) == NULL)
        return false;
    if (!whole_number(a, UINT64_MAX / 16, &p->cmd->packets) || !whole_number(b, UINT64_MAX / 16, &p->cmd->bytes))
        return bad(p, "'%s %s' are no counters: write -c PACKETS BYTES", a, b);
    p->cmd->has_counters = true;
    return true;
}

static bool opt_ignore(struct parse *p)
{
    return no_not(p); /* -w, -n, -v: of no consequence here */
}

static const struct option {
    const char *s, *l;
    char op;
    bool (*fn)(struct parse *p);
} options[] = {
    {"-A", "--append", 'A', NULL}, {"-I", "--insert", 'I', NULL}, {"-D", "--delete", 'D', NULL},
    {"-R", "--replace", 'R', NULL}, {"-C", "--check", 'C', NULL}, {"-N", "--new-chain", 'N', NULL},
    {"-X", "--delete-chain", 'X', NULL}, {"-E", "--rename-chain", 'E', NULL}, {"-F", "--flush", 'F', NULL},
    {"-Z", "--zero", 'Z', NULL}, {"-P", "--policy", 'P', NULL},
    {"-t", "--table", 0, opt_table}, {"-c", "--set-counters", 0, opt_counters},
    {"-s", "--source", 0, opt_src}, {"--src", NULL, 0, opt_src}, {"-d", "--destination", 0, opt_dst},
    {"--dst", NULL, 0, opt_dst}, {"-i", "--in-interface", 0, opt_in}, {"-o", "--out-interface", 0, opt_out},
    {"-p", "--protocol", 0, opt_proto}, {"--proto", NULL, 0, opt_proto}, {"-f", "--fragment", 0, opt_frag},
    {"-m", "--match", 0, opt_match}, {"--sport", "--source-port", 0, opt_sport},
    {"--dport", "--destination-port", 0, opt_dport}, {"--sports", "--source-ports", 0, opt_sports},
    {"--dports", "--destination-ports", 0, opt_dports}, {"--ports", NULL, 0, opt_bothports},
    {"--tcp-flags", NULL, 0, opt_tcp_flags}, {"--syn", NULL, 0, opt_syn}, {"--icmp-type", NULL, 0, opt_icmp_type},
    {"--state", NULL, 0, opt_state}, {"--ctstate", NULL, 0, opt_ctstate}, {"--limit", NULL, 0, opt_limit},
    {"--limit-burst", NULL, 0, opt_limit_burst}, {"--ttl-eq", "--ttl", 0, opt_ttl_eq},
    {"--ttl-lt", NULL, 0, opt_ttl_lt}, {"--ttl-gt", NULL, 0, opt_ttl_gt}, {"--comment", NULL, 0, opt_comment},
    {"-j", "--jump", 0, opt_jump}, {"-g", "--goto", 0, opt_goto}, {"--reject-with", NULL, 0, opt_reject_with},
    {"--log-prefix", NULL, 0, opt_log_prefix}, {"--log-level", NULL, 0, opt_log_level},
    {"--to-source", NULL, 0, opt_to_source}, {"--to-destination", NULL, 0, opt_to_destination},
    {"--to-ports", NULL, 0, opt_to_ports}, {"--random", "--random-fully", 0, opt_random},
    {"--persistent", NULL, 0, opt_persistent}, {"--set-mss", NULL, 0, opt_set_mss},
    {"--clamp-mss-to-pmtu", NULL, 0, opt_clamp}, {"-w", "--wait", 0, opt_ignore}, {"-n", "--numeric", 0, opt_ignore},
    {"-v", "--verbose", 0, opt_ignore},
};

static const struct option *option_find(const char *word)
{
    for (unsigned i = 0; i < sizeof options / sizeof options[0]; i++)
        if (strcmp(word, options[i].s) == 0 || (options[i].l != NULL && strcmp(word, options[i].l) == 0))
            return &options[i];
    return NULL;
}

/* ---- what can only be judged at the end ---- */

static bool match_complete(struct parse *p)
{
    static const struct {
        unsigned mod;
        uint32_t match;
        const char *name, *option;
    } need[] = {{MOD_MULTIPORT, NF_M_MULTIPORT, "multiport", "--dports"}, {MOD_STATE, NF_M_STATE, "state", "--state"},
                {MOD_CONNTRACK, NF_M_STATE, "conntrack", "--ctstate"}, {MOD_TTL, NF_M_TTL, "ttl", "--ttl-eq"},
                {MOD_COMMENT, NF_M_COMMENT, "comment", "--comment"}};
    static const struct {
        unsigned mod;
        uint8_t proto;
    } of[] = {{MOD_TCP, IPPROTO_TCP_}, {MOD_UDP, IPPROTO_UDP_}, {MOD_ICMP, IPPROTO_ICMP_}};
    char buf[8];

    for (unsigned i = 0; i < sizeof need / sizeof need[0]; i++)
        if ((p->mods & need[i].mod) != 0 && (p->r->match & need[i].match) == 0)
            return bad(p, "-m %s says nothing without %s", need[i].name, need[i].option);
    for (unsigned i = 0; i < sizeof of / sizeof of[0]; i++)
        if ((p->mods & of[i].mod) != 0 && !positive(p, of[i].proto))
            return bad(p, "-m %s needs `-p %s`", nf_proto_name(of[i].proto, buf), nf_proto_name(of[i].proto, buf));
    if ((p->mods & MOD_LIMIT) != 0 && (p->r->match & NF_M_LIMIT) == 0) { /* iptables: 3/hour */
        p->r->match |= NF_M_LIMIT;
        p->r->limit = 3;
        p->r->limit_unit = 2;
    }
    return true;
}

static bool target_complete(struct parse *p)
{
    struct nf_rule *r = p->r;

    if (r->target == NF_T_JUMP || r->target == NF_T_GOTO) {
        r->jump = p->s != NULL ? nf_chain_find(&p->s->table[p->cmd->table], p->target) : NULL;
        if (r->jump == NULL)
            return bad(p, "there is no target or chain '%s' in table %s", p->target, nf_table_name(p->cmd->table));
        if (r->jump->builtin)
            return bad(p, "a rule can't jump to the builtin chain %s", p->target);
        return true;
    }
    if (is_nat_target(r) != (p->cmd->table == NF_NAT) &&
        (is_nat_target(r) || r->target == NF_T_REJECT || r->target == NF_T_TCPMSS || r->target == NF_T_DROP))
        return bad(p, p->cmd->table == NF_NAT ? "%s belongs into table filter: the nat table sees a flow's first packet only"
                                              : "%s belongs into table nat: add -t nat", p->target);
    if ((r->target == NF_T_SNAT || r->target == NF_T_DNAT || r->target == NF_T_TCPMSS) && !p->has_target_option)
        return bad(p, "-j %s needs %s", p->target, r->target == NF_T_SNAT   ? "--to-source ADDRESS"
                                                   : r->target == NF_T_DNAT ? "--to-destination ADDRESS"
                                                                            : "--clamp-mss-to-pmtu or --set-mss SIZE");
    if (r->target == NF_T_REJECT && r->reject == NF_REJECT_TCP_RESET && !positive(p, IPPROTO_TCP_))
        return bad(p, "--reject-with tcp-reset needs `-p tcp`: only TCP has resets");
    if (r->target == NF_T_TCPMSS && (!positive(p, IPPROTO_TCP_) || (r->match & NF_M_TCPFLAGS) == 0 ||
                                     (r->not & NF_M_TCPFLAGS) != 0 || (r->tcp_cmp & TCP_SYN) == 0))
        return bad(p, "-j TCPMSS is for SYNs only: add `-p tcp --tcp-flags SYN,RST SYN`");
    return true;
}

static bool has_rule(const struct nf_cmd *cmd)
{
    return cmd->op == 'A' || cmd->op == 'I' || cmd->op == 'R' || cmd->op == 'C' || (cmd->op == 'D' && cmd->number == 0);
}

bool nf_parse(struct td_stack *st, const struct nf_ruleset *s, int argc, char **argv, struct nf_cmd *cmd,
              struct nf_rule *r, char *msg, size_t msg_size)
{
    struct parse p = {.st = st, .s = s, .argc = argc, .argv = argv, .cmd = cmd, .r = r, .msg = msg, .msg_size = msg_size};

    r->burst = 5;
    r->log_level = 4;
    for (p.at = 0; p.at < argc; p.at++) {
        const struct option *o = option_find(argv[p.at]);

        if (strcmp(argv[p.at], "!") == 0) {
            if (p.not)
                return bad(&p, "'!' is there twice");
            p.not = true;
            continue;
        }
        if (o == NULL)
            return bad(&p, "there is no option '%s' here: `help iptables` lists them", argv[p.at]);
        if (o->op != 0 ? !take_command(&p, o->op) : !o->fn(&p))
            return false;
    }
    if (p.not)
        return bad(&p, "'!' stands before nothing");
    if (cmd->op == '\0')
        return bad(&p, "what is to be done? -A, -I, -D, -R, -C, -N, -X, -E, -F, -Z or -P");
    if (!has_rule(cmd)) {
        if (r->match != 0 || p.target != NULL || p.mods != 0)
            return bad(&p, "-%c takes no rule", cmd->op);
        return true;
    }
    if (!match_complete(&p) || !target_complete(&p))
        return false;
    r->packets = cmd->packets;
    r->bytes = cmd->bytes;
    return true;
}

/* ip/nf/grammar_match.c: what a rule asks of a packet: addresses, interfaces, protocol, and the matches that -m loads.
 *
 * Options of a match are known once their match is loaded, by -m or, for tcp, udp and icmp, by -p; said without it they
 * are refused, as iptables does, with the word that is missing. What a match asks about ports or flags is only taken
 * for a protocol that has them.
 */
#include "ip/nf/grammar.h"

#include "wire/tcp.h"

#include <string.h>

/* ---- addresses, interfaces, protocol ---- */

static bool opt_net(struct parse *p, uint32_t m, td_ip4 *a, td_ip4 *mask)
{
    const char *v;

    if (!nf_take_not(p, m) || (v = nf_value(p, "an address or network")) == NULL)
        return false;
    if (!nf_network(v, a, mask))
        return nf_bad(p, "'%s' is no address or network: write it as 10.0.0.1, 10.0.0.0/8 or 10.0.0.0/255.0.0.0 (names "
                      "aren't looked up)", v);
    if (*mask == 0 && (p->r->not & m) == 0)
        p->r->match &= ~m; /* any */
    return true;
}

bool nf_opt_src(struct parse *p)
{
    return opt_net(p, NF_M_SRC, &p->r->src, &p->r->smask);
}

bool nf_opt_dst(struct parse *p)
{
    return opt_net(p, NF_M_DST, &p->r->dst, &p->r->dmask);
}

static bool opt_if(struct parse *p, uint32_t m, char name[NF_IFNAME_LEN])
{
    const char *v;

    if (!nf_take_not(p, m) || (v = nf_value(p, "an interface's name")) == NULL)
        return false;
    if (*v == '\0' || strlen(v) >= NF_IFNAME_LEN || v[strcspn(v, " /!\"'\\")] != '\0' || *v == '-')
        return nf_bad(p, "'%s' is no interface's name: up to %d letters, with + at the end for all that begin so", v,
                   NF_IFNAME_LEN - 1);
    memcpy(name, v, strlen(v) + 1);
    return true;
}

bool nf_opt_in(struct parse *p)
{
    return opt_if(p, NF_M_IN, p->r->in);
}

bool nf_opt_out(struct parse *p)
{
    return opt_if(p, NF_M_OUT, p->r->out);
}

bool nf_opt_proto(struct parse *p)
{
    const char *v;
    char buf[8];
    uint64_t n;

    if (!nf_take_not(p, NF_M_PROTO) || (v = nf_value(p, "a protocol")) == NULL)
        return false;
    for (unsigned i = 1; i < 256; i++)
        if (strcmp(nf_proto_name((uint8_t)i, buf), v) == 0) {
            p->r->proto = (uint8_t)i;
            return true;
        }
    if (nf_whole_number(v, 255, &n) && n != 0) {
        p->r->proto = (uint8_t)n;
        return true;
    }
    if ((strcmp(v, "all") == 0 || strcmp(v, "0") == 0) && (p->r->not & NF_M_PROTO) == 0) {
        p->r->match &= ~(uint32_t)NF_M_PROTO;
        return true;
    }
    return nf_bad(p, "'%s' is no protocol: write tcp, udp, icmp, all or a number up to 255", v);
}

bool nf_opt_frag(struct parse *p)
{
    return nf_take_not(p, NF_M_FRAG);
}

/* ---- matches ---- */

bool nf_opt_match(struct parse *p)
{
    static const struct {
        const char *name;
        unsigned mod;
    } mods[] = {{"tcp", MOD_TCP}, {"udp", MOD_UDP}, {"icmp", MOD_ICMP}, {"multiport", MOD_MULTIPORT},
                {"state", MOD_STATE}, {"conntrack", MOD_CONNTRACK}, {"limit", MOD_LIMIT}, {"ttl", MOD_TTL},
                {"comment", MOD_COMMENT}};
    const char *v;

    if (!nf_no_not(p) || (v = nf_value(p, "a match")) == NULL)
        return false;
    for (unsigned i = 0; i < sizeof mods / sizeof mods[0]; i++)
        if (strcmp(v, mods[i].name) == 0) {
            p->mods |= mods[i].mod;
            if (mods[i].mod <= MOD_ICMP)
                p->r->match |= NF_M_MOD;
            return true;
        }
    return nf_bad(p, "there is no match '%s' here: there are tcp, udp, icmp, multiport, state, conntrack, limit, ttl and "
                  "comment", v);
}

static bool needs_ports(struct parse *p)
{
    if (!nf_positive(p, IPPROTO_TCP_) && !nf_positive(p, IPPROTO_UDP_))
        return nf_bad(p, "'%s' needs `-p tcp` or `-p udp` before it", nf_word(p));
    p->r->match |= NF_M_MOD;
    return true;
}

static bool opt_ports(struct parse *p, uint32_t m, uint16_t range[2])
{
    const char *v;

    if (!needs_ports(p) || !nf_take_not(p, m) || (v = nf_value(p, "a port or a range of ports")) == NULL)
        return false;
    const char *end = v;

    if (!nf_port_range(&end, ':', range) || *end != '\0')
        return nf_bad(p, "'%s' is no port or range: write it as 80 or 1024:65535", v);
    return true;
}

bool nf_opt_sport(struct parse *p)
{
    return opt_ports(p, NF_M_SPORT, p->r->sport);
}

bool nf_opt_dport(struct parse *p)
{
    return opt_ports(p, NF_M_DPORT, p->r->dport);
}

static bool multiport(struct parse *p, enum nf_multiport kind)
{
    const char *v;
    unsigned slots = 0;

    if ((p->mods & MOD_MULTIPORT) == 0)
        return nf_bad(p, "'%s' needs `-m multiport` before it", nf_word(p));
    if (!nf_positive(p, IPPROTO_TCP_) && !nf_positive(p, IPPROTO_UDP_))
        return nf_bad(p, "'%s' needs `-p tcp` or `-p udp` before it", nf_word(p));
    if (!nf_take_not(p, NF_M_MULTIPORT) || (v = nf_value(p, "ports, with commas between them")) == NULL)
        return false;
    p->r->multiport = (uint8_t)kind;
    for (const char *at = v;; at++) {
        uint16_t range[2];

        if (!nf_port_range(&at, ':', range) || (*at != ',' && *at != '\0'))
            return nf_bad(p, "'%s' is no list of ports: write it as 22,80,1024:2048", v);
        slots += range[0] != range[1] ? 2 : 1;
        if (slots > NF_PORTS_MAX)
            return nf_bad(p, "a list has at most %d ports (a range counts as two)", NF_PORTS_MAX);
        memcpy(p->r->port[p->r->nports++], range, sizeof range);
        if (*at == '\0')
            return true;
    }
}

bool nf_opt_sports(struct parse *p)
{
    /* iptables takes --source-port's plural without -m multiport too; we ask for it. */
    return multiport(p, NF_MP_SOURCE);
}

bool nf_opt_dports(struct parse *p)
{
    return multiport(p, NF_MP_DEST);
}

bool nf_opt_bothports(struct parse *p)
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

bool nf_opt_tcp_flags(struct parse *p)
{
    const char *mask, *set;

    if (!nf_positive(p, IPPROTO_TCP_))
        return nf_bad(p, "'%s' needs `-p tcp` before it", nf_word(p));
    p->r->match |= NF_M_MOD;
    if (!nf_take_not(p, NF_M_TCPFLAGS) || (mask = nf_value(p, "two lists of flags")) == NULL ||
        (set = nf_value(p, "a second list: the flags that must be set")) == NULL)
        return false;
    if (!flags_word(mask, &p->r->tcp_mask) || !flags_word(set, &p->r->tcp_cmp))
        return nf_bad(p, "'%s %s' are no flags: write --tcp-flags SYN,RST,ACK,FIN SYN (FIN SYN RST PSH ACK URG ALL NONE)", mask,
                   set);
    if ((p->r->tcp_cmp & ~p->r->tcp_mask) != 0)
        return nf_bad(p, "'%s %s' can never match: the second list has flags that the first hasn't", mask, set);
    return true;
}

bool nf_opt_syn(struct parse *p)
{
    if (!nf_positive(p, IPPROTO_TCP_))
        return nf_bad(p, "'%s' needs `-p tcp` before it", nf_word(p));
    p->r->match |= NF_M_MOD;
    p->r->tcp_mask = TCP_SYN | TCP_RST | TCP_ACK | TCP_FIN;
    p->r->tcp_cmp = TCP_SYN;
    return nf_take_not(p, NF_M_TCPFLAGS);
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

bool nf_opt_icmp_type(struct parse *p)
{
    const char *v, *at;
    uint64_t type, code = 0;

    if (!nf_positive(p, IPPROTO_ICMP_))
        return nf_bad(p, "'%s' needs `-p icmp` before it", nf_word(p));
    p->r->match |= NF_M_MOD;
    if (!nf_take_not(p, NF_M_ICMP) || (v = nf_value(p, "a type")) == NULL)
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
    if (!nf_number(&at, 254, &type) || (*at != '\0' && *at != '/'))
        return nf_bad(p, "'%s' is no ICMP type: write echo-request, fragmentation-needed, 8 or 3/4", v);
    p->r->icmp_type = (uint8_t)type;
    if (*at == '/') {
        if (!nf_whole_number(at + 1, 255, &code))
            return nf_bad(p, "'%s' has no ICMP code behind the slash: 0 to 255", v);
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
        return nf_bad(p, "'%s' needs `-m %s` before it", nf_word(p), conntrack ? "conntrack" : "state");
    if (!nf_take_not(p, NF_M_STATE) || (v = nf_value(p, "states, with commas between them")) == NULL)
        return false;
    p->r->ctstate = conntrack;
    for (const char *at = v;;) {
        size_t n = strcspn(at, ",");
        unsigned i;

        for (i = 0; i < sizeof names / sizeof names[0]; i++)
            if (strlen(names[i].name) == n && strncmp(at, names[i].name, n) == 0 && (conntrack || !names[i].ct))
                break;
        if (i == sizeof names / sizeof names[0])
            return nf_bad(p, "'%s' are no states: there are NEW, ESTABLISHED, RELATED, INVALID%s", v,
                       conntrack ? ", SNAT, DNAT, UNTRACKED" : ", UNTRACKED");
        p->r->states |= names[i].bit;
        if (at[n] == '\0')
            return true;
        at += n + 1;
    }
}

bool nf_opt_state(struct parse *p)
{
    return opt_states(p, false);
}

bool nf_opt_ctstate(struct parse *p)
{
    return opt_states(p, true);
}

bool nf_opt_limit(struct parse *p)
{
    static const char *const unit[] = {"second", "minute", "hour", "day"};
    const char *v, *at;
    uint64_t n;

    if ((p->mods & MOD_LIMIT) == 0)
        return nf_bad(p, "'%s' needs `-m limit` before it", nf_word(p));
    if (!nf_no_not(p) || !nf_take_not(p, NF_M_LIMIT) || (v = nf_value(p, "a rate")) == NULL)
        return false;
    at = v;
    if (nf_number(&at, 10000, &n) && n > 0) {
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
    return nf_bad(p, "'%s' is no rate: write it as 10/second, 3/minute, 100/hour or 5/day, at most 10000", v);
}

bool nf_opt_limit_burst(struct parse *p)
{
    const char *v;
    uint64_t n;

    if ((p->mods & MOD_LIMIT) == 0)
        return nf_bad(p, "'%s' needs `-m limit` before it", nf_word(p));
    if (!nf_no_not(p) || (v = nf_value(p, "a number")) == NULL)
        return false;
    if (!nf_whole_number(v, 10000, &n) || n == 0)
        return nf_bad(p, "'%s' is no burst: 1 to 10000", v);
    p->r->burst = (uint32_t)n;
    return true;
}

static bool opt_ttl(struct parse *p, uint8_t op)
{
    const char *v;
    uint64_t n;

    if ((p->mods & MOD_TTL) == 0)
        return nf_bad(p, "'%s' needs `-m ttl` before it", nf_word(p));
    if ((op != '=' && !nf_no_not(p)) || !nf_take_not(p, NF_M_TTL) || (v = nf_value(p, "a TTL")) == NULL)
        return false;
    if (!nf_whole_number(v, 255, &n))
        return nf_bad(p, "'%s' is no TTL: 0 to 255", v);
    p->r->ttl_op = op;
    p->r->ttl = (uint8_t)n;
    return true;
}

bool nf_opt_ttl_eq(struct parse *p)
{
    return opt_ttl(p, '=');
}

bool nf_opt_ttl_lt(struct parse *p)
{
    return opt_ttl(p, '<');
}

bool nf_opt_ttl_gt(struct parse *p)
{
    return opt_ttl(p, '>');
}

bool nf_opt_comment(struct parse *p)
{
    const char *v;
    size_t n;

    if ((p->mods & MOD_COMMENT) == 0)
        return nf_bad(p, "'%s' needs `-m comment` before it", nf_word(p));
    if (!nf_no_not(p) || !nf_take_not(p, NF_M_COMMENT) || (v = nf_value(p, "a text")) == NULL)
        return false;
    n = strlen(v) + 1;
    if (n > NF_COMMENT_MAX || !nf_printable(v))
        return nf_bad(p, "a comment has at most %d characters, none of them a control character", NF_COMMENT_MAX - 1);
    p->r->comment = mem_alloc(&p->st->mem, MEM_IP, n);
    p->cmd->no_memory = p->r->comment == NULL;
    if (p->cmd->no_memory)
        return nf_bad(p, "there is no memory left for the rules");
    memcpy(p->r->comment, v, n);
    return true;
}

/* ---- what can only be judged at the end ---- */

bool nf_match_complete(struct parse *p)
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
            return nf_bad(p, "-m %s says nothing without %s", need[i].name, need[i].option);
    for (unsigned i = 0; i < sizeof of / sizeof of[0]; i++)
        if ((p->mods & of[i].mod) != 0 && !nf_positive(p, of[i].proto))
            return nf_bad(p, "-m %s needs `-p %s`", nf_proto_name(of[i].proto, buf), nf_proto_name(of[i].proto, buf));
    if ((p->mods & MOD_LIMIT) != 0 && (p->r->match & NF_M_LIMIT) == 0) { /* iptables: 3/hour */
        p->r->match |= NF_M_LIMIT;
        p->r->limit = 3;
        p->r->limit_unit = 2;
    }
    return true;
}

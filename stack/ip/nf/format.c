/* ip/nf/format.c: rules in iptables' words: as iptables-save writes them, and as `iptables -L` shows them.
 *
 * What nf_rule_spec writes, grammar.c reads as the same rule again; the fuzzer holds the two to it.
 */
#include "ip/nf/nf_internal.h"

#include "wire/tcp.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct out {
    char *s;
    size_t n, size;
};

static void add(struct out *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void add(struct out *o, const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(o->n < o->size ? o->s + o->n : NULL, o->n < o->size ? o->size - o->n : 0, fmt, ap);
    va_end(ap);
    o->n += n > 0 ? (size_t)n : 0;
}

static void add_ip(struct out *o, td_ip4 a)
{
    add(o, "%u.%u.%u.%u", a >> 24, a >> 16 & 255, a >> 8 & 255, a & 255);
}

static void add_net(struct out *o, td_ip4 a, td_ip4 mask)
{
    unsigned len = 0;

    while (len < 32 && (mask & 1U << (31 - len)) != 0)
        len++;
    add_ip(o, a);
    if (mask == ip4_mask(len)) {
        add(o, "/%u", len);
    } else {
        add(o, "/");
        add_ip(o, mask);
    }
}

/* In quotes where it must be; what can't stand in quotes is behind a backslash. */
static void add_quoted(struct out *o, const char *s)
{
    bool bare = *s != '\0' && strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.:/") == strlen(s) &&
                *s != '-';

    if (bare) {
        add(o, "%s", s);
        return;
    }
    add(o, "\"");
    for (; *s != '\0'; s++)
        add(o, *s == '"' || *s == '\\' ? "\\%c" : "%c", *s);
    add(o, "\"");
}

const char *nf_proto_name(uint8_t proto, char buf[8])
{
    static const struct {
        uint8_t number;
        const char *name;
    } known[] = {{0, "all"}, {1, "icmp"}, {2, "igmp"}, {4, "ipencap"}, {6, "tcp"}, {17, "udp"},
                 {47, "gre"}, {50, "esp"}, {51, "ah"}, {89, "ospf"}, {132, "sctp"}};

    for (unsigned i = 0; i < sizeof known / sizeof known[0]; i++)
        if (known[i].number == proto)
            return known[i].name;
    (void)snprintf(buf, 8, "%u", proto);
    return buf;
}

const char *nf_reject_name(enum nf_reject r)
{
    static const char *const name[NF_REJECTS] = {
        "icmp-port-unreachable", "icmp-net-unreachable",  "icmp-host-unreachable",  "icmp-proto-unreachable",
        "icmp-net-prohibited",   "icmp-host-prohibited",  "icmp-admin-prohibited",  "tcp-reset",
    };

    return r < NF_REJECTS ? name[r] : "?";
}

const char *nf_target_name(const struct nf_rule *r)
{
    static const char *const name[] = {
        "", "ACCEPT", "DROP", "RETURN", "", "", "REJECT", "LOG", "SNAT", "DNAT", "MASQUERADE", "REDIRECT", "TCPMSS",
    };

    return r->jump != NULL ? r->jump->name : name[r->target];
}

/* ---- as it is saved ---- */

static const char *bang(const struct nf_rule *r, uint32_t m)
{
    return (r->not & m) != 0 ? "! " : "";
}

static void add_range(struct out *o, const uint16_t p[2])
{
    add(o, p[0] == p[1] ? "%u" : "%u:%u", p[0], p[1]);
}

static void add_tcp_flags(struct out *o, uint8_t flags)
{
    static const char *const name[] = {"FIN", "SYN", "RST", "PSH", "ACK", "URG"};
    bool first = true;

    if (flags == 0)
        add(o, "NONE");
    for (unsigned i = 0; i < 6; i++)
        if ((flags >> i & 1) != 0) {
            add(o, "%s%s", first ? "" : ",", name[i]);
            first = false;
        }
}

static void add_states(struct out *o, uint8_t states)
{
    static const struct {
        uint8_t bit;
        const char *name;
    } names[] = {{NF_S_INVALID, "INVALID"}, {NF_S_NEW, "NEW"},         {NF_S_RELATED, "RELATED"},
                 {NF_S_ESTABLISHED, "ESTABLISHED"}, {NF_S_UNTRACKED, "UNTRACKED"}, {NF_S_SNAT, "SNAT"},
                 {NF_S_DNAT, "DNAT"}};
    bool first = true;

    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++)
        if ((states & names[i].bit) != 0) {
            add(o, "%s%s", first ? "" : ",", names[i].name);
            first = false;
        }
}

static void add_rate(struct out *o, const struct nf_rule *r)
{
    static const char *const unit[] = {"sec", "min", "hour", "day"};

    add(o, "%u/%s", r->limit, unit[r->limit_unit & 3]);
}

static void add_multiport(struct out *o, const struct nf_rule *r, const char *sep)
{
    for (unsigned i = 0; i < r->nports; i++) {
        add(o, "%s", i > 0 ? sep : "");
        add_range(o, r->port[i]);
    }
}

static const char *multiport_word(const struct nf_rule *r)
{
    return r->multiport == NF_MP_SOURCE ? "sports" : r->multiport == NF_MP_DEST ? "dports" : "ports";
}

static void add_icmp(struct out *o, const struct nf_rule *r)
{
    if (r->icmp_type == 255)
        add(o, "any");
    else if (r->icmp_code_lo == 0 && r->icmp_code_hi == 255)
        add(o, "%u", r->icmp_type);
    else
        add(o, "%u/%u", r->icmp_type, r->icmp_code_lo);
}

static void add_matches(struct out *o, const struct nf_rule *r)
{
    char buf[8];

    if ((r->match & NF_M_MOD) != 0)
        add(o, " -m %s", nf_proto_name(r->proto, buf));
    if ((r->match & NF_M_SPORT) != 0) {
        add(o, " %s--sport ", bang(r, NF_M_SPORT));
        add_range(o, r->sport);
    }
    if ((r->match & NF_M_DPORT) != 0) {
        add(o, " %s--dport ", bang(r, NF_M_DPORT));
        add_range(o, r->dport);
    }
    if ((r->match & NF_M_TCPFLAGS) != 0) {
        add(o, " %s--tcp-flags ", bang(r, NF_M_TCPFLAGS));
        add_tcp_flags(o, r->tcp_mask);
        add(o, " ");
        add_tcp_flags(o, r->tcp_cmp);
    }
    if ((r->match & NF_M_ICMP) != 0) {
        add(o, " %s--icmp-type ", bang(r, NF_M_ICMP));
        add_icmp(o, r);
    }
    if ((r->match & NF_M_MULTIPORT) != 0) {
        add(o, " -m multiport %s--%s ", bang(r, NF_M_MULTIPORT), multiport_word(r));
        add_multiport(o, r, ",");
    }
    if ((r->match & NF_M_STATE) != 0) {
        add(o, r->ctstate ? " -m conntrack %s--ctstate " : " -m state %s--state ", bang(r, NF_M_STATE));
        add_states(o, r->states);
    }
    if ((r->match & NF_M_LIMIT) != 0) {
        add(o, " -m limit --limit ");
        add_rate(o, r);
        if (r->burst != 5)
            add(o, " --limit-burst %u", r->burst);
    }
    if ((r->match & NF_M_TTL) != 0)
        add(o, " -m ttl %s--ttl-%s %u", bang(r, NF_M_TTL), r->ttl_op == '<' ? "lt" : r->ttl_op == '>' ? "gt" : "eq", r->ttl);
    if (r->comment != NULL) {
        add(o, " -m comment --comment ");
        add_quoted(o, r->comment);
    }
}

static void add_nat(struct out *o, const struct nf_rule *r)
{
    if (r->nat_has_addr) {
        add_ip(o, r->nat_addr[0]);
        if (r->nat_addr[1] != r->nat_addr[0]) {
            add(o, "-");
            add_ip(o, r->nat_addr[1]);
        }
    }
    if (r->nat_has_ports) {
        add(o, r->nat_has_addr ? ":%u" : "%u", r->nat_port[0]);
        if (r->nat_port[1] != r->nat_port[0])
            add(o, "-%u", r->nat_port[1]);
    }
}

static void add_target(struct out *o, const struct nf_rule *r)
{
    if (r->target == NF_T_NONE)
        return;
    add(o, " %s %s", r->target == NF_T_GOTO ? "-g" : "-j", nf_target_name(r));
    switch (r->target) {
    case NF_T_REJECT:
        add(o, " --reject-with %s", nf_reject_name((enum nf_reject)r->reject));
        break;
    case NF_T_LOG:
        if (r->prefix[0] != '\0') {
            add(o, " --log-prefix ");
            add_quoted(o, r->prefix);
        }
        if (r->log_level != 4)
            add(o, " --log-level %u", r->log_level);
        break;
    case NF_T_SNAT:
    case NF_T_DNAT:
        add(o, r->target == NF_T_SNAT ? " --to-source " : " --to-destination ");
        if (!r->nat_has_addr)
            add(o, ":");
        add_nat(o, r);
        break;
    case NF_T_MASQUERADE:
    case NF_T_REDIRECT:
        if (r->nat_has_ports) {
            add(o, " --to-ports ");
            add_nat(o, r);
        }
        break;
    case NF_T_TCPMSS:
        if (r->mss != 0)
            add(o, " --set-mss %u", r->mss);
        else
            add(o, " --clamp-mss-to-pmtu");
        break;
    default:
        break;
    }
    if (r->nat_random)
        add(o, " --random");
    if (r->nat_persistent)
        add(o, " --persistent");
}

size_t nf_rule_spec(const struct nf_rule *r, char *dst, size_t size)
{
    struct out o = {dst, 0, size};
    char buf[8];

    dst[0] = '\0';
    if ((r->match & NF_M_SRC) != 0) {
        add(&o, " %s-s ", bang(r, NF_M_SRC));
        add_net(&o, r->src, r->smask);
    }
    if ((r->match & NF_M_DST) != 0) {
        add(&o, " %s-d ", bang(r, NF_M_DST));
        add_net(&o, r->dst, r->dmask);
    }
    if ((r->match & NF_M_IN) != 0)
        add(&o, " %s-i %s", bang(r, NF_M_IN), r->in);
    if ((r->match & NF_M_OUT) != 0)
        add(&o, " %s-o %s", bang(r, NF_M_OUT), r->out);
    if ((r->match & NF_M_PROTO) != 0)
        add(&o, " %s-p %s", bang(r, NF_M_PROTO), nf_proto_name(r->proto, buf));
    if ((r->match & NF_M_FRAG) != 0)
        add(&o, " %s-f", bang(r, NF_M_FRAG));
    add_matches(&o, r);
    add_target(&o, r);
    if (dst[0] == ' ')
        memmove(dst, dst + 1, strlen(dst));
    return strlen(dst);
}

/* ---- as it is listed ---- */

static void list_ports(struct out *o, const char *word, const uint16_t p[2], bool not)
{
    add(o, " %s%s:%s", word, p[0] == p[1] ? "" : "s", not ? "!" : "");
    add(o, p[0] == p[1] ? "%u" : "%u:%u", p[0], p[1]);
}

static void list_target(struct out *o, const struct nf_rule *r)
{
    switch (r->target) {
    case NF_T_REJECT:
        add(o, " reject-with %s", nf_reject_name((enum nf_reject)r->reject));
        break;
    case NF_T_LOG:
        add(o, " LOG flags 0 level %u", r->log_level);
        if (r->prefix[0] != '\0')
            add(o, " prefix \"%s\"", r->prefix);
        break;
    case NF_T_SNAT:
    case NF_T_DNAT:
        add(o, r->nat_has_addr ? " to:" : " to::");
        add_nat(o, r);
        break;
    case NF_T_MASQUERADE:
        if (r->nat_has_ports) {
            add(o, " masq ports: ");
            add_nat(o, r);
        }
        break;
    case NF_T_REDIRECT:
        if (r->nat_has_ports) {
            add(o, " redir ports ");
            add_nat(o, r);
        }
        break;
    case NF_T_TCPMSS:
        if (r->mss != 0)
            add(o, " TCPMSS set %u", r->mss);
        else
            add(o, " TCPMSS clamp to PMTU");
        break;
    default:
        break;
    }
    if (r->nat_random)
        add(o, " random");
}

size_t nf_rule_details(const struct nf_rule *r, bool numeric, char *dst, size_t size)
{
    struct out o = {dst, 0, size};
    char buf[8];

    (void)numeric;
    dst[0] = '\0';
    if ((r->match & NF_M_MOD) != 0 && r->proto != IPPROTO_ICMP_)
        add(&o, " %s", nf_proto_name(r->proto, buf));
    if ((r->match & NF_M_SPORT) != 0)
        list_ports(&o, "spt", r->sport, (r->not & NF_M_SPORT) != 0);
    if ((r->match & NF_M_DPORT) != 0)
        list_ports(&o, "dpt", r->dport, (r->not & NF_M_DPORT) != 0);
    if ((r->match & NF_M_TCPFLAGS) != 0)
        add(&o, " flags:%s0x%02X/0x%02X", (r->not & NF_M_TCPFLAGS) != 0 ? "!" : "", r->tcp_mask, r->tcp_cmp);
    if ((r->match & NF_M_ICMP) != 0) {
        add(&o, " %sicmptype ", (r->not & NF_M_ICMP) != 0 ? "!" : "");
        if (r->icmp_type == 255)
            add(&o, "255");
        else if (r->icmp_code_lo == 0 && r->icmp_code_hi == 255)
            add(&o, "%u", r->icmp_type);
        else
            add(&o, "%u code %u", r->icmp_type, r->icmp_code_lo);
    }
    if ((r->match & NF_M_MULTIPORT) != 0) {
        add(&o, " multiport %s %s", multiport_word(r), bang(r, NF_M_MULTIPORT));
        add_multiport(&o, r, ",");
    }
    if ((r->match & NF_M_STATE) != 0) {
        add(&o, " %s%s ", bang(r, NF_M_STATE), r->ctstate ? "ctstate" : "state");
        add_states(&o, r->states);
    }
    if ((r->match & NF_M_LIMIT) != 0) {
        add(&o, " limit: avg ");
        add_rate(&o, r);
        add(&o, " burst %u", r->burst);
    }
    if ((r->match & NF_M_TTL) != 0)
        add(&o, " TTL match TTL %s %u", r->ttl_op == '<' ? "<" : r->ttl_op == '>' ? ">" : (r->not & NF_M_TTL) != 0 ? "!=" : "==", r->ttl);
    if (r->comment != NULL)
        add(&o, " /* %s */", r->comment);
    list_target(&o, r);
    return o.n;
}

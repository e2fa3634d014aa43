/* ip/nf/grammar_target.c: what a rule does: -j and -g, and the options of each target.
 *
 * A target's options come behind it. Which table and which protocol it may stand with is asked when the whole line has
 * been read (nf_target_complete): translation belongs into the nat table, which sees a flow's first packet only, and
 * everything that must see each packet into the others.
 */
#include "ip/nf/grammar.h"

#include "wire/tcp.h"

#include <string.h>

/* ---- targets ---- */

static bool opt_target(struct parse *p, bool jump_goto)
{
    if (p->target != NULL)
        return nf_bad(p, "a rule has one target: '%s' is the second", nf_word(p));
    if (!nf_no_not(p) || (p->target = nf_value(p, "a target")) == NULL)
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

bool nf_opt_jump(struct parse *p)
{
    return opt_target(p, false);
}

bool nf_opt_goto(struct parse *p)
{
    return opt_target(p, true);
}

static bool of_target(struct parse *p, enum nf_target t, const char *name)
{
    if (!nf_no_not(p))
        return false;
    if (p->r->target == t)
        return true;
    return nf_bad(p, "'%s' needs `-j %s` before it", nf_word(p), name);
}

bool nf_opt_reject_with(struct parse *p)
{
    static const struct {
        const char *name;
        enum nf_reject r;
    } other[] = {{"port-unreach", NF_REJECT_PORT}, {"net-unreach", NF_REJECT_NET}, {"host-unreach", NF_REJECT_HOST},
                 {"proto-unreach", NF_REJECT_PROTO}, {"net-prohib", NF_REJECT_NET_PROHIB},
                 {"host-prohib", NF_REJECT_HOST_PROHIB}, {"admin-prohib", NF_REJECT_ADMIN_PROHIB},
                 {"tcp-rst", NF_REJECT_TCP_RESET}};
    const char *v;

    if (!of_target(p, NF_T_REJECT, "REJECT") || (v = nf_value(p, "a kind of answer")) == NULL)
        return false;
    for (unsigned i = 0; i < NF_REJECTS; i++)
        if (strcmp(v, nf_reject_name((enum nf_reject)i)) == 0 || strcmp(v, other[i].name) == 0) {
            p->r->reject = (uint8_t)(strcmp(v, other[i].name) == 0 ? other[i].r : (enum nf_reject)i);
            return true;
        }
    return nf_bad(p, "'%s' is no kind of answer: there are icmp-net-unreachable, icmp-host-unreachable, icmp-port-unreachable, "
                  "icmp-proto-unreachable, icmp-net-prohibited, icmp-host-prohibited, icmp-admin-prohibited and tcp-reset", v);
}

bool nf_opt_log_prefix(struct parse *p)
{
    const char *v;

    if (!of_target(p, NF_T_LOG, "LOG") || (v = nf_value(p, "a text")) == NULL)
        return false;
    if (strlen(v) >= NF_PREFIX_LEN || !nf_printable(v))
        return nf_bad(p, "a prefix has at most %d characters, none of them a control character", NF_PREFIX_LEN - 1);
    memset(p->r->prefix, 0, sizeof p->r->prefix);
    memcpy(p->r->prefix, v, strlen(v));
    return true;
}

bool nf_opt_log_level(struct parse *p)
{
    static const char *const name[] = {"emerg", "alert", "crit", "error", "warning", "notice", "info", "debug"};
    const char *v;
    uint64_t n = 8;

    if (!of_target(p, NF_T_LOG, "LOG") || (v = nf_value(p, "a level")) == NULL)
        return false;
    for (unsigned i = 0; i < 8; i++)
        if (strcmp(v, name[i]) == 0)
            n = i;
    if (n == 8 && !nf_whole_number(v, 7, &n))
        return nf_bad(p, "'%s' is no level: 0 to 7, or emerg, alert, crit, error, warning, notice, info, debug", v);
    p->r->log_level = (uint8_t)n;
    return true;
}

/* "10.0.0.1", "10.0.0.1-10.0.0.9", ":80", "10.0.0.1:80-90". */
static bool nat_place(struct nf_rule *r, const char *v)
{
    if (*v != ':') {
        if (!nf_address(&v, &r->nat_addr[0]))
            return false;
        r->nat_addr[1] = r->nat_addr[0];
        if (*v == '-' && (v++, !nf_address(&v, &r->nat_addr[1])))
            return false;
        if (r->nat_addr[1] < r->nat_addr[0])
            return false;
        r->nat_has_addr = true;
    }
    if (*v == ':') {
        v++;
        if (*v == '-' || !nf_port_range(&v, '-', r->nat_port) || r->nat_port[0] == 0)
            return false;
        r->nat_has_ports = true;
    }
    return *v == '\0';
}

static bool needs_ports_to(struct parse *p)
{
    if (nf_positive(p, IPPROTO_TCP_) || nf_positive(p, IPPROTO_UDP_))
        return true;
    return nf_bad(p, "'%s' with ports needs `-p tcp` or `-p udp` before it", nf_word(p));
}

static bool opt_nat(struct parse *p, const char *example)
{
    const char *v = nf_value(p, "an address");

    if (v == NULL)
        return false;
    if (!nat_place(p->r, v))
        return nf_bad(p, "'%s' is no place to translate to: write it as %s", v, example);
    if (p->r->nat_has_addr && (ip4_is_multicast(p->r->nat_addr[1]) || p->r->nat_addr[0] == 0 || ip4_is_class_e(p->r->nat_addr[1])))
        return nf_bad(p, "'%s' is no host's address", v);
    p->has_target_option = true;
    return !p->r->nat_has_ports || needs_ports_to(p);
}

bool nf_opt_to_source(struct parse *p)
{
    return of_target(p, NF_T_SNAT, "SNAT") && opt_nat(p, "192.0.2.1, 192.0.2.1-192.0.2.9 or 192.0.2.1:1024-2048");
}

bool nf_opt_to_destination(struct parse *p)
{
    return of_target(p, NF_T_DNAT, "DNAT") && opt_nat(p, "10.0.0.5, 10.0.0.5:8080 or 10.0.0.5-10.0.0.9");
}

bool nf_opt_to_ports(struct parse *p)
{
    const char *v, *at;

    if (p->r->target != NF_T_MASQUERADE && p->r->target != NF_T_REDIRECT)
        return nf_bad(p, "'%s' needs `-j REDIRECT` or `-j MASQUERADE` before it", nf_word(p));
    if (!nf_no_not(p) || !needs_ports_to(p) || (v = at = nf_value(p, "a port or a range of ports")) == NULL)
        return false;
    if (*at == '-' || !nf_port_range(&at, '-', p->r->nat_port) || *at != '\0' || p->r->nat_port[0] == 0)
        return nf_bad(p, "'%s' is no port or range: write it as 8080 or 1024-2048", v);
    p->r->nat_has_ports = true;
    return true;
}

bool nf_is_nat_target(const struct nf_rule *r)
{
    return r->target == NF_T_SNAT || r->target == NF_T_DNAT || r->target == NF_T_MASQUERADE || r->target == NF_T_REDIRECT;
}

bool nf_opt_random(struct parse *p)
{
    if (!nf_is_nat_target(p->r))
        return nf_bad(p, "'%s' needs a target that translates before it", nf_word(p));
    p->r->nat_random = true;
    return nf_no_not(p);
}

bool nf_opt_persistent(struct parse *p)
{
    if (p->r->target != NF_T_SNAT && p->r->target != NF_T_DNAT)
        return nf_bad(p, "'%s' needs `-j SNAT` or `-j DNAT` before it", nf_word(p));
    p->r->nat_persistent = true;
    return nf_no_not(p);
}

bool nf_opt_set_mss(struct parse *p)
{
    const char *v;
    uint64_t n;

    if (!of_target(p, NF_T_TCPMSS, "TCPMSS") || (v = nf_value(p, "a size")) == NULL)
        return false;
    if (p->clamp || !nf_whole_number(v, 65495, &n) || n == 0)
        return nf_bad(p, "'%s' is no segment size (1 to 65495), or --clamp-mss-to-pmtu is there already", v);
    p->r->mss = (uint16_t)n;
    p->has_target_option = true;
    return true;
}

bool nf_opt_clamp(struct parse *p)
{
    if (!of_target(p, NF_T_TCPMSS, "TCPMSS"))
        return false;
    if (p->r->mss != 0)
        return nf_bad(p, "--set-mss and --clamp-mss-to-pmtu exclude each other");
    p->clamp = p->has_target_option = true;
    return true;
}

/* ---- what can only be judged at the end ---- */

bool nf_target_complete(struct parse *p)
{
    struct nf_rule *r = p->r;

    if (r->target == NF_T_JUMP || r->target == NF_T_GOTO) {
        r->jump = p->s != NULL ? nf_chain_find(&p->s->table[p->cmd->table], p->target) : NULL;
        if (r->jump == NULL)
            return nf_bad(p, "there is no target or chain '%s' in table %s", p->target, nf_table_name(p->cmd->table));
        if (r->jump->builtin)
            return nf_bad(p, "a rule can't jump to the builtin chain %s", p->target);
        return true;
    }
    if (nf_is_nat_target(r) != (p->cmd->table == NF_NAT) &&
        (nf_is_nat_target(r) || r->target == NF_T_REJECT || r->target == NF_T_TCPMSS || r->target == NF_T_DROP))
        return nf_bad(p, p->cmd->table == NF_NAT ? "%s belongs into table filter: the nat table sees a flow's first packet only"
                                              : "%s belongs into table nat: add -t nat", p->target);
    if ((r->target == NF_T_SNAT || r->target == NF_T_DNAT || r->target == NF_T_TCPMSS) && !p->has_target_option)
        return nf_bad(p, "-j %s needs %s", p->target, r->target == NF_T_SNAT   ? "--to-source ADDRESS"
                                                   : r->target == NF_T_DNAT ? "--to-destination ADDRESS"
                                                                            : "--clamp-mss-to-pmtu or --set-mss SIZE");
    if (r->target == NF_T_REJECT && p->cmd->table != NF_FILTER)
        return nf_bad(p, "REJECT belongs into table filter: mangle changes packets and answers none");
    if (r->target == NF_T_REJECT && r->reject == NF_REJECT_TCP_RESET && !nf_positive(p, IPPROTO_TCP_))
        return nf_bad(p, "--reject-with tcp-reset needs `-p tcp`: only TCP has resets");
    if (r->target == NF_T_TCPMSS && (!nf_positive(p, IPPROTO_TCP_) || (r->match & NF_M_TCPFLAGS) == 0 ||
                                     (r->not & NF_M_TCPFLAGS) != 0 || (r->tcp_cmp & TCP_SYN) == 0))
        return nf_bad(p, "-j TCPMSS is for SYNs only: add `-p tcp --tcp-flags SYN,RST SYN`");
    return true;
}

/* ip/nf/nf_table.c: the table `conntrack`, and the words by which flows are picked out of it. */
#include "ip/nf/nf_internal.h"

#include <stdio.h>
#include <string.h>

enum { C_ID, C_PROTO, C_PROTONAME, C_TIMEOUT, C_STATE, C_SRC, C_DST, C_SPORT, C_DPORT, C_TYPE, C_CODE, C_ICMP_ID,
       C_PACKETS, C_BYTES, C_RSRC, C_RDST, C_RSPORT, C_RDPORT, C_RTYPE, C_RCODE, C_RICMP_ID, C_RPACKETS, C_RBYTES,
       C_UNREPLIED, C_ASSURED };

static const struct column columns[] = {
    [C_ID] = {"id", VAL_U64, "the flow's number"},
    [C_PROTO] = {"proto", VAL_U64, "protocol number"},
    [C_PROTONAME] = {"protoname", VAL_STR, "and name"},
    [C_TIMEOUT] = {"timeout", VAL_U64, "seconds until it is forgotten"},
    [C_STATE] = {"state", VAL_STR, "of a TCP connection"},
    [C_SRC] = {"src", VAL_IP4, "who began it"},
    [C_DST] = {"dst", VAL_IP4, "whom it asked for"},
    [C_SPORT] = {"sport", VAL_U64, "its port"},
    [C_DPORT] = {"dport", VAL_U64, "and the other's"},
    [C_TYPE] = {"type", VAL_U64, "ICMP: of the query"},
    [C_CODE] = {"code", VAL_U64, "ICMP: 0"},
    [C_ICMP_ID] = {"icmp_id", VAL_U64, "ICMP: its identifier"},
    [C_PACKETS] = {"packets", VAL_U64, "datagrams in that direction"},
    [C_BYTES] = {"bytes", VAL_U64, "their octets"},
    [C_RSRC] = {"reply_src", VAL_IP4, "who answers"},
    [C_RDST] = {"reply_dst", VAL_IP4, "to whom"},
    [C_RSPORT] = {"reply_sport", VAL_U64, "from this port"},
    [C_RDPORT] = {"reply_dport", VAL_U64, "to this one"},
    [C_RTYPE] = {"reply_type", VAL_U64, "ICMP: of the answer"},
    [C_RCODE] = {"reply_code", VAL_U64, "ICMP: 0"},
    [C_RICMP_ID] = {"reply_icmp_id", VAL_U64, "ICMP: its identifier"},
    [C_RPACKETS] = {"reply_packets", VAL_U64, "datagrams back"},
    [C_RBYTES] = {"reply_bytes", VAL_U64, "their octets"},
    [C_UNREPLIED] = {"unreplied", VAL_BOOL, "nothing came back yet"},
    [C_ASSURED] = {"assured", VAL_BOOL, "it isn't pushed out when the table is full"},
};

static uint8_t answer_of(uint8_t query)
{
    return query == 8 ? 0 : (uint8_t)(query + 1);
}

static void tuple_row(struct row *row, const struct nf_tuple *t, bool reply)
{
    unsigned by = reply ? C_RSRC - C_SRC : 0;

    row_ip4(row, C_SRC + by, t->src);
    row_ip4(row, C_DST + by, t->dst);
    if (t->proto == IPPROTO_TCP_ || t->proto == IPPROTO_UDP_) {
        row_u64(row, C_SPORT + by, t->sport);
        row_u64(row, C_DPORT + by, t->dport);
    } else if (t->proto == IPPROTO_ICMP_) {
        row_u64(row, C_TYPE + by, reply ? answer_of(t->kind) : t->kind);
        row_u64(row, C_CODE + by, 0);
        row_u64(row, C_ICMP_ID + by, reply ? t->dport : t->sport);
    }
}

static void conn_row(const struct td_stack *st, const struct nf_conn *ct, struct row *row)
{
    td_time at = ct->timer.deadline;
    char buf[8];

    row_clear(row);
    row_u64(row, C_ID, ct->id);
    row_u64(row, C_PROTO, ct->end[NF_ORIG].t.proto);
    row_str(row, C_PROTONAME, nf_proto_name(ct->end[NF_ORIG].t.proto, buf));
    row_u64(row, C_TIMEOUT, at > st->now ? (at - st->now) / TD_SEC : 0);
    if (ct->end[NF_ORIG].t.proto == IPPROTO_TCP_)
        row_word(row, C_STATE, nf_tcp_state_name(ct->state));
    tuple_row(row, &ct->end[NF_ORIG].t, false);
    tuple_row(row, &ct->end[NF_REPLY].t, true);
    row_u64(row, C_PACKETS, ct->packets[NF_ORIG]);
    row_u64(row, C_BYTES, ct->bytes[NF_ORIG]);
    row_u64(row, C_RPACKETS, ct->packets[NF_REPLY]);
    row_u64(row, C_RBYTES, ct->bytes[NF_REPLY]);
    if ((ct->flags & NF_C_SEEN_REPLY) == 0)
        row_bool(row, C_UNREPLIED, true);
    if ((ct->flags & NF_C_ASSURED) != 0)
        row_bool(row, C_ASSURED, true);
}

static bool next(struct td_stack *st, uint64_t *cursor, struct row *row)
{
    struct hash_node *n;

    if (st->ip->nf == NULL)
        return false;
    while ((n = hash_from(&st->ip->nf->conns, *cursor)) != NULL) {
        struct nf_end *e = container_of(n, struct nf_end, node);

        *cursor = n->order + 1;
        if (e->dir == NF_REPLY || (nf_conn_of(e)->flags & NF_C_CONFIRMED) == 0)
            continue;
        conn_row(st, nf_conn_of(e), row);
        return true;
    }
    return false;
}

void nf_table_register(struct td_stack *st)
{
    st->ip->conntrack_table = (struct table){.name = "conntrack",
                                             .doc = "flows, while there are rules",
                                             .columns = columns,
                                             .ncolumns = sizeof columns / sizeof columns[0],
                                             .next = next};
    table_register(st, &st->ip->conntrack_table);
    st->nftext = nf_text;
}

/* ---- picking ---- */

bool nf_ct_matches(const struct nf_ct_filter *f, const struct nf_conn *ct)
{
    const struct nf_tuple *o = &ct->end[NF_ORIG].t, *r = &ct->end[NF_REPLY].t;

    return (!f->has_proto || o->proto == f->proto) && (!f->has_src || o->src == f->src) &&
           (!f->has_dst || o->dst == f->dst) && (!f->has_rsrc || r->src == f->rsrc) &&
           (!f->has_rdst || r->dst == f->rdst) && (!f->has_sport || o->sport == f->sport) &&
           (!f->has_dport || o->dport == f->dport) &&
           (!f->has_state || (o->proto == IPPROTO_TCP_ && ct->state == f->state)) && (!f->has_id || ct->id == f->id) &&
           (!f->src_nat || (ct->flags & NF_C_SRC_NAT) != 0) && (!f->dst_nat || (ct->flags & NF_C_DST_NAT) != 0);
}

static bool bad(char *msg, size_t size, const char *fmt, const char *word)
{
    if (msg != NULL)
        (void)snprintf(msg, size, fmt, word);
    return false;
}

static bool take_ip(const char *s, td_ip4 *out)
{
    unsigned part = 0, v = 0, digits = 0;
    td_ip4 a = 0;

    for (;; s++) {
        if (*s >= '0' && *s <= '9' && digits < 3) {
            v = v * 10 + (unsigned)(*s - '0');
            digits++;
            continue;
        }
        if (digits == 0 || v > 255 || (*s != '.' && *s != '\0') || (*s == '.') != (part < 3))
            return false;
        a = a << 8 | v;
        if (*s == '\0') {
            *out = a;
            return true;
        }
        part++;
        v = digits = 0;
    }
}

static bool take_number(const char *s, uint64_t max, uint64_t *out)
{
    uint64_t v = 0;

    if (*s == '\0')
        return false;
    for (; *s != '\0'; s++) {
        if (*s < '0' || *s > '9' || v > max / 10)
            return false;
        v = v * 10 + (uint64_t)(*s - '0');
    }
    *out = v;
    return v <= max;
}

static bool take_value(struct nf_ct_filter *f, const char *opt, const char *v)
{
    static const struct {
        const char *s, *l;
        size_t has, at;
    } addrs[] = {
        {"-s", "--orig-src", offsetof(struct nf_ct_filter, has_src), offsetof(struct nf_ct_filter, src)},
        {"-d", "--orig-dst", offsetof(struct nf_ct_filter, has_dst), offsetof(struct nf_ct_filter, dst)},
        {"-r", "--reply-src", offsetof(struct nf_ct_filter, has_rsrc), offsetof(struct nf_ct_filter, rsrc)},
        {"-q", "--reply-dst", offsetof(struct nf_ct_filter, has_rdst), offsetof(struct nf_ct_filter, rdst)},
    };
    char buf[8];
    uint64_t n;

    for (unsigned i = 0; i < sizeof addrs / sizeof addrs[0]; i++)
        if (strcmp(opt, addrs[i].s) == 0 || strcmp(opt, addrs[i].l) == 0) {
            td_ip4 a;

            if (!take_ip(v, &a))
                return false;
            memcpy((char *)f + addrs[i].at, &a, sizeof a);
            *((bool *)f + addrs[i].has) = true;
            return true;
        }
    if (strcmp(opt, "-p") == 0 || strcmp(opt, "--proto") == 0) {
        f->has_proto = true;
        for (unsigned i = 1; i < 256; i++)
            if (strcmp(v, nf_proto_name((uint8_t)i, buf)) == 0) {
                f->proto = (uint8_t)i;
                return true;
            }
        f->proto = take_number(v, 255, &n) ? (uint8_t)n : 0;
        return f->proto != 0;
    }
    if (strcmp(opt, "--state") == 0) {
        f->has_state = true;
        for (f->state = 0; f->state < NF_TCP_STATES; f->state++)
            if (strcmp(v, nf_tcp_state_name(f->state)) == 0)
                return true;
        return false;
    }
    if (!take_number(v, opt[2] == 'i' ? UINT64_MAX / 16 : 65535, &n))
        return false;
    if (strcmp(opt, "--id") == 0) {
        f->has_id = true;
        f->id = n;
    } else if (strcmp(opt, "--sport") == 0) {
        f->has_sport = true;
        f->sport = (uint16_t)n;
    } else {
        f->has_dport = true;
        f->dport = (uint16_t)n;
    }
    return true;
}

bool nf_ct_filter_parse(const char *words, struct nf_ct_filter *f, char *msg, size_t msg_size)
{
    static const char *const known[] = {"-s", "--orig-src", "-d", "--orig-dst", "-r", "--reply-src", "-q", "--reply-dst",
                                        "-p", "--proto", "--state", "--sport", "--dport", "--id"};
    char line[512], *word[64];
    int n;

    *f = (struct nf_ct_filter){0};
    if (strlen(words) >= sizeof line)
        return bad(msg, msg_size, "%s", "that is too long");
    memcpy(line, words, strlen(words) + 1);
    n = nf_words(line, word, 64, msg != NULL ? msg : line, msg != NULL ? msg_size : 0);
    for (int i = 0; i < n; i++) {
        bool is_known = false;

        if (strcmp(word[i], "-n") == 0 || strcmp(word[i], "--src-nat") == 0) {
            f->src_nat = true;
            continue;
        }
        if (strcmp(word[i], "-g") == 0 || strcmp(word[i], "--dst-nat") == 0) {
            f->dst_nat = true;
            continue;
        }
        for (unsigned k = 0; k < sizeof known / sizeof known[0]; k++)
            is_known = is_known || strcmp(word[i], known[k]) == 0;
        if (!is_known)
            return bad(msg, msg_size, "there is no option '%s' here: -p PROTO, -s, -d, -r, -q ADDRESS, --sport, --dport PORT, "
                                      "--state STATE, --id N, -n, -g", word[i]);
        if (i + 1 == n)
            return bad(msg, msg_size, "'%s' needs a value behind it", word[i]);
        if (!take_value(f, word[i], word[i + 1]))
            return bad(msg, msg_size, "'%s' is no value for that option", word[i + 1]);
        i++;
    }
    return n >= 0;
}

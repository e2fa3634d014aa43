/* link/netif_table.c: the tables "link", "qdisc" and "impair".
 *
 * "link" has a row an interface, its columns named as the keys of `ip -j -s link` (stats64
 * flattened: rx_bytes is stats64.rx.bytes). "qdisc" has a row a queue discipline, named as in `tc
 * -j -s qdisc`; netem's parameters are there when they are set. "impair" has a row an addressed
 * impairment.
 */
#include "link/link_priv.h"

#include <stdio.h>
#include <string.h>

enum link_col {
    L_IFINDEX,
    L_IFNAME,
    L_FLAGS,
    L_MTU,
    L_QDISC,
    L_OPERSTATE,
    L_LINK_TYPE,
    L_ADDRESS,
    L_BROADCAST,
    L_TXQLEN,
    L_RX_BYTES,
    L_RX_PACKETS,
    L_RX_ERRORS,
    L_RX_DROPPED,
    L_RX_MULTICAST,
    L_TX_BYTES,
    L_TX_PACKETS,
    L_TX_ERRORS,
    L_TX_DROPPED,
    L_BUSY,
    L_COLUMNS
};

static const struct column link_columns[L_COLUMNS] = {
    [L_IFINDEX] = {"ifindex", VAL_U64, "number of the interface"},
    [L_IFNAME] = {"ifname", VAL_STR, "its name"},
    [L_FLAGS] = {"flags", VAL_STR, "as in ip link, comma separated"},
    [L_MTU] = {"mtu", VAL_U64, "largest IP datagram in bytes"},
    [L_QDISC] = {"qdisc", VAL_STR, "egress queue discipline"},
    [L_OPERSTATE] = {"operstate", VAL_STR, "UP or DOWN; UNKNOWN on loopback"},
    [L_LINK_TYPE] = {"link_type", VAL_STR, "ether or loopback"},
    [L_ADDRESS] = {"address", VAL_MAC, "its MAC address"},
    [L_BROADCAST] = {"broadcast", VAL_MAC, "the link's broadcast address"},
    [L_TXQLEN] = {"txqlen", VAL_U64, "frames the egress queue holds"},
    [L_RX_BYTES] = {"rx_bytes", VAL_U64, "bytes received"},
    [L_RX_PACKETS] = {"rx_packets", VAL_U64, "frames received"},
    [L_RX_ERRORS] = {"rx_errors", VAL_U64, "frames received broken"},
    [L_RX_DROPPED] = {"rx_dropped", VAL_U64, "frames received and dropped"},
    [L_RX_MULTICAST] = {"rx_multicast", VAL_U64, "multicast frames received"},
    [L_TX_BYTES] = {"tx_bytes", VAL_U64, "bytes sent"},
    [L_TX_PACKETS] = {"tx_packets", VAL_U64, "frames sent"},
    [L_TX_ERRORS] = {"tx_errors", VAL_U64, "frames the device refused"},
    [L_TX_DROPPED] = {"tx_dropped", VAL_U64, "frames dropped on the way out"},
    [L_BUSY] = {"busy", VAL_BOOL, "the device takes no frames now"},
};

enum qdisc_col {
    Q_KIND,
    Q_DEV,
    Q_DIRECTION,
    Q_LIMIT,
    Q_RATE,
    Q_DELAY,
    Q_JITTER,
    Q_LOSS,
    Q_DUPLICATE,
    Q_CORRUPT,
    Q_REORDER,
    Q_GAP,
    Q_GE_P,
    Q_GE_R,
    Q_SEED,
    Q_BYTES,
    Q_PACKETS,
    Q_DROPS,
    Q_OVERLIMITS,
    Q_MARKS,
    Q_BACKLOG,
    Q_QLEN,
    Q_COLUMNS
};

static const struct column qdisc_columns[Q_COLUMNS] = {
    [Q_KIND] = {"kind", VAL_STR, "pfifo, bfifo, netem, tbf, red, fq_codel"},
    [Q_DEV] = {"dev", VAL_STR, "interface"},
    [Q_DIRECTION] = {"direction", VAL_STR, "egress or ingress"},
    [Q_LIMIT] = {"limit", VAL_U64, "packets it holds at most"},
    [Q_RATE] = {"rate", VAL_U64, "netem, tbf: bits a second"},
    [Q_DELAY] = {"delay", VAL_NS, "netem: delay"},
    [Q_JITTER] = {"jitter", VAL_NS, "netem: delay plus or minus this"},
    [Q_LOSS] = {"loss", VAL_STR, "netem: per cent lost"},
    [Q_DUPLICATE] = {"duplicate", VAL_STR, "netem: per cent doubled"},
    [Q_CORRUPT] = {"corrupt", VAL_STR, "netem: per cent with one bit flipped"},
    [Q_REORDER] = {"reorder", VAL_STR, "netem: per cent that skip the delay"},
    [Q_GAP] = {"gap", VAL_U64, "netem: every n-th frame may skip the delay"},
    [Q_GE_P] = {"p", VAL_STR, "netem: Gilbert-Elliott good to bad, per cent"},
    [Q_GE_R] = {"r", VAL_STR, "netem: Gilbert-Elliott bad to good, per cent"},
    [Q_SEED] = {"seed", VAL_U64, "netem: of its generator"},
    [Q_BYTES] = {"bytes", VAL_U64, "bytes sent"},
    [Q_PACKETS] = {"packets", VAL_U64, "packets sent"},
    [Q_DROPS] = {"drops", VAL_U64, "packets dropped"},
    [Q_OVERLIMITS] = {"overlimits", VAL_U64, "packets that had to wait for the rate"},
    [Q_MARKS] = {"marks", VAL_U64, "packets marked: congestion experienced"},
    [Q_BACKLOG] = {"backlog", VAL_U64, "bytes waiting"},
    [Q_QLEN] = {"qlen", VAL_U64, "packets waiting"},
};

static struct netif *netif_from(struct td_stack *st, uint64_t index)
{
    struct netif *nif = st->link->first;

    while (nif != NULL && nif->index < index)
        nif = nif->next;
    return nif;
}

static void link_flags_text(const struct netif *nif, char *dst, size_t size)
{
    static const struct {
        uint32_t bit;
        const char *name;
    } names[] = {
        {TD_IF_LOOPBACK, "LOOPBACK"},   {TD_IF_BROADCAST, "BROADCAST"},
        {TD_IF_MULTICAST, "MULTICAST"}, {TD_IF_NOARP, "NOARP"},
        {TD_IF_PROMISC, "PROMISC"},     {TD_IF_UP, "UP"},
        {TD_IF_UP, "LOWER_UP"},
    };
    size_t used = 0;

    dst[0] = '\0';
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if ((nif->flags & names[i].bit) != 0 && used < size)
            used += (size_t)snprintf(dst + used, size - used, "%s%s", used > 0 ? "," : "",
                                     names[i].name);
}

static bool link_next(struct td_stack *st, uint64_t *cursor, struct row *row)
{
    const struct netif *nif = netif_from(st, *cursor);
    bool loopback;
    char flags[96];

    if (nif == NULL)
        return false;
    *cursor = (uint64_t)nif->index + 1;
    loopback = (nif->flags & TD_IF_LOOPBACK) != 0;
    row_clear(row);
    row_u64(row, L_IFINDEX, nif->index);
    row_str(row, L_IFNAME, nif->name);
    link_flags_text(nif, flags, sizeof flags);
    row_str(row, L_FLAGS, flags);
    row_u64(row, L_MTU, nif->mtu);
    row_word(row, L_QDISC, netif_chain(nif, false) != NULL ? netif_chain(nif, false)->ops->kind : "noqueue");
    row_word(row, L_OPERSTATE, !netif_is_up(nif) ? "DOWN" : loopback ? "UNKNOWN" : "UP");
    row_word(row, L_LINK_TYPE, loopback ? "loopback" : "ether");
    row_mac(row, L_ADDRESS, nif->mac);
    row_mac(row, L_BROADCAST, loopback ? nif->mac : MAC_BROADCAST);
    row_u64(row, L_TXQLEN, nif->txqlen);
    row_u64(row, L_RX_BYTES, nif->stats.rx_bytes);
    row_u64(row, L_RX_PACKETS, nif->stats.rx_packets);
    row_u64(row, L_RX_ERRORS, nif->stats.rx_errors);
    row_u64(row, L_RX_DROPPED, nif->stats.rx_dropped);
    row_u64(row, L_RX_MULTICAST, nif->stats.rx_multicast);
    row_u64(row, L_TX_BYTES, nif->stats.tx_bytes);
    row_u64(row, L_TX_PACKETS, nif->stats.tx_packets);
    row_u64(row, L_TX_ERRORS, nif->stats.tx_errors);
    row_u64(row, L_TX_DROPPED, nif->stats.tx_dropped);
    row_bool(row, L_BUSY, nif->busy);
    return true;
}

/* A probability of 2^32 parts as per cent with two decimals, in integers. */
static void row_percent(struct row *row, unsigned col, uint32_t prob)
{
    uint64_t hundredths = ((uint64_t)prob * 10000 + (UINT64_C(1) << 31)) >> 32;
    char text[24];

    if (prob == 0)
        return;
    snprintf(text, sizeof text, "%u.%02u%%", (unsigned)(hundredths / 100),
             (unsigned)(hundredths % 100));
    row_str(row, col, text);
}

static void qdisc_netem_row(struct row *row, const struct td_netem *n)
{
    row_u64(row, Q_LIMIT, n->limit != 0 ? n->limit : 1000);
    if (n->rate != 0)
        row_u64(row, Q_RATE, n->rate);
    if (n->delay != 0)
        row_ns(row, Q_DELAY, n->delay);
    if (n->jitter != 0)
        row_ns(row, Q_JITTER, n->jitter);
    row_percent(row, Q_LOSS, n->loss);
    row_percent(row, Q_DUPLICATE, n->duplicate);
    row_percent(row, Q_CORRUPT, n->corrupt);
    row_percent(row, Q_REORDER, n->reorder);
    if (n->gap != 0)
        row_u64(row, Q_GAP, n->gap);
    row_percent(row, Q_GE_P, n->ge_p);
    row_percent(row, Q_GE_R, n->ge_p != 0 ? n->ge_r : 0);
    row_u64(row, Q_SEED, n->seed);
}

/* What waits in front of the innermost discipline counts for all around it, as tc shows it. */
static void qdisc_row(struct row *row, const struct netif *nif, const struct qdisc *q, bool ingress)
{
    struct td_qdisc d = {0};

    q->ops->params(q, &d);
    row_clear(row);
    row_word(row, Q_KIND, q->ops->kind);
    row_str(row, Q_DEV, nif->name);
    row_word(row, Q_DIRECTION, ingress ? "ingress" : "egress");
    if (q->ops->id == TD_QDISC_NETEM)
        qdisc_netem_row(row, &d.u.netem);
    else if (q->ops->id == TD_QDISC_TBF)
        row_u64(row, Q_RATE, d.u.tbf.rate);
    else if (q->ops->id == TD_QDISC_FQ_CODEL)
        row_u64(row, Q_LIMIT, d.u.fq_codel.limit);
    else
        row_u64(row, Q_LIMIT, q->ops->id == TD_QDISC_RED ? d.u.red.limit : d.u.fifo.limit);
    row_u64(row, Q_BYTES, q->sent_bytes);
    row_u64(row, Q_PACKETS, q->sent_packets);
    row_u64(row, Q_DROPS, qdisc_all_drops(q));
    row_u64(row, Q_OVERLIMITS, q->overlimits);
    row_u64(row, Q_MARKS, q->marks);
    row_u64(row, Q_BACKLOG, qdisc_all_bytes(q));
    row_u64(row, Q_QLEN, qdisc_all_packets(q));
}

/* A row's number: the interface, the direction, how deep in the chain. */
#define Q_ROWS 16

static bool qdisc_rows_next(struct td_stack *st, uint64_t *cursor, struct row *row)
{
    for (;; ++*cursor) {
        const struct netif *nif = netif_from(st, *cursor / Q_ROWS);
        const struct qdisc *q;
        bool ingress;

        if (nif == NULL)
            return false;
        if (*cursor / Q_ROWS < nif->index)
            *cursor = (uint64_t)nif->index * Q_ROWS;
        ingress = *cursor % Q_ROWS >= Q_ROWS / 2;
        q = netif_chain(nif, ingress);
        for (uint64_t depth = *cursor % (Q_ROWS / 2); q != NULL && depth > 0; depth--)
            q = q->child;
        if (q == NULL || q->implicit)
            continue;
        ++*cursor;
        qdisc_row(row, nif, q, ingress);
        return true;
    }
}

/* ---- rules ---- */

enum rule_col { R_RULE, R_DEV, R_DIRECTION, R_TEXT, R_MATCHED, R_ACTED, R_HELD, R_COLUMNS };

static const struct column rule_columns[R_COLUMNS] = {
    [R_RULE] = {"rule", VAL_U64, "its number"},
    [R_DEV] = {"dev", VAL_STR, "interface"},
    [R_DIRECTION] = {"direction", VAL_STR, "egress or ingress"},
    [R_TEXT] = {"text", VAL_STR, "what it says"},
    [R_MATCHED] = {"matched", VAL_U64, "frames it is about"},
    [R_ACTED] = {"acted", VAL_U64, "of them those to which something was done"},
    [R_HELD] = {"held", VAL_U64, "frames that it holds now"},
};

/* A row's number: the interface, the direction, the rule's number. */
static bool rule_rows_next(struct td_stack *st, uint64_t *cursor, struct row *row)
{
    for (;;) {
        const struct netif *nif = netif_from(st, *cursor >> 33);
        struct rule_info info;
        const struct qdisc *top;
        bool ingress;

        if (nif == NULL)
            return false;
        if (*cursor >> 33 < nif->index)
            *cursor = (uint64_t)nif->index << 33;
        ingress = (*cursor >> 32 & 1) != 0;
        top = ingress ? nif->ingress : nif->egress;
        if (!qdisc_is_rules(top) || !qdisc_rule_from(top, (uint32_t)*cursor, &info)) {
            *cursor = ((*cursor >> 32) + 1) << 32;
            continue;
        }
        *cursor = (*cursor >> 32 << 32) + info.id + 1;
        row_clear(row);
        row_u64(row, R_RULE, info.id);
        row_str(row, R_DEV, nif->name);
        row_word(row, R_DIRECTION, ingress ? "ingress" : "egress");
        row_str(row, R_TEXT, info.rule->text);
        row_u64(row, R_MATCHED, info.matched);
        row_u64(row, R_ACTED, info.acted);
        row_u64(row, R_HELD, info.held);
        return true;
    }
}

void netif_tables_init(struct td_stack *st)
{
    struct link *l = st->link;

    l->link_table = (struct table){
        .name = "link",
        .doc = "network interfaces (ip -s link)",
        .columns = link_columns,
        .ncolumns = L_COLUMNS,
        .next = link_next,
    };
    l->qdisc_table = (struct table){
        .name = "qdisc",
        .doc = "queue disciplines (tc -s qdisc)",
        .columns = qdisc_columns,
        .ncolumns = Q_COLUMNS,
        .next = qdisc_rows_next,
    };
    l->rule_table = (struct table){
        .name = "impair",
        .doc = "addressed impairments (tc rule show)",
        .columns = rule_columns,
        .ncolumns = R_COLUMNS,
        .next = rule_rows_next,
    };
    table_register(st, &l->link_table);
    table_register(st, &l->qdisc_table);
    table_register(st, &l->rule_table);
    fdb_table_init(st);
}

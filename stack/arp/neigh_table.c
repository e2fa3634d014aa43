/* arp/neigh_table.c: the table "neigh", as `ip -s neigh` prints it.
 *
 * Rows come in the order in which the entries were made; the cursor is that number, so a dump goes
 * on where it stopped while entries come and go.
 */
#include "arp/arp_priv.h"

enum neigh_col {
    N_DST,
    N_DEV,
    N_LLADDR,
    N_STATE,
    N_USED,
    N_CONFIRMED,
    N_UPDATED,
    N_PROBES,
    N_QUEUE,
    N_FAILS,
    N_COLUMNS
};

static const struct column neigh_columns[N_COLUMNS] = {
    [N_DST] = {"dst", VAL_IP4, "the neighbour's address"},
    [N_DEV] = {"dev", VAL_STR, "interface"},
    [N_LLADDR] = {"lladdr", VAL_MAC, "its MAC address, once known"},
    [N_STATE] = {"state", VAL_STR, "as in ip neigh"},
    [N_USED] = {"used", VAL_NS, "since we last sent to it"},
    [N_CONFIRMED] = {"confirmed", VAL_NS, "since it was last known to answer"},
    [N_UPDATED] = {"updated", VAL_NS, "since its MAC address was set"},
    [N_PROBES] = {"probes", VAL_U64, "requests sent in this state"},
    [N_QUEUE] = {"queue", VAL_U64, "packets that wait for its address"},
    [N_FAILS] = {"fails", VAL_U64, "resolutions that failed in a row"},
};

static bool neigh_next(struct td_stack *st, uint64_t *cursor, struct row *row)
{
    struct hash_node *node = hash_from(&st->arp->table, *cursor);
    const struct neigh *n;

    if (node == NULL)
        return false;
    n = container_of(node, struct neigh, node);
    *cursor = node->order + 1;
    row_clear(row);
    row_ip4(row, N_DST, n->key.ip);
    row_str(row, N_DEV, n->nif->name);
    if (!mac_is_zero(n->mac))
        row_mac(row, N_LLADDR, n->mac);
    row_word(row, N_STATE, neigh_state_name(n->state));
    if (n->ever_used)
        row_ns(row, N_USED, st->now - n->used);
    row_ns(row, N_CONFIRMED, st->now - n->confirmed);
    row_ns(row, N_UPDATED, st->now - n->updated);
    row_u64(row, N_PROBES, n->probes);
    row_u64(row, N_QUEUE, n->queue.count);
    row_u64(row, N_FAILS, n->fails);
    return true;
}

void neigh_table_init(struct td_stack *st)
{
    st->arp->neigh_table = (struct table){
        .name = "neigh",
        .doc = "neighbours (ip neigh)",
        .columns = neigh_columns,
        .ncolumns = N_COLUMNS,
        .next = neigh_next,
    };
    table_register(st, &st->arp->neigh_table);
}

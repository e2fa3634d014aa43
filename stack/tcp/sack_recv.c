/* tcp/sack_recv.c: what the receiver tells of the text it holds beyond a hole (RFC 2018, 2883).
 *
 * Theory of operation. The ACK field says only where the first hole begins. A SACK block says that
 * [left, right) is here as well, so that the sender repeats the holes alone. An ACK has room for
 * three blocks beside a timestamp, for four without (RFC 2018 3), and there may be more holes than
 * that; ACKs get lost, too. So the order matters (section 4):
 *
 *   - first the block that the segment just received fell into: the newest news;
 *   - then those reported first most recently. So each is told in three ACKs in a row at least.
 *
 * The history is this list of up to four blocks, newest first. Blocks are runs of the reassembly
 * list (reasm.c): when a segment joins two, the list loses one.
 *
 * D-SACK (RFC 2883): text that came twice is reported once, as a block before the others. It lies
 * below the ACK field, or inside the block behind it; by that the sender knows it for what it is,
 * and learns that something was repeated in vain, or that the network makes copies. Of a segment
 * that is a duplicate in parts, the first such part is told.
 *
 * A connection without holes has no list: it is allocated with the first block and freed when the
 * last hole is filled. Without memory for it the ACK goes out plain.
 */
#include "tcp/tcp_internal.h"

#define BLOCKS 4

struct tcp_sacks {
    struct tcp_sack_block b[BLOCKS]; /* newest first */
    struct tcp_sack_block dup;       /* dup.left == dup.right: none */
    uint8_t n;
};

static struct tcp_sacks *list(struct td_stack *st, struct tcb *t)
{
    if (t->sacks == NULL && t->sack_ok) {
        t->sacks = mem_alloc(&st->mem, MEM_TCP, sizeof *t->sacks);
    }
    return t->sacks;
}

void tcp_sack_clear(struct td_stack *st, struct tcb *t)
{
    mem_free(&st->mem, MEM_TCP, t->sacks, sizeof *t->sacks);
    t->sacks = NULL;
}

static void free_if_empty(struct td_stack *st, struct tcb *t)
{
    if (t->sacks != NULL && t->sacks->n == 0 && t->sacks->dup.left == t->sacks->dup.right) {
        tcp_sack_clear(st, t);
    }
}

static void remove_block(struct tcp_sacks *k, unsigned i)
{
    for (k->n--; i < k->n; i++) {
        k->b[i] = k->b[i + 1];
    }
}

void tcp_sack_held(struct td_stack *st, struct tcb *t, struct tcp_sack_block run)
{
    struct tcp_sacks *k = list(st, t);
    if (k == NULL) {
        return;
    }
    for (unsigned i = k->n; i-- > 0;) { /* what the run took in, and its own older self */
        if (seq_ge(run.right, k->b[i].left) && seq_le(run.left, k->b[i].right)) {
            remove_block(k, i);
        }
    }
    if (k->n == BLOCKS) {
        k->n--; /* told in four ACKs: enough */
    }
    for (unsigned i = k->n; i > 0; i--) {
        k->b[i] = k->b[i - 1];
    }
    k->b[0] = run;
    k->n++;
}

void tcp_sack_advance(struct td_stack *st, struct tcb *t)
{
    struct tcp_sacks *k = t->sacks;
    if (k == NULL) {
        return;
    }
    for (unsigned i = k->n; i-- > 0;) {
        if (seq_le(k->b[i].left, t->rcv_nxt)) {
            remove_block(k, i);
        }
    }
    free_if_empty(st, t);
}

void tcp_sack_dup(struct td_stack *st, struct tcb *t, tcp_seq left, tcp_seq right)
{
    if (!t->sack_ok || knob(st, TCP_DSACK) == 0 || !seq_lt(left, right)) {
        return;
    }
    if (t->sacks != NULL && t->sacks->dup.left != t->sacks->dup.right) {
        /* An earlier segment of this batch was a duplicate too: each has its own ACK (2883 4). */
        uint8_t owed = t->dup_owed;
        tcp_send_ack(st, t);
        t->dup_owed = owed > 0 ? (uint8_t)(owed - 1) : 0;
    }
    struct tcp_sacks *k = list(st, t);
    if (k == NULL) {
        return;
    }
    k->dup = (struct tcp_sack_block){left, right};
    const struct journal_subject subject = tcp_subject(t);
    JOURNAL(st, EV_TCP_DSACK_OUT, &subject, left, right);
    if (seq_lt(left, t->rcv_nxt)) {
        count(st, TcpExtTCPDSACKOldSent);
    } else {
        count(st, TcpExtTCPDSACKOfoSent);
    }
}

unsigned tcp_sack_room(const struct tcb *t, unsigned room)
{
    const struct tcp_sacks *k = t->sacks;
    if (k == NULL || room < 12) {
        return 0;
    }
    unsigned n = k->n + (k->dup.left != k->dup.right ? 1u : 0u), most = (room - 4) / 8;
    n = n < most ? n : most;
    return n == 0 ? 0 : 4 + 8 * n;
}

void tcp_sack_fill(struct td_stack *st, struct tcb *t, struct tcp_opts *o, unsigned room)
{
    struct tcp_sacks *k = t->sacks;
    unsigned bytes = tcp_sack_room(t, room);
    if (bytes == 0) {
        return;
    }
    unsigned n = (bytes - 4) / 8, at = 0;
    if (k->dup.left != k->dup.right) {
        o->sack[at++] = k->dup;
        k->dup.left = k->dup.right; /* in this ACK only */
    }
    for (unsigned i = 0; at < n; i++) {
        o->sack[at++] = k->b[FAULT_ON(st, STALE_SACK) ? k->n - 1 - i % k->n : i];
    }
    o->nsack = (uint8_t)n;
    free_if_empty(st, t);
}

/* The receive queue: out of order, overlapping, repeated; judged by an oracle that knows where each octet came
 * from. */
#include "check_main.h"
#include "prng.h"
#include "tcp_talk.h"

/* ---- the two lists by themselves ---- */

#define SPAN 3000

/* n octets that carry the pattern of their place. */
static struct pkt *piece(struct mem *m, uint32_t off, uint32_t n)
{
    struct pkt *p = pkt_alloc(m, 0, n);
    ck_assert_ptr_nonnull(p);
    uint8_t *b = pkt_put(p, n);
    for (uint32_t i = 0; i < n; i++) {
        b[i] = hx_pattern(off + i);
    }
    return p;
}

/* What is held beyond the hole is just what the map says; memory accounted to the byte. */
static void check_lists(const struct rcvbuf *b, const struct mem *m, tcp_seq base, const bool *have,
                        uint32_t done)
{
    uint32_t truesize = 0, wrong = 0;
    for (uint32_t k = done; b->held != NULL && k < SPAN; k++) {
        struct tcp_sack_block part, run;
        bool held = rcvbuf_held(b, base + k, 1, &part);
        wrong += held != have[k];
        wrong += held && (part.left != base + k || part.right != part.left + 1);
        wrong += rcvbuf_run(b, base + k, &run) != (have[k] || (k > done && have[k - 1]));
        if (held) {
            wrong += !have[run.left - base] || have[run.left - base - 1];
            wrong += !have[run.right - base - 1] || have[run.right - base];
        }
    }
    ck_assert_uint_eq(wrong, 0);
    for (const struct pkt *p = b->q.head; p != NULL; p = p->next) {
        truesize += p->truesize;
    }
    ck_assert_uint_ge(b->truesize, truesize);
    ck_assert((b->held != NULL) == (rcvbuf_pieces(b) > 0));
    if (b->held == NULL) { /* and nothing is left of it */
        ck_assert_uint_eq(b->truesize, truesize);
        ck_assert_uint_eq(m->used_by[MEM_TCP], 0);
    }
}

/* Random pieces over each other, judged by a map of the octets. */
START_TEST(lists_and_their_oracle)
{
    struct mem m;
    mem_init(&m, 0);
    for (unsigned seed = 0; seed < prng_rounds(300); seed++) {
        struct prng r = {seed + 1000u * (unsigned)_i};
        tcp_seq base = _i == 0 ? 1000 : 0xffffffffu - prng_below(&r, SPAN); /* over the wrap */
        struct rcvbuf b;
        rcvbuf_init(&b);
        bool have[SPAN + 1] = {false};
        uint32_t done = 0;
        unsigned pieces = 5 + prng_below(&r, 120);
        for (unsigned i = 0; i < pieces && done < SPAN - 1; i++) {
            bool in_order = prng_below(&r, 8) == 0;
            uint32_t off = in_order ? done : done + 1 + prng_below(&r, SPAN - done - 1);
            uint32_t most = in_order ? 40 : 400;
            uint32_t n = 1 + prng_below(&r, SPAN - off < most ? SPAN - off : most);
            uint32_t fresh = 0;
            for (uint32_t k = off; k < off + n; k++) {
                fresh += !have[k];
                have[k] = true;
            }
            struct pkt *p = piece(&m, off, n);
            if (in_order) {
                rcvbuf_append(&b, p);
                done += n;
                done += rcvbuf_advance(&b, base + done);
            } else {
                ck_assert_int_eq(rcvbuf_insert(&b, &tcp_reassembly_runs, p, base + off), fresh);
            }
            if (i % 8 == 0) {
                check_lists(&b, &m, base, have, done);
            }
            ck_assert_uint_eq(b.q.bytes, done);
            ck_assert_ptr_null(memchr(have, 0, done));
            ck_assert(!have[done]);
        }
        uint32_t at = 0;
        for (const struct pkt *p = b.q.head; p != NULL; p = p->next) {
            for (uint32_t k = 0; k < p->len; k++, at++) {
                uint8_t octet = 0;
                if (!pkt_read(p, k, &octet, 1) || octet != hx_pattern(at)) {
                    ck_abort_msg("seed %u: octet %u is wrong", seed, at);
                }
            }
        }
        rcvbuf_clear(&b);
        ck_assert_uint_eq(b.truesize, 0);
        ck_assert_uint_eq(m.used, 0);
    }
}
END_TEST

/* ---- through the connection ---- */

/* shows: SHLD-31 5681-15 5681-16 */
START_TEST(any_order_any_overlap)
{
    for (unsigned seed = 1; seed <= prng_rounds(60); seed++) {
        struct prng r = {seed + 100u * (unsigned)_i};
        struct conv c = conv_new(_i == 0 ? TD_PROFILE_LINUX : TD_PROFILE_RFC);
        c.h->peer_isn = _i == 0 ? 0xfffff000u : prng_u32(&r);
        c = talk(c, (struct hx_opts){.mss = 1460}, 60000, 0);
        static bool have[20002];
        memset(have, 0, sizeof have);
        const int64_t total = 12000;
        int64_t next = 1;
        unsigned rounds = 0;
        while (next <= total && rounds++ < 4000) {
            int64_t seq = prng_below(&r, 4) == 0 ? next : 1 + (int64_t)prng_below(&r, (uint32_t)total);
            seq = prng_below(&r, 8) == 0 && next > 50 ? next - (int64_t)prng_below(&r, 50) : seq; /* half old */
            int64_t n = 1 + (int64_t)prng_below(&r, 700);
            n = seq + n > total + 1 ? total + 1 - seq : n;
            uint16_t fin = seq + n == total + 1 ? FIN : 0;
            bool hole = seq > next, fills = false;
            for (int64_t i = seq; i < seq + n; i++) {
                have[i] = true;
            }
            while (next <= total && have[next]) {
                fills = true;
                next++;
            }
            tcp_in(c.h, hx_now(c.h) + US(100), .flags = (uint16_t)(ACK | fin), .seq = seq, .ack = 1, .wnd = 60000,
                   .len = (size_t)n);
            if (hole && !fills) { /* an immediate duplicate for what is beyond a hole */
                ck_assert_uint_ge(hx_pending(c.h), 1);
            }
            hx_drain(c.h);
            struct tcb *t = conv_tcb(&c);
            ck_assert_int_ge((int64_t)(uint32_t)(t->rcv_nxt - t->irs), next);
            ck_assert_int_le((int64_t)(uint32_t)(t->rcv_nxt - t->irs), next + 1); /* and the FIN */
        }
        ck_assert_int_eq(next, total + 1);
        tcp_in(c.h, NOW, .flags = ACK | FIN, .seq = total + 1, .ack = 1, .wnd = 60000);
        hx_drain(c.h);
        assert_state(&c, TCPS_CLOSE_WAIT);
        read_pattern(&c, 1, (size_t)total);
        char b[1];
        ck_assert_int_eq(td_recv(c.h->st, c.s, b, 1, 0), 0);
        hx_drain(c.h);
        leave(&c);
    }
}
END_TEST

/* shows: ATK-TCPR-08 */
START_TEST(many_tiny_holes)
{
    struct conv c = reach(EST);
    const struct mem *m = &c.h->st->mem;
    uint64_t before = m->used_by[MEM_PKT];
    struct prng r = {7};
    c.h->any_tx = true;
    uint32_t wnd = conv_tcb(&c)->rcv_wnd;
    for (int i = 0; i < 20000; i++) { /* one octet each, at even places, in any order */
        int64_t seq = 2 + 2 * (int64_t)prng_below(&r, wnd / 2 - 1);
        tcp_in(c.h, NOW, .flags = ACK, .seq = seq, .ack = 1, .wnd = 60000, .len = 1);
    }
    struct tcb *t = conv_tcb(&c);
    ck_assert_uint_le(m->used_by[MEM_PKT] - before, t->rcvbuf_limit + t->rcvbuf_limit / 2);
    ck_assert_uint_gt(hx_counter(c.h, "TcpExtTCPOFODrop"), 0);
    /* the stream goes on all the same, and nothing that was held is wrong */
    int64_t next = 1;
    for (int i = 0; i < 8; i++) {
        next = (int64_t)(uint32_t)(t->rcv_nxt - t->irs);
        tcp_in(c.h, NOW, .flags = ACK, .seq = next, .ack = 1, .wnd = 60000, .len = 1000);
        read_pattern(&c, next, (size_t)((int64_t)(uint32_t)(t->rcv_nxt - t->irs) - next));
    }
    ck_assert_int_gt((int64_t)(uint32_t)(t->rcv_nxt - t->irs), 8000);
    hx_flush(c.h);
    c.h->any_tx = false;
    leave(&c);
}
END_TEST

/* shows: ATK-TCPH-19 ATK-TCPH-20 */
START_TEST(urgent_octet_in_a_hole)
{
    struct conv c = reach(EST);
    struct hx *h = c.h;
    char b[64];
    /* its segment comes first, beyond a hole */
    tcp_in(h, NOW, .flags = ACK | URG, .seq = 11, .ack = 1, .wnd = 60000, .len = 10, .urp = 5);
    hx_drain(h);
    ck_assert(td_poll(h->st, c.s) & POLLPRI);
    ck_assert_int_eq(td_recv(h->st, c.s, b, sizeof b, MSG_OOB), -EAGAIN);
    ck_assert_int_eq(td_recv(h->st, c.s, b, sizeof b, 0), -EAGAIN);
    tcp_in(h, NOW, .flags = ACK, .seq = 1, .ack = 1, .wnd = 60000, .len = 10);
    hx_drain(h);
    b[14] = 'x';
    ck_assert_int_eq(td_recv(h->st, c.s, b, 3, 0), 3);
    ck_assert_int_eq(td_recv(h->st, c.s, b, sizeof b, 0), 11); /* up to the mark, which is octet 15 */
    ck_assert_int_eq(b[14], 'x');                              /* and never more than there is room for */
    ck_assert_int_eq(td_recv(h->st, c.s, b, 0, 0), 0);         /* nothing asked for at the mark: no harm */
    ck_assert_int_eq(td_recv(h->st, c.s, b, 2, 0), 2);         /* over it, without it */
    ck_assert_uint_eq((uint8_t)b[0], hx_pattern(16));
    ck_assert_int_eq(td_recv(h->st, c.s, b, 1, MSG_OOB), 1);
    ck_assert_uint_eq((uint8_t)b[0], hx_pattern(15));
    ck_assert_int_eq(td_recv(h->st, c.s, b, 1, MSG_OOB), -EINVAL); /* once */
    ck_assert_int_eq(td_recv(h->st, c.s, b, sizeof b, 0), 3);
    ck_assert_int_eq(td_recv(h->st, c.s, b, sizeof b, 0), -EAGAIN);
    leave(&c);
    /* a service that doesn't know of it, SO_OOBINLINE: a stream like any other */
    c = reach(EST);
    ck_assert_int_eq(set_opt(c.h, c.s, SOL_SOCKET, SO_OOBINLINE, 1), 0);
    tcp_in(c.h, NOW, .flags = ACK | URG | PSH, .seq = 1, .ack = 1, .wnd = 60000, .len = 20, .urp = 20);
    hx_drain(c.h);
    read_pattern(&c, 1, 20);
    leave(&c);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("tcp reasm");
    TCase *tc = tcase_create("reasm");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, lists_and_their_oracle, 0, 2);
    tcase_add_loop_test(tc, any_order_any_overlap, 0, 2);
    tcase_add_test(tc, many_tiny_holes);
    tcase_add_test(tc, urgent_octet_in_a_hole);
    suite_add_tcase(s, tc);
    return s;
}

CHECK_MAIN(suite)

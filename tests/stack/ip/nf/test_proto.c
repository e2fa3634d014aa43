/* ip/nf/proto.c, conn.c: flows, their states and times, and the table's limit. */
#include "nf_rig.h"

static const struct flow_ends web = {PEER, SERVER, 40000, 80};
static const struct flow_ends dns = {PEER, SERVER, 40000, 53};

static struct flow_ends back_of(struct flow_ends f)
{
    return back(&f);
}
#define WEB_BACK (&(struct flow_ends){SERVER, PEER, 80, 40000})
#define DNS_BACK (&(struct flow_ends){SERVER, PEER, 53, 40000})

static void track(void)
{
    nf_setup();
    rules("-A FORWARD -m state --state INVALID -j DROP");
}

static void is(unsigned state, td_time seconds)
{
    struct nf_conn *ct = flow_of(&web, IPPROTO_TCP_);

    ck_assert_ptr_nonnull(ct);
    ck_assert_str_eq(nf_tcp_state_name(ct->state), nf_tcp_state_name(state));
    ck_assert_uint_eq((ct->timer.deadline - stack()->now + TD_SEC / 2) / TD_SEC, seconds);
}

START_TEST(tcp_life)
{
    tcp_in(&web, SYN, 1, 0, 0);
    is(NF_TCP_SYN_SENT, 120);
    ck_assert(!(flow_of(&web, 6)->flags & NF_C_SEEN_REPLY));
    tcp_in(WEB_BACK, SYN | ACK, 9, 2, 0);
    is(NF_TCP_SYN_RECV, 60);
    ck_assert(!(flow_of(&web, 6)->flags & NF_C_ASSURED));
    tcp_in(&web, ACK, 2, 10, 0);
    is(NF_TCP_ESTABLISHED, 432000);
    ck_assert(flow_of(&web, 6)->flags & NF_C_ASSURED);
    advance(100 * TD_SEC);
    tcp_in(WEB_BACK, PSH | ACK, 10, 2, 100);
    is(NF_TCP_ESTABLISHED, 432000);
    tcp_in(&web, FIN | ACK, 2, 110, 0);
    is(NF_TCP_FIN_WAIT, 120);
    tcp_in(&web, FIN | ACK, 2, 110, 0); /* once more: still one side only */
    is(NF_TCP_FIN_WAIT, 120);
    tcp_in(WEB_BACK, ACK, 110, 3, 0);
    is(NF_TCP_CLOSE_WAIT, 60);
    tcp_in(WEB_BACK, FIN | ACK, 110, 3, 0);
    is(NF_TCP_LAST_ACK, 30);
    tcp_in(WEB_BACK, ACK, 110, 3, 0);
    is(NF_TCP_LAST_ACK, 30);
    tcp_in(&web, ACK, 3, 111, 0);
    is(NF_TCP_TIME_WAIT, 120);
    ck_assert_uint_eq(flow_of(&web, 6)->packets[NF_ORIG], 5);
    ck_assert_uint_eq(flow_of(&web, 6)->packets[NF_REPLY], 5);
    advance(121 * TD_SEC);
    ck_assert_ptr_null(flow_of(&web, 6));
    ck_assert_uint_eq(nf_ct_count(stack()), 0);
    ck_assert_uint_eq(events(EV_NF_CT_DESTROY), 1);
    ck_assert_uint_eq(last_event(EV_NF_CT_DESTROY)->arg[1], W_NF_TIMEOUT);
}
END_TEST

START_TEST(tcp_reset_and_again)
{
    tcp_in(&web, SYN, 1, 0, 0);
    uint64_t id = flow_of(&web, 6)->id;
    tcp_in(WEB_BACK, RST | ACK, 0, 2, 0);
    is(NF_TCP_CLOSE, 10);
    tcp_in(&web, SYN, 5, 0, 0);
    is(NF_TCP_SYN_SENT, 120);
    ck_assert_uint_ne(flow_of(&web, 6)->id, id);
}
END_TEST

START_TEST(tcp_simultaneous)
{
    tcp_in(&web, SYN, 1, 0, 0);
    tcp_in(WEB_BACK, SYN, 1, 0, 0);
    is(NF_TCP_SYN_SENT2, 120);
    tcp_in(WEB_BACK, SYN | ACK, 1, 2, 0);
    tcp_in(&web, ACK, 2, 2, 0);
    is(NF_TCP_ESTABLISHED, 432000);
}
END_TEST

START_TEST(tcp_taken_up_in_the_middle)
{
    tcp_in(&web, ACK, 1000, 1000, 10);
    is(NF_TCP_ESTABLISHED, 300);
    ck_assert(!(flow_of(&web, 6)->flags & NF_C_ASSURED));
    tcp_in(WEB_BACK, ACK, 1000, 1010, 10);
    is(NF_TCP_ESTABLISHED, 432000);
    nf_conn_flush(stack(), W_NONE);
    set_knob(NF_CT_TCP_LOOSE, 0);
    rig_forget(r);
    tcp_in(&web, ACK, 1000, 1000, 10);
    nothing_sent();
    ck_assert_uint_eq(nf_ct_count(stack()), 0);
}
END_TEST

START_TEST(impossible_flags)
{
    static const uint16_t bad[] = {0, SYN | FIN, SYN | RST, FIN, FIN | SYN | ACK, FIN | RST, PSH, SYN | ACK, RST};

    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        tcp_in(&web, bad[i], 1, 1, 0);
        ck_assert_uint_eq(nf_ct_count(stack()), 0);
    }
    nothing_sent();
    ck_assert_uint_eq(counter(NfCtInvalid), 9);
}
END_TEST

START_TEST(bad_checksums_are_invalid)
{
    uint8_t b[40] = {0};

    wire_put16(b, 40000);
    wire_put16(b + 2, 53);
    wire_put16(b + 4, 40);
    wire_put16(b + 6, 0x1234);
    l4_in(&dns, IPPROTO_UDP_, b, 40, 0, 64);
    nothing_sent();
    set_knob(NF_CT_CHECKSUM, 0);
    l4_in(&dns, IPPROTO_UDP_, b, 40, 0, 64);
    ck_assert_uint_eq(r->nout, 1);
}
END_TEST

START_TEST(udp_life)
{
    udp_in(&dns, 10);
    struct nf_conn *ct = flow_of(&dns, 17);
    ck_assert_ptr_nonnull(ct);
    ck_assert_uint_eq(ct->timer.deadline - stack()->now, 30 * TD_SEC);
    advance(29 * TD_SEC);
    udp_in(&dns, 10);
    ck_assert_uint_eq(ct->timer.deadline - stack()->now, 30 * TD_SEC);
    ck_assert(!(ct->flags & NF_C_ASSURED)); /* one side only, however long */
    udp_in(DNS_BACK, 10);
    ck_assert(ct->flags & NF_C_ASSURED);
    ck_assert_uint_eq(ct->timer.deadline - stack()->now, 120 * TD_SEC);
    struct flow_ends quick = {PEER, SERVER, 40001, 53}, quick_back = back_of(quick);
    udp_in(&quick, 10);
    udp_in(&quick_back, 10);
    ck_assert(!(flow_of(&quick, 17)->flags & NF_C_ASSURED)); /* a question and its answer */
    advance(31 * TD_SEC);
    ck_assert_ptr_null(flow_of(&quick, 17));
    ck_assert_ptr_nonnull(flow_of(&dns, 17));
}
END_TEST

START_TEST(icmp_and_others)
{
    frame_in = eth0;
    PING(8, .src = PEER, .dst = SERVER);
    ck_assert_uint_eq(nf_ct_count(stack()), 1);
    ck_assert_uint_eq(r->nout, 1);
    frame_in = eth1;
    icmp_in((struct ipv4_hdr){.src = SERVER, .dst = PEER}, ICMP_ECHO_REPLY, 0, 0x12340005, pattern(), 8);
    ck_assert_uint_eq(r->nout, 2);
    ck_assert_uint_eq(nf_ct_count(stack()), 1);
    frame_in = eth1; /* an answer that nobody asked for */
    icmp_in((struct ipv4_hdr){.src = SERVER, .dst = PEER}, ICMP_ECHO_REPLY, 0, 0x99990005, pattern(), 8);
    ck_assert_uint_eq(r->nout, 2);
    frame_in = eth0;
    IP_IN(8, .dst = SERVER, .proto = 47);
    ck_assert_uint_eq(nf_ct_count(stack()), 2);
    frame_in = NULL;
    advance(31 * TD_SEC);
    ck_assert_uint_eq(nf_ct_count(stack()), 1);
    advance(600 * TD_SEC);
    ck_assert_uint_eq(nf_ct_count(stack()), 0);
}
END_TEST

START_TEST(what_never_left_is_no_flow)
{
    rules("-A FORWARD -p udp --dport 9 -j DROP");
    udp_in(ENDS(PEER, SERVER, 1, 9), 1);
    ck_assert_uint_eq(nf_ct_count(stack()), 0);
    udp_in(ENDS(PEER, TD_IP4(255, 1, 2, 3), 1, 10), 1); /* no way there: gone with the next tick */
    rig_run(r, stack()->now);
    ck_assert_uint_eq(nf_ct_count(stack()), 0);
    ck_assert_uint_eq(events(EV_NF_CT_NEW), 0);
}
END_TEST

START_TEST(full_table)
{
    set_knob(NF_CT_MAX, 10);
    for (uint16_t i = 0; i < 5; i++) { /* five that are assured */
        struct flow_ends f = {PEER, SERVER, (uint16_t)(50000 + i), 80}, b = back(&f);
        tcp_in(&f, SYN, 1, 0, 0);
        tcp_in(&b, SYN | ACK, 1, 2, 0);
        tcp_in(&f, ACK, 2, 2, 0);
    }
    for (uint16_t i = 0; i < 1000; i++)
        tcp_in(ENDS(PEER, SERVER, (uint16_t)(1000 + i), 81), SYN, 1, 0, 0);
    ck_assert_uint_eq(nf_ct_count(stack()), 10);
    ck_assert_uint_eq(counter(NfCtEarlyDrops), 995);
    for (uint16_t i = 0; i < 5; i++)
        ck_assert_ptr_nonnull(flow_of(ENDS(PEER, SERVER, (uint16_t)(50000 + i), 80), 6));
    ck_assert_ptr_nonnull(flow_of(ENDS(PEER, SERVER, 1999, 81), 6)); /* the newest stayed */
    ck_assert_ptr_null(flow_of(ENDS(PEER, SERVER, 1994, 81), 6));
    /* All assured: nothing new comes in. */
    set_knob(NF_CT_MAX, 5);
    for (uint16_t i = 0; i < 6; i++) {
        rig_forget(r);
        tcp_in(ENDS(PEER, SERVER, (uint16_t)(3000 + i), 82), SYN, 1, 0, 0);
    }
    nothing_sent();
    ck_assert_uint_ge(events(EV_NF_DROP_TABLE), 1);
    rig_forget(r);
    tcp_in(ENDS(PEER, SERVER, 50000, 80), ACK, 2, 2, 10); /* what there is goes on */
    ck_assert_uint_eq(r->nout, 1);
}
END_TEST

START_TEST(forgotten_by_command)
{
    char msg[200];

    tcp_in(&web, SYN, 1, 0, 0);
    udp_in(&dns, 1);
    udp_in(ENDS(PEER2, SERVER, 7, 8), 1);
    ck_assert_int_eq(nf_ct_delete(stack(), "-p udp -s 10.0.0.2", msg, sizeof msg), 1);
    ck_assert_ptr_null(flow_of(&dns, 17));
    ck_assert_int_eq(nf_ct_delete(stack(), "-p sctp", msg, sizeof msg), 0);
    ck_assert_int_eq(nf_ct_delete(stack(), "--state SYN_SENT --dport 80", msg, sizeof msg), 1);
    ck_assert_int_eq(nf_ct_delete(stack(), "-s 10.0.0.256", msg, sizeof msg), -EINVAL);
    ck_assert_int_eq(nf_ct_delete(stack(), "--what", msg, sizeof msg), -EINVAL);
    ck_assert_int_eq(nf_ct_delete(stack(), "", msg, sizeof msg), 1);
    ck_assert_uint_eq(nf_ct_count(stack()), 0);
}
END_TEST

START_TEST(flows_outlive_their_rules)
{
    udp_in(&dns, 1);
    rules("-F");
    ck_assert_ptr_nonnull(stack()->ip->nf);
    udp_in(ENDS(PEER, SERVER, 1, 2), 1); /* no new ones */
    ck_assert_uint_eq(nf_ct_count(stack()), 1);
    advance(31 * TD_SEC);
    ck_assert_ptr_null(stack()->ip->nf);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("ip/nf/proto");
    TCase *tc = tcase_create("flows");

    tcase_add_checked_fixture(tc, track, ip_teardown);
    suite_add_tcase(s, tc);
    tcase_add_test(tc, tcp_life);
    tcase_add_test(tc, tcp_reset_and_again);
    tcase_add_test(tc, tcp_simultaneous);
    tcase_add_test(tc, tcp_taken_up_in_the_middle);
    tcase_add_test(tc, impossible_flags);
    tcase_add_test(tc, bad_checksums_are_invalid);
    tcase_add_test(tc, udp_life);
    tcase_add_test(tc, icmp_and_others);
    tcase_add_test(tc, what_never_left_is_no_flow);
    tcase_add_test(tc, full_table);
    tcase_add_test(tc, forgotten_by_command);
    tcase_add_test(tc, flows_outlive_their_rules);
    return s;
}
CHECK_MAIN(suite)

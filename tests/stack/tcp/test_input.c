/* SEGMENT ARRIVES up to SYN-SENT, and what is refused before any state is asked (RFC
 * 9293 3.1, 3.10.7.1 to 3.10.7.3). */
#include "check_main.h"
#include "tcp_states.h"

/* ---- segments that are wrong in themselves ---- */

static void quiet_and_same(struct conv *c)
{
    hx_quiet(c->h, NOW);
    if (c->st != CLO && c->st != LIS) {
        assert_state(c, st_tcps[c->st]);
    }
}

/* shows: TSM-CLO-SEG-INVALID-1 TSM-LIS-SEG-INVALID-1 TSM-SYS-SEG-INVALID-1 TSM-SYR-SEG-INVALID-1
 * TSM-EST-SEG-INVALID-1 TSM-FW1-SEG-INVALID-1 TSM-FW2-SEG-INVALID-1 TSM-CLW-SEG-INVALID-1
 * TSM-CLG-SEG-INVALID-1 TSM-LAK-SEG-INVALID-1 TSM-TIW-SEG-INVALID-1 MUST-3 MUST-57 ATK-TCPH-01
 * ATK-TCPH-11 ATK-TCPH-14 */
START_TEST(invalid_segments_have_no_effect)
{
    struct conv c = reach((enum st)_i);
    struct hx *h = c.h;
    const uint16_t flags[] = {SYN, ACK, RST, ACK | FIN, ACK | PSH};
    for (unsigned i = 0; i < 5; i++) {
        tcp_in(h, NOW, .flags = flags[i], .seq = c.rcv, .ack = c.nxt, .wnd = 999, .len = 3,
               .bad_csum = true);
        quiet_and_same(&c);
        tcp_in(h, NOW, .flags = flags[i], .seq = c.rcv, .ack = c.nxt, .wnd = 999,
               .dst = TD_IP4(10, 0, 0, 255));
        quiet_and_same(&c);
        tcp_in(h, NOW, .flags = flags[i], .seq = c.rcv, .ack = c.nxt, .wnd = 999,
               .dst = TD_IP4_BROADCAST);
        quiet_and_same(&c);
        tcp_in(h, NOW, .flags = flags[i], .seq = c.rcv, .ack = c.nxt, .wnd = 999,
               .dst = TD_IP4(224, 0, 0, 1));
        quiet_and_same(&c);
        tcp_in(h, NOW, .flags = flags[i], .seq = c.rcv, .ack = c.nxt, .wnd = 999,
               .eth_broadcast = true);
        quiet_and_same(&c);
        /* data offset 4, 15 with nothing behind, and 19 octets only */
        const struct hx_conn *k = hx_conn(h, HX_PEER, 40000, 80);
        uint8_t b[24] = {0};
        struct tcp_hdr t = {.sport = 40000,
                            .dport = 80,
                            .seq = (uint32_t)c.rcv + k->irs,
                            .ack = (uint32_t)c.nxt + k->iss,
                            .flags = flags[i],
                            .wnd = 999};
        (void)tcp_emit(&t, b);
        const uint8_t off[] = {4, 0, 15, 5};
        for (unsigned j = 0; j < 4; j++) {
            size_t n = j == 3 ? 19 : 24;
            b[12] = (uint8_t)(off[j] << 4);
            wire_put16(b + 16, 0);
            uint32_t sum = checksum_pseudo(HX_PEER, HX_US, 6, (uint32_t)n);
            wire_put16(b + 16, checksum_finish(checksum_add(sum, b, n)));
            const struct ipv4_hdr ip = {.src = HX_PEER, .dst = HX_US, .proto = 6};
            hx_ip_in(h, NOW, &ip, b, n);
            quiet_and_same(&c);
        }
    }
    ck_assert_uint_eq(hx_counter(h, "TcpInCsumErrors"), 5);
    ck_assert_uint_ge(hx_counter(h, "TcpInErrs"), 25);
    /* before any connection is looked for */
    ck_assert_uint_eq(hx_event(h, "tcp-drop-broadcast"), 15);
    if (c.st == EST) { /* the good copy then is accepted */
        tcp_in(h, NOW, .flags = ACK, .seq = 1, .ack = 1, .wnd = PEER_WND, .len = 3);
        tcp_out(h, NOW, .flags = ACK, .seq = 1, .ack = 4);
    }
    leave(&c);
}
END_TEST

/* shows: MUST-63 ATK-TCPH-13 */
START_TEST(sources_that_cannot_be)
{
    struct conv c = reach(LIS);
    const td_ip4 src[] = {TD_IP4_BROADCAST,     TD_IP4(10, 0, 0, 255), TD_IP4(224, 0, 0, 5),
                          TD_IP4(127, 0, 0, 1), TD_IP4(240, 0, 0, 1),  HX_US,
                          TD_IP4(0, 1, 2, 3)};
    for (unsigned i = 0; i < sizeof src / sizeof src[0]; i++) {
        tcp_in(c.h, NOW, .src = src[i], .flags = SYN, .seq = 0, .wnd = 1000);
        hx_quiet(c.h, NOW);
    }
    const struct ipv4_hdr zero = {.src = 0, .dst = HX_US, .proto = 6};
    uint8_t b[20];
    const struct tcp_hdr t = {.sport = 40000, .dport = 80, .flags = SYN, .wnd = 100};
    (void)tcp_emit(&t, b);
    wire_put16(b + 16, checksum_finish(checksum_add(checksum_pseudo(0, HX_US, 6, 20), b, 20)));
    hx_ip_in(c.h, NOW, &zero, b, 20);
    hx_quiet(c.h, NOW);
    /* LAND */
    tcp_in(c.h, NOW, .src = HX_US, .dst = HX_US, .sport = 80, .dport = 80, .flags = SYN, .seq = 0,
           .wnd = 1000);
    hx_quiet(c.h, SEC(5));
    leave(&c);
}
END_TEST

static void syn_with(struct hx *h, const char *raw, uint8_t len)
{
    tcp_in(h, NOW, .flags = SYN, .seq = 0, .wnd = 1000, .opts = {.raw = raw, .raw_len = len});
}

/* shows: MUST-4 MUST-64 MUST-6 MUST-68 */
START_TEST(options_of_a_syn)
{
    struct conv c = reach(LIS);
    /* NOP NOP, unknown kind 200, NOP, MSS 700 at an odd place, EOL, zeros */
    syn_with(c.h, "\x01\x01\xc8\x06zzzz\x01\x02\x04\x02\xbc\x00\x00\x00", 16);
    tcp_out(c.h, NOW, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
    tcp_in(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1, .wnd = 10000);
    ck_assert_uint_eq(conv_tcb(&c)->mss, 700);
    c.s = td_accept(c.h->st, c.l, NULL, NULL);
    write_pattern(&c, 1, 1000);
    hx_flush(c.h);
    tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1, .len = 700);
    tcp_out(c.h, NOW, .flags = ACK | PSH, .seq = 701, .ack = 1, .len = 300);
    leave(&c);
    /* window scale and SACK-permitted at odd offsets */
    c = reach(LIS);
    syn_with(c.h, "\x01\x04\x02\x01\x01\x03\x03\x05\x01\x02\x04\x05\xb4", 13);
    tcp_out(c.h, NOW, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1, .opts = {.wscale = 8});
    ck_assert_uint_eq(conv_half_open(&c)->peer_mss, 1460);
    ck_assert_uint_eq(conv_half_open(&c)->snd_wscale, 5);
    leave(&c);
}
END_TEST

/* shows: MUST-7 ATK-TCPH-03 ATK-TCPH-04 ATK-TCPH-10 */
START_TEST(illegal_option_lengths)
{
    static const char *const bad[] = {"\x02\x00\x05\xb4", "\x02\x01\x05\xb4", "\xc8\x00zz",
                                      "\x02\xff\x05\xb4", "\x01\x01\x01\x02", "\x08\x0azz"};
    for (unsigned i = 0; i < 6; i++) {
        struct conv c = reach(LIS);
        syn_with(c.h, bad[i], 4);
        hx_quiet(c.h, NOW); /* dropped */
        ck_assert_uint_eq(hx_event(c.h, "tcp-drop-option"), 1);
        leave(&c);
        c = reach(EST); /* a live connection isn't hurt */
        tcp_in(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1, .wnd = 1000, .len = 5,
               .opts = {.raw = bad[i], .raw_len = 4});
        tcp_in(c.h, NOW, .flags = RST, .seq = 1, .opts = {.raw = bad[i], .raw_len = 4});
        hx_quiet(c.h, NOW);
        assert_state(&c, TCPS_ESTABLISHED);
        leave(&c);
        c = reach(SYS);
        tcp_in(c.h, NOW, .flags = SYN | ACK, .seq = 0, .ack = 1, .wnd = 1000,
               .opts = {.raw = bad[i], .raw_len = 4});
        hx_quiet(c.h, NOW);
        assert_state(&c, TCPS_SYN_SENT);
        leave(&c);
    }
}
END_TEST

/* shows: MUST-5 MUST-6 7323-03 7323-16 ATK-TCPH-09 */
START_TEST(options_in_any_segment)
{
    struct conv c = reach(EST);
    static const char junk[] =
        "\x01\xc8\x06zzzz\x01"              /* NOP, unknown, NOP */
        "\x02\x04\x00\x60"                  /* MSS */
        "\x03\x03\x0e\x01"                  /* window scale */
        "\x08\x0a\0\0\0\1\0\0\0\2\x01\x01"; /* timestamps nobody negotiated */
    const struct hx_opts o = {.raw = junk, .raw_len = 28};
    tcp_in(c.h, NOW, .flags = ACK | PSH, .seq = 1, .ack = 1, .wnd = 5000, .len = 100, .opts = o);
    tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = 101, .no_opts = true);
    ck_assert_uint_eq(conv_tcb(&c)->mss, 1460);
    ck_assert_uint_eq(conv_tcb(&c)->snd_wnd, 5000);
    write_pattern(&c, 1, 10);
    hx_flush(c.h);
    tcp_out(c.h, NOW, .flags = ACK | PSH, .seq = 1, .ack = 101, .len = 10);
    tcp_in(c.h, NOW, .flags = ACK, .seq = 101, .ack = 11, .wnd = 5000, .opts = o);
    ck_assert_uint_eq(conv_tcb(&c)->snd.len, 0);
    tcp_in(c.h, NOW, .flags = ACK | FIN, .seq = 101, .ack = 11, .wnd = 5000, .opts = o);
    tcp_out(c.h, HX_ANYTIME, .flags = ACK, .seq = 11, .ack = 102);
    tcp_in(c.h, NOW, .flags = RST, .seq = 102, .opts = o);
    assert_state(&c, TCPS_CLOSED);
    leave(&c);
}
END_TEST

/* shows: 9293-U12 */
START_TEST(reserved_bits)
{
    struct conv c = reach(EST);
    uint8_t b[25];
    const struct hx_conn *k = hx_conn(c.h, HX_PEER, 40000, 80);
    const struct tcp_hdr t = {.sport = 40000,
                              .dport = 80,
                              .seq = 1 + k->irs,
                              .ack = 1 + k->iss,
                              .flags = ACK,
                              .wnd = 5000};
    (void)tcp_emit(&t, b);
    memset(b + 20, 'x', 5);
    b[12] |= 0x0e;
    wire_put16(b + 16,
               checksum_finish(checksum_add(checksum_pseudo(HX_PEER, HX_US, 6, 25), b, 25)));
    const struct ipv4_hdr ip = {.src = HX_PEER, .dst = HX_US, .proto = 6};
    hx_ip_in(c.h, NOW, &ip, b, 25);
    tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = 6);
    ck_assert_uint_eq(c.h->got.l4[12] & 0x0f, 0);
    leave(&c);
}
END_TEST

/* shows: MUST-50 */
START_TEST(unknown_ip_option)
{
    struct conv c = reach(EST);
    uint8_t b[24];
    const struct hx_conn *k = hx_conn(c.h, HX_PEER, 40000, 80);
    const struct tcp_hdr t = {.sport = 40000,
                              .dport = 80,
                              .seq = 1 + k->irs,
                              .ack = 1 + k->iss,
                              .flags = ACK,
                              .wnd = 5000};
    (void)tcp_emit(&t, b);
    memset(b + 20, 'x', 4);
    wire_put16(b + 16,
               checksum_finish(checksum_add(checksum_pseudo(HX_PEER, HX_US, 6, 24), b, 24)));
    const struct ipv4_hdr ip = {
        .src = HX_PEER, .dst = HX_US, .proto = 6, .opt_len = 4, .opt = {0x9e, 4, 1, 2}};
    hx_ip_in(c.h, NOW, &ip, b, 24);
    tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = 5);
    leave(&c);
}
END_TEST

/* ---- 3.10.7.1: CLOSED ---- */

/* shows: TSM-CLO-SEG-RST-1 TSM-CLO-SEG-SYN-1 TSM-CLO-SEG-SYN-ACK-1 TSM-CLO-SEG-SYN-FIN-1
 * TSM-CLO-SEG-ACK-1 TSM-CLO-SEG-FIN-1 TSM-CLO-SEG-FIN-2 TSM-CLO-SEG-TEXT-1 TSM-CLO-SEG-URG-1
 * TSM-CLO-SEG-SEQ-OUT-1 9293-U13 */
START_TEST(closed_port)
{
    static const struct {
        uint16_t flags;
        size_t len;
        uint32_t
            ack; /* of the reset that answers a segment without ACK: SEG.SEQ + SEG.LEN - SEG.SEQ */
    } t[] = {
        {SYN, 0, 1}, {SYN | FIN, 0, 2},       {FIN, 0, 1}, {PSH, 7, 7}, {URG, 0, 0},
        {0, 0, 0},   {FIN | URG | PSH, 3, 4},
    };
    struct conv c = reach(CLO);
    const uint32_t seqs[] = {1000, 0xfffffff0, 0};
    for (unsigned k = 0; k < 3; k++) {
        for (unsigned i = 0; i < sizeof t / sizeof t[0]; i++) {
            tcp_in(c.h, NOW, .absolute = true, .flags = t[i].flags, .seq = seqs[k], .wnd = 100,
                   .len = t[i].len);
            tcp_out(c.h, NOW, .absolute = true, .flags = RST | ACK, .seq = HX_ZERO, .any_ack = true,
                    .no_opts = true);
            ck_assert_uint_eq(c.h->got.tcp.ack, seqs[k] + t[i].ack);
            /* with an ACK bit: its number */
            tcp_in(c.h, NOW, .absolute = true, .flags = t[i].flags | ACK, .seq = seqs[k],
                   .ack = 4711, .wnd = 100, .len = t[i].len);
            tcp_out(c.h, NOW, .absolute = true, .flags = RST, .seq = 4711, .no_opts = true);
        }
        tcp_in(c.h, NOW, .absolute = true, .flags = RST, .seq = seqs[k]);
        tcp_in(c.h, NOW, .absolute = true, .flags = RST | ACK, .seq = seqs[k], .ack = 5);
        tcp_in(c.h, NOW, .absolute = true, .flags = RST | SYN, .seq = seqs[k]);
        hx_quiet(c.h, NOW);
    }
    leave(&c);
}
END_TEST

/* ---- 3.10.7.2: LISTEN ---- */

/* shows: TSM-LIS-SEG-RST-1 TSM-LIS-SEG-ACK-1 TSM-LIS-SEG-SYN-ACK-1 TSM-LIS-SEG-FIN-1
 * TSM-LIS-SEG-FIN-2 TSM-LIS-SEG-TEXT-1 TSM-LIS-SEG-URG-1 TSM-LIS-SEG-SEQ-OUT-1
 * TSM-LIS-SEG-SYN-FIN-1 9293-U20 ATK-TCPH-12 */
START_TEST(listener)
{
    struct conv c = reach(LIS);
    const uint32_t seqs[] = {0, 12345, 0xffffffff};
    for (unsigned k = 0; k < 3; k++) {
        const uint16_t silent[] = {
            RST, RST | ACK, RST | SYN,       FIN,       0,
            PSH, URG,       FIN | URG | PSH, SYN | FIN, SYN | FIN | URG | PSH};
        for (unsigned i = 0; i < sizeof silent / sizeof silent[0]; i++) {
            tcp_in(c.h, NOW, .absolute = true, .flags = silent[i], .seq = seqs[k], .wnd = 100,
                   .len = silent[i] == PSH ? 5 : 0);
            hx_quiet(c.h, NOW);
        }
        const uint16_t reset[] = {ACK, SYN | ACK, FIN | ACK, ACK | PSH, ACK | URG, SYN | FIN | ACK};
        for (unsigned i = 0; i < sizeof reset / sizeof reset[0]; i++) {
            tcp_in(c.h, NOW, .absolute = true, .flags = reset[i], .seq = seqs[k], .ack = 999,
                   .wnd = 100);
            tcp_out(c.h, NOW, .absolute = true, .flags = RST, .seq = 999);
        }
    }
    ck_assert_uint_eq(hx_event(c.h, "tcp-syn-in"), 0);
    ck_assert_uint_eq(hx_event(c.h, "tcp-drop-listen"), 3 * 16);
    leave(&c);
}
END_TEST

/* shows: TSM-LIS-SEG-SYN-1 MUST-14 SHLD-5 MUST-67 7323-04 5681-05 */
START_TEST(syn_to_a_listener)
{
    struct conv c = reach(LIS);
    tcp_in(c.h, NOW, .flags = SYN, .seq = 0, .wnd = 50000, .opts = {.mss = 1000, .wscale = 3});
    tcp_out(c.h, NOW, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1, .wnd = 64240,
            .opts = {.mss = 1460, .wscale = 8});
    ck_assert_uint_eq(conv_half_open(&c)->irs, c.h->peer_isn);
    assert_state(&c, TCPS_SYN_RECEIVED);
    ck_assert_int_eq(td_poll(c.h->st, c.l), 0); /* nothing to accept yet */
    tcp_in(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1, .wnd = 50000);
    assert_state(&c, TCPS_ESTABLISHED);
    const struct tcb *t = conv_tcb(&c);
    ck_assert_uint_eq(t->irs, c.h->peer_isn);
    ck_assert_uint_eq(t->rcv_nxt, t->irs + 1);
    ck_assert_uint_eq(t->snd_una, t->iss + 1);
    ck_assert_uint_eq(t->snd_nxt, t->iss + 1);
    ck_assert_uint_eq(t->snd_wnd, 50000u << 2);
    ck_assert_uint_eq(t->cc.cwnd, 10 * 1000);
    ck_assert_int_eq(td_poll(c.h->st, c.l) & POLLIN, POLLIN);
    struct sockaddr_in sa;
    socklen_t len = sizeof sa;
    c.s = td_accept(c.h->st, c.l, (struct sockaddr *)&sa, &len);
    ck_assert_int_ge(c.s, 0);
    ck_assert_uint_eq(sa.sin_port, htons(40000));
    ck_assert_uint_eq(ntohl(sa.sin_addr.s_addr), HX_PEER);
    leave(&c);
}
END_TEST

/* shows: TSM-LIS-SEG-SYN-3 ATK-TCPH-22 ATK-TCPH-18 */
START_TEST(syn_with_text_and_urgent)
{
    struct conv c = reach(LIS);
    tcp_in(c.h, NOW, .flags = SYN | URG | PSH, .seq = 0, .wnd = 50000, .len = 10, .urp = 4);
    tcp_out(c.h, NOW, .flags = SYN | ACK, .seq = HX_ZERO,
            .ack = 1); /* the text isn't acknowledged */
    tcp_in(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1, .wnd = 50000, .len = 10);
    tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = 11);
    c.s = td_accept(c.h->st, c.l, NULL, NULL);
    ck_assert(!(td_poll(c.h->st, c.s) & POLLPRI));
    read_pattern(&c, 1, 10); /* once */
    char b[4];
    ck_assert_int_eq(td_recv(c.h->st, c.s, b, 4, 0), -EAGAIN);
    leave(&c);
}
END_TEST

/* shows: MUST-15 */
START_TEST(no_mss_option_means_536)
{
    struct conv c = reach(LIS);
    tcp_in(c.h, NOW, .flags = SYN, .seq = 0, .wnd = 50000);
    tcp_out(c.h, NOW, .flags = SYN | ACK, .seq = HX_ZERO, .ack = 1);
    tcp_in(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1, .wnd = 50000);
    c.s = td_accept(c.h->st, c.l, NULL, NULL);
    write_pattern(&c, 1, 2000);
    hx_flush(c.h);
    for (int i = 0; i < 3; i++) {
        tcp_out(c.h, NOW, .flags = ACK, .seq = 1 + i * 536, .ack = 1, .len = 536);
    }
    tcp_out(c.h, NOW, .flags = ACK | PSH, .seq = 1 + 3 * 536, .ack = 1, .len = 2000 - 3 * 536);
    leave(&c);
}
END_TEST

/* ---- 3.10.7.3: SYN-SENT ---- */

/* shows: TSM-SYS-SEG-ACK-1 TSM-SYS-SEG-SYN-ACK-2 */
START_TEST(syn_sent_unacceptable_ack)
{
    const int64_t bad[] = {0, 2, 1000, -1};
    for (unsigned i = 0; i < 4; i++) {
        struct conv c = reach(SYS);
        tcp_in(c.h, NOW, .flags = ACK, .seq = 50, .ack = bad[i], .wnd = 100);
        tcp_out(c.h, NOW, .flags = RST, .seq = bad[i] == 0 ? HX_ZERO : (int64_t)(uint32_t)bad[i]);
        tcp_in(c.h, NOW, .flags = SYN | ACK, .seq = 50, .ack = bad[i], .wnd = 100);
        tcp_out(c.h, NOW, .flags = RST, .seq = bad[i] == 0 ? HX_ZERO : (int64_t)(uint32_t)bad[i]);
        assert_state(&c, TCPS_SYN_SENT);
        tcp_in(c.h, MS(10), .flags = SYN | ACK, .seq = 0, .ack = 1,
               .wnd = 100); /* goes on as if nothing were */
        tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1);
        leave(&c);
    }
}
END_TEST

/* shows: TSM-SYS-SEG-ACK-2 TSM-SYS-SEG-FIN-1 TSM-SYS-SEG-TEXT-1 TSM-SYS-SEG-URG-1
 * TSM-SYS-SEG-SEQ-OUT-1 ATK-TCPH-23 */
START_TEST(syn_sent_without_syn)
{
    struct conv c = reach(SYS);
    const uint16_t flags[] = {ACK, FIN, FIN | ACK, PSH, URG, ACK | URG, ACK | PSH, 0};
    const int64_t seqs[] = {0, 100, -5};
    for (unsigned i = 0; i < 8; i++) {
        for (unsigned j = 0; j < 3; j++) {
            tcp_in(c.h, NOW, .flags = flags[i], .seq = seqs[j], .ack = (flags[i] & ACK) ? 1 : 0,
                   .wnd = 100, .len = (flags[i] & PSH) ? 9 : 0, .urp = 1);
        }
    }
    hx_quiet(c.h, MS(999));
    assert_state(&c, TCPS_SYN_SENT);
    tcp_out(c.h, SEC(1), .flags = SYN, .seq = HX_ZERO); /* still being tried */
    leave(&c);
}
END_TEST

/* shows: TSM-SYS-SEG-RST-1 TSM-SYS-SEG-RST-3 5961-02 */
START_TEST(syn_sent_resets_that_do_not_count)
{
    struct conv c = reach(SYS);
    tcp_in(c.h, NOW, .flags = RST | ACK, .seq = 0, .ack = 2);
    tcp_in(c.h, NOW, .flags = RST | ACK, .seq = 0, .ack = 0);
    tcp_in(c.h, NOW, .flags = RST, .seq = 0);
    tcp_in(c.h, NOW, .flags = RST, .seq = 1);
    tcp_in(c.h, NOW, .flags = RST | SYN, .seq = 0);
    hx_quiet(c.h, NOW);
    assert_state(&c, TCPS_SYN_SENT);
    leave(&c);
}
END_TEST

/* shows: TSM-SYS-SEG-RST-2 9293-U09 */
START_TEST(connection_refused)
{
    struct conv c = reach(SYS);
    tcp_in(c.h, MS(5), .absolute = true, .flags = RST | ACK, .seq = 0,
           .ack = hx_conn(c.h, HX_PEER, 40000, 80)->iss + 1);
    hx_quiet(c.h, SEC(100));
    assert_state(&c, TCPS_CLOSED);
    ck_assert_int_eq(td_poll(c.h->st, c.s) & (POLLERR | POLLHUP | POLLOUT),
                     POLLERR | POLLHUP | POLLOUT);
    ck_assert_int_eq(so_error(c.h, c.s), ECONNREFUSED);
    ck_assert_int_eq(so_error(c.h, c.s), 0);
    ck_assert_uint_eq(hx_counter(c.h, "TcpAttemptFails"), 1);
    leave(&c);
}
END_TEST

/* shows: TSM-SYS-SEG-SYN-ACK-1 TSM-CLO-OPEN-2 */
START_TEST(three_way_handshake)
{
    struct conv c = reach(SYS);
    const struct tcb *t = conv_tcb(&c);
    ck_assert_uint_eq(t->snd_una, t->iss);
    ck_assert_uint_eq(t->snd_nxt, t->iss + 1);
    ck_assert(timer_armed(&t->t_rtx));
    ck_assert_int_eq(td_poll(c.h->st, c.s) & (POLLOUT | POLLIN), 0);
    tcp_in(c.h, MS(30), .flags = SYN | ACK, .seq = 0, .ack = 1, .wnd = 5000, .opts = {.mss = 1200});
    tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = 1, .no_opts = true);
    assert_state(&c, TCPS_ESTABLISHED);
    ck_assert_uint_eq(t->snd_una, t->iss + 1);
    ck_assert_uint_eq(t->irs, c.h->peer_isn);
    ck_assert_uint_eq(t->snd_wnd, 5000);
    ck_assert_uint_eq(t->mss, 1200);
    ck_assert(!timer_armed(&t->t_rtx));
    ck_assert_uint_eq(t->rtt.srtt8 / 8, MS(30));
    ck_assert(td_poll(c.h->st, c.s) & POLLOUT);
    ck_assert_int_eq(so_error(c.h, c.s), 0);
    hx_quiet(c.h, SEC(100));
    leave(&c);
}
END_TEST

/* shows: TSM-SYS-SEG-SYN-ACK-4 */
START_TEST(syn_ack_with_text_and_fin)
{
    struct conv c = reach(SYS);
    tcp_in(c.h, MS(3), .flags = SYN | ACK | PSH, .seq = 0, .ack = 1, .wnd = 5000, .len = 10,
           .data = "0123456789");
    tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = 11);
    char b[20];
    ck_assert_int_eq(td_recv(c.h->st, c.s, b, sizeof b, 0), 10);
    ck_assert_mem_eq(b, "0123456789", 10);
    assert_state(&c, TCPS_ESTABLISHED);
    leave(&c);
    c = reach(SYS);
    tcp_in(c.h, MS(3), .flags = SYN | ACK | FIN | URG, .seq = 0, .ack = 1, .wnd = 5000, .len = 2,
           .urp = 2);
    tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = 4);
    assert_state(&c, TCPS_CLOSE_WAIT);
    ck_assert(td_poll(c.h->st, c.s) & POLLPRI);
    leave(&c);
}
END_TEST

/* shows: TSM-SYS-SEG-SYN-FIN-1 */
START_TEST(simultaneous_open_with_fin)
{
    struct conv c = reach(SYS);
    tcp_in(c.h, MS(3), .flags = SYN | FIN, .seq = 0, .wnd = 5000);
    tcp_out(c.h, NOW, .flags = SYN | ACK, .seq = HX_ZERO,
            .ack = 1); /* the FIN isn't acknowledged */
    assert_state(&c, TCPS_SYN_RECEIVED);
    tcp_in(c.h, MS(6), .flags = ACK | FIN, .seq = 1, .ack = 1, .wnd = 5000); /* it comes again */
    tcp_out(c.h, NOW, .flags = ACK, .seq = 1, .ack = 2);
    assert_state(&c, TCPS_CLOSE_WAIT);
    leave(&c);
}
END_TEST

/* shows: 9293-U19 TSM-SYS-SEG-SYN-ACK-3 */
START_TEST(syn_ack_of_a_part)
{
    /* as if text had gone with the SYN, and only the SYN were acknowledged */
    struct conv c = reach(SYS);
    struct tcb *t = conv_tcb(&c);
    ck_assert_uint_eq(sndbuf_write(&c.h->st->mem, &t->snd, "0123456789", 10), 10);
    t->snd_nxt = t->iss + 11;
    tcp_in(c.h, MS(3), .flags = SYN | ACK, .seq = 0, .ack = 1, .wnd = 5000, .opts = {.mss = 1460});
    tcp_out(c.h, NOW, .flags = ACK | PSH, .seq = 1, .ack = 1, .len = 10, .data = "0123456789");
    assert_state(&c, TCPS_ESTABLISHED);
    ck_assert_uint_eq(t->snd.len, 10);
    tcp_in(c.h, MS(6), .flags = ACK, .seq = 1, .ack = 11, .wnd = 5000);
    ck_assert_uint_eq(t->snd.len, 0);
    leave(&c);
}
END_TEST

/* shows: ATK-TCPH-15 */
START_TEST(port_zero)
{
    struct conv c = reach(LIS);
    tcp_in(c.h, NOW, .flags = SYN, .seq = 0, .wnd = 1, .sport = 0xffff);
    hx_drain(c.h);
    uint8_t b[20];
    for (int i = 0; i < 2; i++) {
        const struct tcp_hdr t = {
            .sport = i == 0 ? 0 : 40000, .dport = i == 0 ? 80 : 0, .flags = SYN, .wnd = 100};
        (void)tcp_emit(&t, b);
        wire_put16(b + 16,
                   checksum_finish(checksum_add(checksum_pseudo(HX_PEER, HX_US, 6, 20), b, 20)));
        const struct ipv4_hdr ip = {.src = HX_PEER, .dst = HX_US, .proto = 6};
        hx_ip_in(c.h, NOW, &ip, b, 20);
        ck_assert_uint_le(hx_pending(c.h), 1);
        hx_drain(c.h);
    }
    ck_assert_uint_eq(hx_event(c.h, "tcp-syn-in"), 1);
    leave(&c);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("tcp input");
    TCase *tc = tcase_create("input");
    tcase_add_loop_test(tc, invalid_segments_have_no_effect, CLO, STATES);
    tcase_add_test(tc, sources_that_cannot_be);
    tcase_add_test(tc, options_of_a_syn);
    tcase_add_test(tc, illegal_option_lengths);
    tcase_add_test(tc, options_in_any_segment);
    tcase_add_test(tc, reserved_bits);
    tcase_add_test(tc, unknown_ip_option);
    tcase_add_test(tc, closed_port);
    tcase_add_test(tc, listener);
    tcase_add_test(tc, syn_to_a_listener);
    tcase_add_test(tc, syn_with_text_and_urgent);
    tcase_add_test(tc, no_mss_option_means_536);
    tcase_add_test(tc, syn_sent_unacceptable_ack);
    tcase_add_test(tc, syn_sent_without_syn);
    tcase_add_test(tc, syn_sent_resets_that_do_not_count);
    tcase_add_test(tc, connection_refused);
    tcase_add_test(tc, three_way_handshake);
    tcase_add_test(tc, syn_ack_with_text_and_fin);
    tcase_add_test(tc, simultaneous_open_with_fin);
    tcase_add_test(tc, syn_ack_of_a_part);
    tcase_add_test(tc, port_zero);
    suite_add_tcase(s, tc);
    return s;
}

CHECK_MAIN(suite)

/* `capture`, and below it the sniffer and the journal's reasons: what stands in the blocks. Two
 * interfaces, injected frames, a clock in the test's hand. */
#include "console.h"

#include <dirent.h>
#include <errno.h>
#include <unistd.h>

#include "pcapng_read.h"
#include "tapdeck/socket.h"
#include "tapdeckd/captures.h"
#include "link/link.h"
#include "wire/checksum.h"
#include "wire/tcp.h"

static char dir[64], line[512];

static void setup(void)
{
    con_open(2);
    con.deck.wall_offset = INT64_C(1700000000) * (int64_t)TD_SEC;
    snprintf(dir, sizeof dir, "/tmp/tapdeck-capture-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    con_done("ip addr add 10.0.0.2/24 dev eth0");
    con_done("ip neigh add 10.0.0.1 lladdr 02:00:00:00:00:99 dev eth0");
    td_stack_flush(con.st,
                   td_stack_now(con.st)); /* the address is announced before anybody looks */
}

static void teardown(void)
{
    char name[512];
    struct dirent *e;
    con_close();
    DIR *d = opendir(dir);
    while ((e = readdir(d)) != NULL) {
        snprintf(name, sizeof name, "%s/%s", dir, e->d_name);
        unlink(name);
    }
    closedir(d);
    rmdir(dir);
}

static const char *fill(const char *fmt)
{
    snprintf(line, sizeof line, fmt, dir);
    return line;
}

/* A segment from 10.0.0.1 port 40000 to 10.0.0.2; bad: with a wrong checksum. */
static void segment(uint16_t port, uint16_t flags, uint32_t seq, uint32_t ack, bool bad)
{
    uint8_t b[60] = {0};
    td_time now = td_stack_now(con.st) + TD_MS;

    memcpy(b, "\x02\0\0\0\0\x01\x02\0\0\0\0\x99\x08\0", 14);
    b[14] = 0x45;
    wire_put16(b + 16, 40);
    b[22] = 64;
    b[23] = IPPROTO_TCP_;
    wire_put32(b + 26, TD_IP4(10, 0, 0, 1));
    wire_put32(b + 30, TD_IP4(10, 0, 0, 2));
    wire_put16(b + 24, checksum(b + 14, 20));
    wire_put16(b + 34, 40000);
    wire_put16(b + 36, port);
    wire_put32(b + 38, seq);
    wire_put32(b + 42, ack);
    b[46] = 0x50;
    b[47] = (uint8_t)flags;
    wire_put16(b + 48, 1000);
    wire_put16(b + 50,
               checksum_finish(checksum_add(
                   checksum_pseudo(TD_IP4(10, 0, 0, 1), TD_IP4(10, 0, 0, 2), IPPROTO_TCP_, 20),
                   b + 34, 20)));
    b[50] ^= bad;
    ck_assert_int_eq(td_stack_input_bytes(con.st, td_if_index(con.st, "eth0"), b, sizeof b, now),
                     0);
    td_stack_flush(con.st, now);
    while (captures_settle(&con.deck))
        continue;
}

/* ---- what was captured ---- */

static uint8_t file[1 << 18];
static size_t file_len;
static struct pcapng_reader rd;
static struct pcapng_block blocks[64];
static unsigned nblocks;

static void parse(void)
{
    size_t at = 0;
    char msg[200];

    memset(&rd, 0, sizeof rd);
    for (nblocks = 0; at < file_len; at += blocks[nblocks++].len) {
        ck_assert_uint_lt(nblocks, 64);
        ck_assert_msg(
            pcapng_read(&rd, file + at, file_len - at, &blocks[nblocks], msg, sizeof msg) == 1,
            "%s", msg);
    }
}

static void load(const char *name)
{
    FILE *f = fopen(fill(name), "r");

    ck_assert_msg(f != NULL, "%s", line);
    file_len = fread(file, 1, sizeof file, f);
    fclose(f);
}

static const struct pcapng_packet *packet(unsigned n)
{
    for (unsigned i = 0; i < nblocks; i++)
        if (blocks[i].type == PCAPNG_PACKET && n-- == 0)
            return &blocks[i].packet;
    ck_abort_msg("there are fewer packets");
    return NULL;
}

static unsigned packets(void)
{
    unsigned n = 0;

    for (unsigned i = 0; i < nblocks; i++)
        n += blocks[i].type == PCAPNG_PACKET;
    return n;
}

static bool commented(const struct pcapng_packet *p, const char *text)
{
    for (unsigned i = 0; i < p->ncomments; i++)
        if (memmem(p->comment[i].s, p->comment[i].len, text, strlen(text)) != NULL)
            return true;
    return false;
}

static void says(unsigned n, const char *text)
{
    const struct pcapng_packet *p = packet(n);
    char all[4096] = "";
    size_t used = 0;

    for (unsigned i = 0; i < p->ncomments && used < sizeof all; i++)
        used += (size_t)snprintf(all + used, sizeof all - used, "%.*s\n", (int)p->comment[i].len,
                                 p->comment[i].s);
    ck_assert_msg(commented(p, text), "packet %u: no '%s' in\n%s", n, text, all);
}

START_TEST(blocks_with_reasons)
{
    con_done(fill("capture start %s/a.pcapng dev eth0"));
    segment(99, TCP_SYN, 1000, 0, false);
    segment(99, TCP_SYN, 1001, 0, true);
    con_done("capture stop");
    con_says("3 frames");
    load("%s/a.pcapng");
    parse();
    ck_assert_uint_eq(blocks[0].type, PCAPNG_SECTION);
    ck_assert_uint_eq(blocks[1].type, PCAPNG_INTERFACE);
    ck_assert_uint_eq(blocks[2].type, PCAPNG_NAMES);
    ck_assert_uint_eq(blocks[nblocks - 1].type, PCAPNG_STATISTICS);
    ck_assert_uint_eq(rd.ninterfaces, 1);
    ck_assert_str_eq(rd.interface[0].name, "eth0");
    ck_assert_uint_eq(packets(), 3);
    ck_assert_int_eq(packet(0)->direction, PCAPNG_DIR_IN);
    ck_assert_int_eq(packet(0)->reception, PCAPNG_UNICAST);
    ck_assert_uint_eq(packet(0)->wall, UINT64_C(1700000001001000000));
    ck_assert_uint_ne(packet(0)->id, 0);
    says(0, "tcp-drop-closed: Nobody is at port 99");
    says(0, "[RFC 9293 3.10.7.1]");
    /* The reset: what it was, the way it took, and which packet brought it about. */
    ck_assert_int_eq(packet(1)->direction, PCAPNG_DIR_OUT);
    ck_assert_uint_ne(packet(1)->id, packet(0)->id);
    says(1, "tcp-rst-out: Sent a reset");
    says(1, "ip-out: Sent a datagram from 10.0.0.2 to 10.0.0.1");
    char because[64];
    snprintf(because, sizeof because, "because packet %llu arrived",
             (unsigned long long)packet(0)->id);
    says(1, because);
    says(2, "tcp-drop-checksum");
    ck_assert(!commented(packet(2), "tcp-rst-out"));
}
END_TEST

/* A segment that is sent again says why: the time-out is its cause, the retransmission its own
 * event. */
START_TEST(a_retransmission_says_why)
{
    struct sockaddr_in to = td_sockaddr(TD_IP4(10, 0, 0, 1), 80);
    int s = td_socket(con.st, AF_INET, SOCK_STREAM, 0);

    con_done(fill("capture start %s/a.pcapng dev eth0"));
    ck_assert_int_eq(td_connect(con.st, s, (struct sockaddr *)&to, sizeof to), -EINPROGRESS);
    td_stack_flush(con.st, td_stack_now(con.st));
    while (captures_settle(&con.deck))
        continue;
    td_time now = td_stack_now(con.st) + 1100 * TD_MS;
    td_stack_tick(con.st, now);
    td_stack_flush(con.st, now);
    while (captures_settle(&con.deck))
        continue;
    con_done("capture stop");
    load("%s/a.pcapng");
    parse();
    ck_assert_uint_eq(packets(), 2);
    says(0, "tcp-open");
    says(0, "because of call");
    ck_assert(!commented(packet(0), "tcp-rto"));
    says(1, "tcp-retransmit: Sent 0 bytes from");
    says(1, "tcp-rto: No acknowledgment for 1.000 s");
    says(1, "[RFC 6298 5.4-5.6]");
    says(1, "because tcp-open: Active open");
}
END_TEST

/* What is sent at the end of a turn, in the flush, knows which packet asked for it. */
START_TEST(an_acknowledgment_says_what_it_acknowledges)
{
    char because[64];

    con_done("app start discard -p 9");
    con_done(fill("capture start %s/a.pcapng dev eth0"));
    segment(9, TCP_SYN, 1000, 0, false);
    con_done("capture stop");
    load("%s/a.pcapng");
    parse();
    says(1, "tcp-syn-in");
    uint32_t iss = wire_get32(packet(1)->data + 38);
    con_done(fill("capture start %s/b.pcapng dev eth0"));
    segment(9, TCP_ACK, 1001, iss + 1, false);
    segment(9, TCP_ACK | TCP_FIN, 1001, iss + 1, false);
    con_done("capture stop");
    load("%s/b.pcapng");
    parse();
    ck_assert_uint_ge(packets(), 3);
    says(0, "from SYN-RECEIVED to ESTABLISHED");
    says(1, "from ESTABLISHED to CLOSE-WAIT");
    ck_assert_int_eq(packet(2)->direction, PCAPNG_DIR_OUT);
    snprintf(because, sizeof because, "because packet %llu arrived",
             (unsigned long long)packet(1)->id);
    says(2, because);
}
END_TEST

/* ARP has no packet to name yet when it says what it sends. */
START_TEST(arp_says_why)
{
    uint8_t b[42] = "\xff\xff\xff\xff\xff\xff\x02\0\0\0\0\x99\x08\x06\0\1\x08\0\6\4\0\1\x02\0\0\0\0"
                    "\x99\x0a\0\0\1"
                    "\0\0\0\0\0\0\x0a\0\0\2";

    con_done(fill("capture start %s/a.pcapng dev eth0"));
    ck_assert_int_eq(td_stack_input_bytes(con.st, td_if_index(con.st, "eth0"), b, sizeof b,
                                          td_stack_now(con.st)),
                     0);
    td_stack_flush(con.st, td_stack_now(con.st));
    while (captures_settle(&con.deck))
        continue;
    con_line("ping -c 1 -W 1 10.0.0.77", false);
    td_stack_flush(con.st, td_stack_now(con.st));
    con_done("capture stop");
    load("%s/a.pcapng");
    parse();
    ck_assert_uint_eq(packets(), 3);
    char because[64];
    snprintf(because, sizeof because, "because packet %llu arrived",
             (unsigned long long)packet(0)->id);
    ck_assert_int_eq(packet(0)->reception, PCAPNG_BROADCAST);
    says(0, "arp-reply: Told 10.0.0.1");
    says(1, "arp-reply: Told 10.0.0.1");
    says(1, because);
    says(2, "arp-request: Asked");
    says(2, "because of call");
    ck_assert(!commented(packet(0), "arp-request"));
}
END_TEST

START_TEST(directions_counts_filters_and_lengths)
{
    con_done(fill("capture start %s/out.pcapng dev eth0 -Q out"));
    con_done(fill("capture start %s/one.pcapng dev eth0 -c 1 -s 20"));
    con_done(fill("capture start %s/none.pcapng dev eth0 udp port 53"));
    con_done(fill("capture start %s/syn.pcapng dev eth0 'tcp[tcpflags] & tcp-syn != 0'"));
    con_done(fill("capture start %s/other.pcapng dev eth1"));
    segment(99, TCP_SYN, 1000, 0, false);
    do
        con_done("capture show");
    while (strstr(con.out, "still being written") != NULL);
    con_says("one.pcapng: eth0, inout, pcapng: 1 frames written; ended");
    con_done("capture stop all");
    load("%s/out.pcapng");
    parse();
    ck_assert_uint_eq(packets(), 1);
    ck_assert_int_eq(packet(0)->direction, PCAPNG_DIR_OUT);
    load("%s/one.pcapng");
    parse();
    ck_assert_uint_eq(packets(), 1);
    ck_assert_uint_eq(packet(0)->caplen, 20);
    ck_assert_uint_eq(packet(0)->len, 60);
    load("%s/none.pcapng");
    parse();
    ck_assert_uint_eq(packets(), 0);
    load("%s/syn.pcapng");
    parse();
    ck_assert_uint_eq(packets(), 1);
    says(0, "tcp-drop-closed");
    load("%s/other.pcapng");
    parse();
    ck_assert_uint_eq(packets(), 0);
    con_done("capture show");
    ck_assert_str_eq(con.out, "");
}
END_TEST

/* What the way in loses is there, and says so; what the way out loses was never on the wire. */
START_TEST(losses_on_purpose)
{
    con_done("tc qdisc add dev eth0 ingress netem loss 100%");
    con_done(fill("capture start %s/in.pcapng dev eth0"));
    segment(99, TCP_SYN, 1000, 0, false);
    con_done("tc qdisc del dev eth0 ingress");
    con_done("tc qdisc add dev eth0 root netem loss 100%");
    segment(99, TCP_SYN, 1001, 0, false);
    con_done("capture stop");
    load("%s/in.pcapng");
    parse();
    ck_assert_uint_eq(packets(), 2);
    ck_assert_int_eq(packet(1)->direction, PCAPNG_DIR_IN);
    says(0, "link-drop-qdisc");
    says(1, "tcp-rst-out");
}
END_TEST

START_TEST(any_and_an_interface_that_comes_later)
{
    con_done(fill("capture start %s/any.pcapng dev any"));
    con_done("ip link add link eth0 name eth0.7 type vlan id 7");
    con_done("ip link set eth0.7 up");
    con_done("ip addr add 10.7.0.2/24 dev eth0.7");
    td_stack_tick(con.st, td_stack_now(con.st) + 10 * TD_SEC);
    td_stack_flush(con.st, td_stack_now(con.st));
    while (captures_settle(&con.deck))
        continue;
    segment(99, TCP_SYN, 1000, 0, false);
    con_done("capture stop");
    load("%s/any.pcapng");
    parse();
    ck_assert_uint_eq(rd.ninterfaces, 4);
    ck_assert_str_eq(rd.interface[3].name, "eth0.7");
    unsigned tagged = 0, bare = 0;
    for (unsigned i = 0; i < packets(); i++) {
        const struct pcapng_packet *p = packet(i);
        tagged += p->data[12] == 0x81 && p->interface == 1;
        bare += p->data[12] == 0x08 && p->data[13] == 0x06 && p->interface == 3;
    }
    ck_assert_uint_gt(bare,
                      0); /* the announcement of the address: on both, with and without its tag */
    ck_assert_uint_eq(tagged, bare);
}
END_TEST

/* The stack does what it would have done: same numbers, same memory, same journal. */
START_TEST(nobody_notices)
{
    uint64_t next[2], events[2], used[2], calls[2], written[2];

    for (unsigned i = 0; i < 2; i++) {
        if (i == 1) {
            teardown();
            setup();
            con_done(fill("capture start %s/x.pcapng dev any"));
        }
        calls[i] = con.st->mem.calls;
        for (uint32_t k = 0; k < 40; k++)
            segment(k % 3 == 0 ? 99 : 100, k % 2 ? TCP_SYN : TCP_ACK, 1000 + k, 5, k % 5 == 0);
        next[i] = con.st->journal.next_packet;
        events[i] = con.st->journal.next_seq;
        written[i] = con.st->journal.written;
        used[i] = con.st->mem.used;
        calls[i] = con.st->mem.calls - calls[i];
    }
    ck_assert_uint_eq(next[0], next[1]);
    ck_assert_uint_eq(events[0], events[1]);
    ck_assert_uint_eq(written[0], written[1]);
    ck_assert_uint_eq(used[0], used[1]);
    ck_assert_uint_eq(calls[0], calls[1]);
    con_done("capture stop");
}
END_TEST

/* A stream's output is the file; a reader that takes nothing loses packets, and the next block says
 * how many. */
START_TEST(a_stream)
{
    char *words[] = {(char[]){"capture"}, (char[]){"stream"}, (char[]){"-c"}, (char[]){"3"}};
    struct run *r = run_start(&con.deck, 4, words, false, false);

    ck_assert_int_eq(r->status, RUN_MORE);
    segment(99, TCP_SYN, 1000, 0, false);
    ck_assert(r->ready);
    run_step(r, 0);
    ck_assert_int_eq(r->status, RUN_MORE);
    segment(99, TCP_SYN, 1001, 0, false);
    run_step(r, 0);
    ck_assert_int_eq(r->status, EXIT_DONE);
    memcpy(file, r->out.s, r->out.len);
    file_len = r->out.len;
    run_free(r);
    parse();
    ck_assert_uint_eq(packets(), 3);
    ck_assert_uint_eq(blocks[nblocks - 1].type, PCAPNG_STATISTICS);
    ck_assert_ptr_null(con.deck.captures);
    r = run_start(&con.deck, 2, words, false, false);
    ck_assert_int_eq(r->status, RUN_MORE);
    run_interrupt(r);
    ck_assert_int_eq(r->status, EXIT_DONE);
    run_free(r);
    ck_assert_ptr_null(con.deck.captures);
}
END_TEST

START_TEST(a_reader_that_takes_nothing)
{
    char *words[] = {(char[]){"capture"}, (char[]){"stream"}, (char[]){"dev"}, (char[]){"eth0"}};
    struct run *r = run_start(&con.deck, 4, words, false, false);
    struct deck_capture *c = con.deck.captures;
    struct sniffer_stats s;
    uint32_t n = 0;

    do {
        segment(99, TCP_SYN, 1000 + n, 0, false);
        s = sniffer_stats(c->sniffer);
    } while (s.lost == 0 && ++n < 40000);
    ck_assert_uint_gt(s.lost, 0);
    ck_assert_uint_le(c->waiting.len, 5U << 20);
    while (capture_waiting(c) > 0) { /* its reader is there again */
        run_step(r, 0);
        text_consume(&r->out, r->out.len);
    }
    segment(99, TCP_SYN, 5, 0, true);
    memset(&rd, 0, sizeof rd);
    struct pcapng_block b;
    char msg[100];
    rd.in_section = true;
    rd.ninterfaces = 1;
    rd.interface[0].tsresol = 9;
    ck_assert_int_eq(pcapng_read(&rd, (const uint8_t *)c->waiting.s + c->taken, capture_waiting(c),
                                 &b, msg, sizeof msg),
                     1);
    ck_assert_uint_eq(b.packet.lost, s.lost);
    run_free(r);
}
END_TEST

START_TEST(refusals)
{
    con_refused("capture start", "a word is missing");
    con_refused(fill("capture start %s/x.pcap"), "dev IFACE");
    con_refused(fill("capture start %s/x.pcap dev eth9"), "there is no interface 'eth9'");
    con_refused(fill("capture start %s/x.pcap dev"), "missing");
    con_refused(fill("capture start %s/x.pcap dev eth0 -c 0"), "'0' is not a number of packets");
    con_refused(fill("capture start %s/x.pcap dev eth0 -Q sideways"), "in, out or inout");
    con_refused(fill("capture start %s/x.pcap dev eth0 -z"), "no option -z");
    con_refused(fill("capture start %s/x.pcap dev eth0 -G 5"), "needs a time in it");
    con_refused(fill("capture start %s/x.pcap dev eth0 -W 5"), "-W needs -C or -G");
    con_refused(fill("capture start %s/x.pcap dev eth0 tcp prot 80"), "'prot'");
    con_refused("capture start - dev eth0", "no standard output");
    con_refused("capture start /nonexistent/x.pcap dev eth0", "No such file or directory");
    con_refused("capture stop", "no capture is running");
    con_refused(fill("capture stop %s/x.pcap"), "no capture is running to");
    con_refused("capture stream -C 5", "for files");
    con_refused("capture dance", "'dance'");
    ck_assert_int_ne(access(fill("%s/x.pcap"), F_OK), 0);
    con_done(fill("capture start %s/x.pcap dev eth0"));
    con_refused(fill("capture start %s/x.pcap dev eth1"), "running already");
    con_done(fill("capture start %s/y.pcap dev eth1"));
    con_refused("capture stop", "2 captures are running");
    json_t *j = con_json("capture show");
    ck_assert_uint_eq(json_array_size(j), 2);
    ck_assert_str_eq(json_string_value(json_object_get(json_array_get(j, 1), "dev")), "eth1");
    ck_assert_str_eq(json_string_value(json_object_get(json_array_get(j, 1), "format")), "pcap");
    json_decref(j);
    con_done("capture stop dev eth1");
    con_says("y.pcap: 0 frames");
    con_done("capture stop");
}
END_TEST

START_TEST(a_full_disk_is_told)
{
    con_done("capture start /dev/full dev eth0");
    segment(99, TCP_SYN, 1000, 0, false);
    ck_assert_int_eq(con_line("capture stop", false), EXIT_FAILED);
    ck_assert_ptr_nonnull(strstr(con.err, "/dev/full is incomplete: No space left on device"));
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("capture");
    TCase *t = tcase_create("capture");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, blocks_with_reasons);
    tcase_add_test(t, a_retransmission_says_why);
    tcase_add_test(t, an_acknowledgment_says_what_it_acknowledges);
    tcase_add_test(t, arp_says_why);
    tcase_add_test(t, directions_counts_filters_and_lengths);
    tcase_add_test(t, losses_on_purpose);
    tcase_add_test(t, any_and_an_interface_that_comes_later);
    tcase_add_test(t, nobody_notices);
    tcase_add_test(t, a_stream);
    tcase_add_test(t, a_reader_that_takes_nothing);
    tcase_add_test(t, refusals);
    tcase_add_test(t, a_full_disk_is_told);
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(suite)

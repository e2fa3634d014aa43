/* `tcpdump`: its words, times as tcpdump writes them, a stream cut into pieces, and text from the
 * real tcpdump. */
#include "check_main.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/text.h"
#include "dev/pcapng.h"
#include "tapdeck/tcpdump.h"

static struct tcpdump_options o;
static char msg[512];

static bool words(const char *line)
{
    static char **argv;
    char err[256];
    words_free(argv);
    int argc = words_split(line, &argv, err, sizeof err);
    tcpdump_free(&o);
    msg[0] = '\0';
    return tcpdump_words(argc, argv, &o, msg, sizeof msg);
}

static void good(const char *line)
{
    ck_assert_msg(words(line), "%s: %s", line, msg);
}

static void refused(const char *line, const char *why)
{
    ck_assert_msg(!words(line), "%s", line);
    ck_assert_msg(strstr(msg, why) != NULL, "%s: %s", line, msg);
}

START_TEST(tcpdumps_own_words)
{
    o = (struct tcpdump_options){0};
    good("tcpdump");
    ck_assert_str_eq(o.expression, "");
    ck_assert_ptr_null(o.decode.flags[0]);
    good("tcpdump -nnevXX -ttt -c5 -i eth0 -s 96 -Q in tcp port 80 --why and not arp -l");
    static const char *const flags[] = {"-n", "-n", "-e", "-v", "-X", "-X"};
    for (unsigned i = 0; i < 6; i++)
        ck_assert_str_eq(o.decode.flags[i], flags[i]);
    ck_assert_ptr_null(o.decode.flags[6]);
    ck_assert_int_eq(o.decode.time, DECODE_DELTA);
    ck_assert_uint_eq(o.count, 5);
    ck_assert_str_eq(o.interface, "eth0");
    ck_assert_uint_eq(o.snaplen, 96);
    ck_assert(o.no_out && !o.no_in && o.decode.why);
    ck_assert_str_eq(o.expression, "tcp port 80 and not arp");
    good("tcpdump -w x.pcap -C 2 -W 3");
    ck_assert(o.pcap);
    ck_assert_uint_eq(o.write.size, 2000000);
    ck_assert_uint_eq(o.write.files, 3);
    good("tcpdump -w - --pcap");
    ck_assert(o.pcap && o.write.each);
    good("tcpdump -w x.pcapng -- -1");
    ck_assert(!o.pcap);
    ck_assert_str_eq(o.expression, "-1");
    good("tcpdump -D");
    ck_assert(o.list);
    refused("tcpdump -z", "no option -z");
    refused("tcpdump --wat", "'--wat'");
    refused("tcpdump -c", "needs a value");
    refused("tcpdump -c many", "'many' is not a number of packets");
    refused("tcpdump -Q up", "in, out or inout");
    refused("tcpdump -C 5", "say which with -w");
    refused("tcpdump -w x -G 5", "needs a time in it");
    refused("tcpdump -w x -W 5", "-W needs");
    refused("tcpdump -w - -C 1", "need a file");
    refused("tcpdump -r x -i eth0", "exclude");
    tcpdump_free(&o);
}
END_TEST

START_TEST(times_as_tcpdump_writes_them)
{
    const int64_t wall = INT64_C(1700000000123456789);
    char t[64];
    setenv("TZ", "UTC", 1);
    decode_time_text(DECODE_CLOCK, false, wall, 0, 0, t, sizeof t);
    ck_assert_str_eq(t, "22:13:20.123456 ");
    decode_time_text(DECODE_NO_TIME, false, wall, 0, 0, t, sizeof t);
    ck_assert_str_eq(t, "");
    decode_time_text(DECODE_EPOCH, true, wall, 0, 0, t, sizeof t);
    ck_assert_str_eq(t, "1700000000.123456789 ");
    decode_time_text(DECODE_DELTA, false, wall, wall - INT64_C(3661000001000), 0, t, sizeof t);
    ck_assert_str_eq(t, " 01:01:01.000001 ");
    decode_time_text(DECODE_DATE, false, wall, 0, 0, t, sizeof t);
    ck_assert_str_eq(t, "2023-11-14 22:13:20.123456 ");
    decode_time_text(DECODE_SINCE_FIRST, false, wall, 0, wall + 1000, t, sizeof t);
    ck_assert_str_eq(t, "-00:00:00.000001 ");
}
END_TEST

/* The daemon's stream in pieces of any size: the same pieces reach the file, and the sums are read.
 */
START_TEST(a_stream_cut_into_pieces)
{
    struct pcapng_buf w = {0};
    char path[] = "/tmp/tapdeck-split-XXXXXX", err[200];
    uint8_t frame[60] = {1, 2, 3};
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    pcapng_section(&w, NULL, NULL, "x");
    pcapng_interface(&w, &(struct pcapng_interface){.name = "eth0", .snaplen = 65535});
    for (unsigned i = 0; i < 5; i++)
        pcapng_packet(&w, &(struct pcapng_packet){
                              .wall = 7 * TD_SEC + i, .caplen = 60, .len = 60, .data = frame});
    pcapng_statistics(
        &w, &(struct pcapng_statistics){.received = 9, .accepted = 8, .lost = 3, .delivered = 5});
    for (size_t step = 1; step < w.len; step = step * 3 + 1) {
        struct tcpdump_split s = {.pcap = _i == 1};
        const struct dump_config c = {.path = path};
        uint8_t got[4096];
        s.file = dump_open(&c, err, sizeof err);
        ck_assert_ptr_nonnull(s.file);
        for (size_t at = 0; at < w.len; at += step)
            tcpdump_split(&s, (const char *)w.b + at, w.len - at < step ? w.len - at : step);
        ck_assert(!s.broken);
        ck_assert_uint_eq(dump_packets(s.file), 5);
        ck_assert_int_eq(dump_close(s.file), 0);
        ck_assert_uint_eq(s.stats.seen, 9);
        ck_assert_uint_eq(s.stats.lost, 3);
        ck_assert_uint_eq(s.stats.written, 5);
        ssize_t n = pread(fd, got, sizeof got, 0);
        if (_i == 0) {
            ck_assert_int_eq(n, (ssize_t)w.len);
            ck_assert_mem_eq(got, w.b, w.len);
        } else {
            ck_assert_int_eq(n, 24 + 5 * 76);
            ck_assert_mem_eq(got + 24, "\7\0\0\0\0\0\0\0\74\0\0\0\74\0\0\0\1\2\3", 19);
        }
        text_free(&s.in);
    }
    struct tcpdump_split s = {0};
    tcpdump_split(&s, "GET / HTTP/1.0\r\n", 16);
    ck_assert(s.broken);
    text_free(&s.in);
    pcapng_buf_free(&w);
    close(fd);
    unlink(path);
}
END_TEST

/* UDP from 10.0.0.1 to 10.0.0.2 with this text. */
static uint32_t datagram(uint8_t *b, const char *text)
{
    uint32_t n = (uint32_t)strlen(text);
    memcpy(b,
           "\2\0\0\0\0\2\2\0\0\0\0\1\x08\0\x45\0\0\0\0\0\0\0\x40\x11\0\0\x0a\0\0\1\x0a\0\0\2\x30"
           "\x39\xc3\x50\0\0\0\0",
           42);
    b[17] = (uint8_t)(28 + n);
    b[39] = (uint8_t)(8 + n);
    memcpy(b + 42, text, n);
    return 42 + n;
}

/* Payload that looks like another packet's beginning is payload; reasons stand under their own
 * packet. */
START_TEST(text_from_the_real_tcpdump)
{
    char *text = NULL;
    size_t size = 0;
    uint8_t b[256];
    FILE *out = open_memstream(&text, &size);
    struct decode_options d = {.flags = {(char[]){"-n"}, (char[]){"-A"}},
                               .time = DECODE_EPOCH,
                               .why = true,
                               .interfaces = true,
                               .lines = _i == 1,
                               .out = out};
    struct decoder *dec = decode_open(&d, 1, msg, sizeof msg);
    ck_assert_msg(dec != NULL, "%s", msg);
    struct capture_frame f = {.wall = INT64_C(1700000000000001000),
                              .dir = CAPTURE_IN,
                              .link = 1,
                              .bytes = b,
                              .comment = "first reason\nsecond reason"};
    f.caplen = f.len = datagram(b, "one\n1700000000.000009 IP fake\n1.999983 x");
    ck_assert(decode_packet(dec, &f, "eth0"));
    f.wall += 1000;
    f.dir = CAPTURE_OUT;
    f.comment = NULL;
    f.caplen = f.len = datagram(b, "two");
    ck_assert(decode_packet(dec, &f, "lo"));
    f.link = 101;
    ck_assert(decode_packet(dec, &f, "tun"));
    ck_assert_int_eq(decode_close(dec, msg, sizeof msg), 0);
    ck_assert_str_eq(msg, "1 packets of other link types are left out");
    fclose(out);
    const char *first =
        strstr(text, "1700000000.000001 eth0  In  IP 10.0.0.1.12345 > 10.0.0.2.50000: UDP");
    const char *why = strstr(text, "    # why: first reason\n    # why: second reason\n");
    const char *second = strstr(text, "1700000000.000002 lo    Out IP 10.0.0.1.12345");
    ck_assert_msg(first != NULL && why != NULL && second != NULL && first < why && why < second,
                  "%s", text);
    ck_assert_ptr_nonnull(strstr(text, "\n1700000000.000009 IP fake\n"));
    ck_assert_ptr_null(strstr(text, "Loopback"));
    free(text);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("tcpdump");
    TCase *t = tcase_create("tcpdump");
    tcase_add_test(t, tcpdumps_own_words);
    tcase_add_test(t, times_as_tcpdump_writes_them);
    tcase_add_loop_test(t, a_stream_cut_into_pieces, 0, 2);
    if (system("command -v tcpdump >/dev/null") == 0)
        tcase_add_loop_test(t, text_from_the_real_tcpdump, 0, 2);
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(suite)

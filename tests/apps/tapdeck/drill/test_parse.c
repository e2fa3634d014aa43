/* tests of apps/tapdeck/drill: lex.c, parse*.c, options.c, symbols.c, print.c: from text to a
 * script, and from a script to its notation. The scripts beside this file have every construct. */
#include "check_main.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tapdeck/drill/drill.h"
#include "wire/tcp.h"

#define SCRIPTS "tests/apps/tapdeck/drill/scripts"

static struct drill_script *s;
static struct drill_error err;

static enum drill_verdict parse_with(const char *text, const struct drill_defines *defs)
{
    drill_free(s);
    s = NULL;
    /* In a block of exactly its size, so that a sanitizer sees reading beyond. */
    size_t n = strlen(text);
    char *copy = malloc(n + 1);
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, text, n);
    enum drill_verdict v = drill_parse("t.pkt", copy, n, defs, &s, &err);
    free(copy);
    ck_assert_int_eq(v, err.verdict);
    ck_assert_int_eq(s != NULL, v == DRILL_PASSED || v == DRILL_UNSUPPORTED);
    return v;
}

static void done(void)
{
    drill_free(s);
    s = NULL;
}

static void parse(const char *text)
{
    if (parse_with(text, NULL) != DRILL_PASSED)
        ck_abort_msg("%s: %u:%u: %s", text, err.line, err.col, err.text);
}

static const struct drill_packet *packet(const char *text)
{
    char whole[600];
    snprintf(whole, sizeof(whole), "0 %s", text);
    parse(whole);
    ck_assert_uint_eq(s->nevents, 1);
    ck_assert_int_eq(s->event[0].kind, DRILL_PACKET);
    return &s->event[0].packet;
}

static const struct drill_call *call(const char *text)
{
    char whole[600];
    snprintf(whole, sizeof(whole), "0 %s", text);
    parse(whole);
    ck_assert_uint_eq(s->nevents, 1);
    ck_assert_int_eq(s->event[0].kind, DRILL_SYSCALL);
    return &s->event[0].call;
}

/* Text is no script: the place, and a word of the message and of what was expected. */
static void refused(const char *text, unsigned line, unsigned col, const char *message,
                    const char *expect)
{
    if (parse_with(text, NULL) != DRILL_SYNTAX)
        ck_abort_msg("not refused: %s", text);
    if (err.line != line || err.col != col || strstr(err.text, message) == NULL ||
        strstr(err.expected, expect) == NULL)
        ck_abort_msg("%s: %u:%u: %s [%s]", text, err.line, err.col, err.text, err.expected);
}

static void not_supported(const char *text, unsigned line, const char *message)
{
    if (parse_with(text, NULL) != DRILL_UNSUPPORTED)
        ck_abort_msg("not unsupported: %s (%s)", text, err.text);
    ck_assert(s->unsupported);
    if (err.line != line || strstr(err.text, message) == NULL)
        ck_abort_msg("%s: %u: %s", text, err.line, err.text);
}

/* ---- the files ---- */

static char *file_text(const char *name, size_t *n)
{
    char path[300];
    static char text[8192];
    snprintf(path, sizeof(path), SCRIPTS "/%s", name);
    FILE *f = fopen(path, "r");
    ck_assert_ptr_nonnull(f);
    *n = fread(text, 1, sizeof(text) - 1, f);
    fclose(f);
    text[*n] = '\0';
    return text;
}

static void notation(struct text *t)
{
    for (size_t i = 0; i < s->nevents; i++) {
        drill_print_time(t, &s->event[i]);
        text_puts(t, " ");
        drill_print_event(t, &s->event[i]);
        text_puts(t, "\n");
    }
}

/* Every script of the folder is read as its name says, and what is printed of it reads the same. */
START_TEST(scripts)
{
    struct dirent *d;
    unsigned n = 0;
    DIR *dir = opendir(SCRIPTS);
    ck_assert_ptr_nonnull(dir);
    while ((d = readdir(dir)) != NULL) {
        size_t len;
        if (strstr(d->d_name, ".pkt") == NULL)
            continue;
        n++;
        bool beyond = strncmp(d->d_name, "unsupported_", 12) == 0;
        enum drill_verdict v = parse_with(file_text(d->d_name, &len), NULL);
        if (v != (beyond ? DRILL_UNSUPPORTED : DRILL_PASSED))
            ck_abort_msg("%s:%u:%u: %s", d->d_name, err.line, err.col, err.text);
        if (s->options.ip_version != DRILL_IPV4)
            continue; /* what ICMPv6 says has no name here */
        struct text once = {0}, twice = {0};
        notation(&once);
        if (parse_with(once.s, NULL) != (beyond && s->unsupported ? err.verdict : DRILL_PASSED))
            ck_abort_msg("%s, printed:%u:%u: %s\n%s", d->d_name, err.line, err.col, err.text,
                         once.s);
        notation(&twice);
        ck_assert_str_eq(once.s, twice.s);
        text_free(&once);
        text_free(&twice);
    }
    closedir(dir);
    ck_assert_uint_ge(n, 20);
    done();
}
END_TEST

/* ---- layout, tokens ---- */

START_TEST(lines_and_columns)
{
    parse("// c\n0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n/* a\nb */ +1 close(3) = 0\n"
          "\t+0 %{\n\n  x = 1\n}%\n");
    ck_assert_uint_eq(s->nevents, 3);
    ck_assert_uint_eq(s->event[0].line, 2);
    ck_assert_uint_eq(s->event[0].col, 1);
    ck_assert_uint_eq(s->event[1].line, 4);
    ck_assert_uint_eq(s->event[1].col, 6);
    ck_assert_uint_eq(s->event[2].line, 5);
    ck_assert_uint_eq(s->event[2].col, 2);
    ck_assert_uint_eq(s->event[2].code_line, 7);
    ck_assert_str_eq(s->event[2].code, "x = 1");
    done();
}
END_TEST

START_TEST(commands)
{
    parse("`one\ntwo`\n0 `three`\n+0 close(3) = 0\n`four`");
    ck_assert_str_eq(s->init, "one\ntwo");
    ck_assert_uint_eq(s->init_line, 1);
    ck_assert_str_eq(s->event[0].shell, "three");
    ck_assert_str_eq(s->cleanup, "four");
    ck_assert_uint_eq(s->cleanup_line, 5);
    ck_assert_uint_eq(s->nevents, 2);
    refused("0 close(3) = 0\n`x` +0 close(4) = 0", 2, 5, "found '+'", "the last of a script");
    done();
}
END_TEST

START_TEST(times)
{
    size_t n;
    parse(file_text("times.pkt", &n));
    const struct drill_event *e = s->event;
    ck_assert_int_eq(e[0].time, DRILL_ABSOLUTE);
    ck_assert_int_eq(e[0].at, 0);
    ck_assert_int_eq(e[1].at, 1);
    ck_assert_int_eq(e[3].time, DRILL_RELATIVE);
    ck_assert_int_eq(e[3].at, 100000);
    ck_assert_int_eq(e[5].time, DRILL_ABSOLUTE);
    ck_assert_int_eq(e[5].at, 250000);
    ck_assert_int_eq(e[8].time, DRILL_ANY);
    ck_assert_int_eq(e[9].time, DRILL_RELATIVE_RANGE);
    ck_assert_int_eq(e[9].at, 200000);
    ck_assert_int_eq(e[9].until, 300000);
    ck_assert_int_eq(e[10].time, DRILL_ABSOLUTE_RANGE);
    ck_assert_int_eq(e[10].at, 1000000);
    ck_assert_int_eq(e[10].until, 1500000);
    ck_assert_int_eq(e[13].at, INT64_C(1000000000000));
    parse("+0 close(3) = 0 +.0000014 close(3) = 0 +.0000015 close(3) = 0");
    ck_assert_int_eq(s->event[1].at, 1);
    ck_assert_int_eq(s->event[2].at, 2);
    done();
}
END_TEST

START_TEST(impossible_times)
{
    refused("1 close(3) = 0", 1, 1, "must be at time 0", "0");
    refused("+.1 close(3) = 0", 1, 1, "must be at time 0", "0");
    refused("* > . 1:1(0) ack 1", 1, 1, "must be at time 0", "0");
    refused("0 close(3) = 0\n0.5 close(3) = 0\n 0.4 close(3) = 0", 3, 2, "time goes backwards",
            "not earlier");
    refused("0 close(3) = 0\n0.5 > . 1:1(0)\n0.4 > . 1:1(0)", 3, 1, "goes backwards",
            "not earlier");
    refused("0 close(3) = 0\n+1 close(3) = 0\n0.4 close(3) = 0", 3, 1, "at least 1.000000",
            "not earlier");
    /* What the stack has sent may be older than what the script did since. */
    parse("0 close(3) = 0\n+1 close(3) = 0\n0.4 > . 1:1(0)");
    refused("0 close(3) = 0 +1~+2 < . 1:1(0) win 1", 1, 16, "a range of times", "one time");
    refused("0 close(3) = 0 1~2 close(3) = 0", 1, 16, "a range of times", "one time");
    refused("0 close(3) = 0 * %{ x = 1 }%", 1, 16, "the time *", "one time");
    refused("0 close(3) = 0 * `x`", 1, 16, "the time *", "one time");
    refused("0 close(3) = 0 2~1 > . 1:1(0)", 1, 18, "ends before it begins", "not before");
    refused("0 close(3) = 0 +2~1 > . 1:1(0)", 1, 19, "found '1'", "both ends");
    refused("0 close(3) = 0 +1...0.5 read(3, ..., 1) = 1", 1, 21, "ends before it begins",
            "not before");
    refused("0 close(3) = 0 -1 close(3) = 0", 1, 16, "found '-1'", "a time");
    refused("0 close(3) = 0 10000001 close(3) = 0", 1, 16, "10000000", "10000000");
    refused("0 close(3) = 0 99999999999999999999 close(3) = 0", 1, 16, "10000000", "10000000");
    done();
}
END_TEST

START_TEST(syntax_errors)
{
    refused("", 1, 1, "the end of the file", "a time");
    refused("// nothing\n", 2, 1, "the end of the file", "a time");
    refused("0", 1, 2, "the end of the file", "system call");
    refused("0 close(3) = 0\nfoo", 2, 1, "found 'foo'", "next event");
    refused("0 close(3)\n+0 close(4) = 0", 2, 1, "found '+'", "'='");
    refused("0 close(3 = 0", 1, 11, "found '='", "','");
    refused("0 close 3", 1, 9, "found '3'", "'('");
    refused("0 close(3) = -1 EBADF\n", 2, 1, "the end of the file", "note");
    refused("0 close(3) = 0 EBADF (x)", 1, 16, "found 'EBADF'", "-1");
    refused("0 close(3) = -1 EBADF (x", 1, 25, "the end of the file", "')'");
    refused("0 setsockopt(3, [1, 4) = 0", 1, 22, "found ')'", "']'");
    refused("0 setsockopt(3, \"abc", 1, 17, "no end", "");
    refused("0 read(3, 99999999999999999999) = 0", 1, 11, "found", "64 bits");
    refused("0 %{ assert", 1, 3, "'}%'", "");
    refused("0 `x", 1, 3, "'`'", "");
    refused("0 close(3) = 0 /* x", 1, 16, "'*/'", "");
    refused("0 \x80", 1, 3, "ASCII", "");
    refused("0 %{ assert tcpi_state == }%", 1, 3, "code block", "a number or a name");
    refused("0 %{\n x = 1\n x + 1\n}%", 3, 1, "code block", "'='");
    done();
}
END_TEST

/* A zero byte, wherever it stands. */
START_TEST(zero_byte)
{
    static const char text[] = "0 close(3) = 0\n+0 %{ x = 1 \0 }%";
    struct drill_script *none;
    ck_assert_int_eq(drill_parse("t", text, sizeof(text) - 1, NULL, &none, &err), DRILL_SYNTAX);
    ck_assert_ptr_null(none);
    ck_assert_uint_eq(err.line, 2);
    ck_assert_uint_eq(err.col, 13);
    ck_assert_ptr_nonnull(strstr(err.text, "zero byte"));
}
END_TEST

START_TEST(packet_errors)
{
    refused("0 < S 0:0(0)", 1, 13, "the end", "win N");
    refused("0 < S 0:5(4) win 1", 1, 9, "make 4, not 5", "0:4(4)");
    refused("0 < Q 0:0(0) win 1", 1, 5, "found 'Q'", "TCP flags");
    refused("0 < SS 0:0(0) win 1", 1, 5, "found 'SS'", "TCP flags");
    refused("0 < .8 0:0(0) win 1", 1, 5, "found '.8'", "TCP flags");
    refused("0 < E.5 0:0(0) win 1", 1, 5, "found 'E.5'", "TCP flags");
    refused("0 < S 0-0(0) win 1", 1, 8, "found '-0'", "':'");
    refused("0 < S 0:0 win 1", 1, 11, "found 'win'", "'('");
    refused("0 < S 0:0(0) win 65536", 1, 18, "found '65536'", "65535");
    refused("0 < S 4294967296:0(0) win 1", 1, 7, "found", "4294967295");
    refused("0 < . 0:65500(65500) win 1", 1, 15, "found '65500'", "65495");
    refused("0 < S 0:0(0) win 1 <mss 1460,nop>", 1, 20, "5 bytes", "multiple of 4");
    refused("0 < S 0:0(0) win 1 <foo>", 1, 21, "found 'foo'", "a TCP option");
    refused("0 < S 0:0(0) win 1 <mss>", 1, 24, "found '>'", "an MSS");
    refused("0 < S 0:0(0) win 1 <wscale 256>", 1, 28, "found '256'", "255");
    refused("0 < S 0:0(0) win 1 <TS val 1>", 1, 29, "found '>'", "'ecr'");
    refused("0 < S 0:0(0) win 1 <sack>", 1, 25, "found '>'", "SACK block");
    refused("0 < S 0:0(0) win 1 <sack 1:2 1:2 1:2 1:2 1:2>", 1, 42, "found '1'", "four");
    refused("0 < S 0:0(0) win 1 <FO abc,nop>", 1, 24, "found 'abc'", "even number");
    refused("0 < S 0:0(0) win 1 <FO abcg>", 1, 24, "found 'abcg'", "hex");
    refused("0 < S 0:0(0) win 1 <md5>", 1, 24, "found '>'", "hex");
    refused("0 < S 0:0(0) win 1 <ECN e0b 1 e1b 2>", 1, 31, "found 'e1b'", "ceb N");
    refused("0 < S 0:0(0) win 1 <ECN e0b 16777216>", 1, 29, "found", "24 bits");
    refused("0 < . 1:1(0) win 1 <TS val 1 ecr 1,TS val 1 ecr 1,TS val 1 ecr 1,TS val 1 ecr 1,nop>",
            1, 81, "41 bytes", "40 bytes");
    refused("0 < S 0:0(0) win 1 <...>", 1, 21, "<...>", "options to send");
    refused("0 < (foo) S 0:0(0) win 1", 1, 6, "found 'foo'", "noecn");
    refused("0 < (tos 0x100) S 0:0(0) win 1", 1, 10, "found '0x100'", "0xff");
    refused("0 < (ect0] S 0:0(0) win 1", 1, 10, "found ']'", "')'");
    refused("0 < 70000 > 1 S 0:0(0) win 1", 1, 5, "found '70000'", "a port");
    refused("0 < icmp foo", 1, 10, "found 'foo'", "an ICMP type");
    refused("0 < icmp type_256", 1, 10, "found 'type_256'", "an ICMP type");
    refused("0 < icmp unreachable foo", 1, 22, "found 'foo'", "a code");
    refused("0 < icmp unreachable port_unreachable mtu 5", 1, 39, "found 'mtu'", "frag_needed");
    refused("0 < icmp unreachable [1:1(0)", 1, 29, "the end", "']'");
    refused("0 < udp 5", 1, 9, "found '5'", "'('");
    done();
}
END_TEST

/* ---- packets ---- */

START_TEST(flags)
{
    static const struct {
        const char *text;
        unsigned flags;
        bool ace;
    } rows[] = {
        {"S", TCP_SYN, false},
        {"S.", TCP_SYN | TCP_ACK, false},
        {".", TCP_ACK, false},
        {".P", TCP_ACK | TCP_PSH, false},
        {"FP.", TCP_ACK | TCP_PSH | TCP_FIN, false},
        {"R", TCP_RST, false},
        {"U", TCP_URG, false},
        {"SEWA", TCP_SYN | TCP_ECE | TCP_CWR | TCP_AE, false},
        {"-", 0, false},
        {".5", TCP_ACK | TCP_AE | TCP_ECE, true},
        {"P.2", TCP_ACK | TCP_PSH | TCP_CWR, true},
        {"P2.", TCP_ACK | TCP_PSH | TCP_CWR, true},
        {".0", TCP_ACK, true},
        {"7", TCP_AE | TCP_CWR | TCP_ECE, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[60];
        snprintf(text, sizeof(text), "> %s 1:1(0) ack 1", rows[i].text);
        const struct drill_packet *k = packet(text);
        ck_assert_msg(k->flags == rows[i].flags && k->has_ace == rows[i].ace, "%s", rows[i].text);
        ck_assert_uint_eq(k->seq, 1);
        ck_assert_uint_eq(k->ack, 1);
    }
    done();
}
END_TEST

START_TEST(segment)
{
    const struct drill_packet *k =
        packet("< (ce, ttl 7) 1234 > 80 P. 4294967290:4(10) ack 9 win 300 urg 2 "
               "<nop,nop,TS val 4294967295 ecr 0,mss 536,wscale 7,nop,sackOK,nop,eol>");
    ck_assert(k->inbound);
    ck_assert_int_eq(k->proto, DRILL_TCP);
    ck_assert_int_eq(k->ecn, DRILL_CE);
    ck_assert(k->has_ttl);
    ck_assert_uint_eq(k->ttl, 7);
    ck_assert(k->has_ports);
    ck_assert_uint_eq(k->sport, 1234);
    ck_assert_uint_eq(k->dport, 80);
    ck_assert_uint_eq(k->seq, 4294967290);
    ck_assert_uint_eq(k->len, 10);
    ck_assert_uint_eq(k->ack, 9);
    ck_assert_uint_eq(k->win, 300);
    ck_assert(k->has_urg);
    ck_assert_uint_eq(k->urg, 2);
    ck_assert_uint_eq(k->nopts, 9);
    ck_assert_int_eq(k->opt[2].kind, DRILL_OPT_TS);
    ck_assert_uint_eq(k->opt[2].v[0], UINT32_MAX);
    ck_assert_uint_eq(k->opt[3].v[0], 536);
    ck_assert_uint_eq(k->opt[4].v[0], 7);
    ck_assert_int_eq(k->opt[8].kind, DRILL_OPT_EOL);
    k = packet("> . 1:1(0) ack 1 <...>");
    ck_assert(!k->inbound && k->any_opts && !k->has_win && !k->has_ports && !k->has_ttl);
    done();
}
END_TEST

START_TEST(options_of_tcp)
{
    const struct drill_packet *k = packet("> . 1:1(0) ack 1 <nop,nop,sack 5:6 1:2>");
    ck_assert_uint_eq(k->opt[2].n, 2);
    ck_assert_uint_eq(k->opt[2].sack[0][0], 5);
    ck_assert_uint_eq(k->opt[2].sack[1][1], 2);
    k = packet("> S 0:0(0) <FO 0123456789abcdef,FO,nop,nop,nop,nop>");
    ck_assert_int_eq(k->opt[0].kind, DRILL_OPT_FO);
    ck_assert_uint_eq(k->opt[0].n, 8);
    ck_assert_mem_eq(k->opt[0].bytes, "\x01\x23\x45\x67\x89\xab\xcd\xef", 8);
    ck_assert_uint_eq(k->opt[1].n, 0);
    /* All digits: an integer to the lexer, bytes here. */
    k = packet("> S 0:0(0) <FO 12345678901234567890123456789012,nop,nop>");
    ck_assert_uint_eq(k->opt[0].n, 16);
    ck_assert_mem_eq(k->opt[0].bytes, "\x12\x34\x56", 3);
    k = packet("> S 0:0(0) <FOEXP ABcd,nop,nop>");
    ck_assert_int_eq(k->opt[0].kind, DRILL_OPT_FOEXP);
    ck_assert_mem_eq(k->opt[0].bytes, "\xab\xcd", 2);
    k = packet("> S 0:0(0) <md5 000102030405060708090a0b0c0d0e0f,nop,nop>");
    ck_assert_int_eq(k->opt[0].kind, DRILL_OPT_MD5);
    ck_assert_uint_eq(k->opt[0].n, 16);
    k = packet("> . 1:1(0) ack 1 <ECN e1b 1 ceb 2 e0b 3,nop>");
    ck_assert(k->opt[0].order1);
    ck_assert_uint_eq(k->opt[0].n, 3);
    ck_assert_uint_eq(k->opt[0].count[2], 3);
    k = packet("> . 1:1(0) ack 1 <ECN e0b 1 ceb 2>");
    ck_assert(!k->opt[0].order1);
    ck_assert_uint_eq(k->opt[0].n, 2);
    done();
}
END_TEST

START_TEST(ip_and_others)
{
    const struct drill_packet *k = packet("> [tos 0x1f] udp 1 > 2 (3)");
    ck_assert_int_eq(k->ecn, DRILL_TOS);
    ck_assert_uint_eq(k->tos, 0x1f);
    ck_assert_int_eq(k->proto, DRILL_UDP);
    ck_assert_uint_eq(k->dport, 2);
    ck_assert_uint_eq(k->len, 3);
    k = packet("< icmp unreachable frag_needed mtu 1300 [1:1461(1460)]");
    ck_assert_int_eq(k->proto, DRILL_ICMP);
    ck_assert_uint_eq(k->icmp_type, 3);
    ck_assert_uint_eq(k->icmp_code, 4);
    ck_assert(k->has_mtu);
    ck_assert_uint_eq(k->mtu, 1300);
    ck_assert_int_eq(k->quote, DRILL_QUOTE_TCP);
    ck_assert_uint_eq(k->seq, 1);
    ck_assert_uint_eq(k->len, 1460);
    k = packet("< icmp echo_request id 9 [raw (56)]");
    ck_assert_uint_eq(k->icmp_type, 8);
    ck_assert_uint_eq(k->id, 9);
    ck_assert_int_eq(k->quote, DRILL_QUOTE_RAW);
    ck_assert_uint_eq(k->len, 56);
    k = packet("< icmp type_42 code_7 [udp (1)]");
    ck_assert_uint_eq(k->icmp_type, 42);
    ck_assert_uint_eq(k->icmp_code, 7);
    ck_assert_int_eq(k->quote, DRILL_QUOTE_UDP);
    done();
}
END_TEST

/* ---- calls ---- */

START_TEST(calls)
{
    int64_t v;
    const struct drill_call *c = call("...0.3 read(4, ..., 1000) = -1 EAGAIN (Try again, later)");
    ck_assert(c->blocking);
    ck_assert_int_eq(c->end, 300000);
    ck_assert_str_eq(c->name, "read");
    ck_assert_uint_eq(c->nargs, 3);
    ck_assert_int_eq(c->arg[1]->kind, DRILL_ELLIPSIS);
    ck_assert(drill_expr_int(c->arg[2], &v));
    ck_assert_int_eq(v, 1000);
    ck_assert_int_eq(c->result->num, -1);
    ck_assert_str_eq(c->error, "EAGAIN");
    ck_assert_int_eq(c->error_num, 11);
    ck_assert_str_eq(c->note, "Try again, later");
    c = call("fcntl(4, F_SETFL, O_RDWR|O_NONBLOCK) = 0");
    ck_assert(!c->blocking);
    ck_assert_int_eq(c->arg[2]->kind, DRILL_OR);
    ck_assert_int_eq(c->arg[2]->num, 0x802);
    c = call("fcntl(4, F_GETFL) = 0x802 (flags O_RDWR|O_NONBLOCK)");
    ck_assert_int_eq(c->result->num, 0x802);
    ck_assert_ptr_null(c->error);
    c = call("setsockopt(3, SOL_TCP, TCP_CONGESTION, \"re\" \"n\\\"o\", 4) = ...");
    ck_assert_str_eq(c->arg[3]->text, "ren\"o");
    ck_assert_uint_eq(c->arg[3]->text_len, 5);
    ck_assert_int_eq(c->result->kind, DRILL_ELLIPSIS);
    c = call("bind(3, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr(\"10.0.0.1\")}, "
             "...) = 0");
    ck_assert(drill_expr_int(drill_expr_field(c->arg[1], "sin_port", NULL), &v));
    ck_assert_int_eq(v, 80);
    ck_assert(drill_expr_int(drill_expr_field(c->arg[1], "sin_addr", NULL), &v));
    ck_assert_int_eq(v, 0x0a000001);
    ck_assert_ptr_null(drill_expr_field(c->arg[1], "sin_zero", NULL));
    c = call("sendmsg(4, {msg_name(...)=..., msg_iov(1)=[{..., 700}], msg_flags=0}, 0) = 700");
    const struct drill_expr *arg, *iov = drill_expr_field(c->arg[1], "msg_iov", &arg);
    ck_assert_ptr_nonnull(iov);
    ck_assert_int_eq(iov->kind, DRILL_LIST);
    ck_assert_ptr_nonnull(arg);
    ck_assert_int_eq(arg->num, 1);
    ck_assert_int_eq(iov->item[0]->kind, DRILL_STRUCT);
    ck_assert_int_eq(iov->item[0]->item[1]->num, 700);
    c = call("getsockopt(3, SOL_SOCKET, SO_ERROR, [ECONNREFUSED], [4]) = 0");
    ck_assert(drill_expr_int(c->arg[3], &v));
    ck_assert_int_eq(v, 111);
    ck_assert(!drill_expr_int(call("poll([], 0, 0) = 0")->arg[0], &v));
    done();
}
END_TEST

/* No recursion without a bound. */
START_TEST(nesting)
{
    struct text t = {0};
    text_puts(&t, "0 poll(");
    for (unsigned i = 0; i < 100000; i++)
        text_puts(&t, i % 2 ? "[" : "{");
    ck_assert_int_eq(parse_with(t.s, NULL), DRILL_SYNTAX);
    ck_assert_ptr_nonnull(strstr(err.expected, "16 levels"));
    text_consume(&t, t.len);
    text_puts(&t, "0 poll(");
    for (unsigned i = 0; i < 100000; i++)
        text_puts(&t, i % 2 ? "a=" : "b(");
    ck_assert_int_eq(parse_with(t.s, NULL), DRILL_SYNTAX);
    ck_assert_ptr_nonnull(strstr(err.expected, "16 levels"));
    text_consume(&t, t.len);
    text_puts(&t, "0 poll(\"\"");
    for (unsigned i = 0; i < 100; i++)
        text_puts(&t, "\"x\"");
    ck_assert_int_eq(parse_with(t.s, NULL), DRILL_SYNTAX);
    text_consume(&t, t.len);
    while (t.len <= 1u << 20)
        text_puts(&t, "0 close(3) = 0 ");
    ck_assert_int_eq(parse_with(t.s, NULL), DRILL_SYNTAX);
    ck_assert_ptr_nonnull(strstr(err.text, "1 MiB"));
    text_free(&t);
    done();
}
END_TEST

/* ---- options and definitions ---- */

START_TEST(file_options)
{
    size_t n;
    parse(file_text("options.pkt", &n));
    const struct drill_options *o = &s->options;
    ck_assert_int_eq(o->tolerance_usecs, 10000);
    ck_assert_double_eq(o->tolerance_percent, 0.5);
    ck_assert_uint_eq(o->local_ip, 0x0a010203);
    ck_assert_uint_eq(o->netmask_ip, 0xffffff00);
    ck_assert_uint_eq(o->remote_ip, 0x0a010204);
    ck_assert_uint_eq(o->gateway_ip, 0x0a010201);
    ck_assert_uint_eq(o->bind_port, 80);
    ck_assert_uint_eq(o->connect_port, 81);
    ck_assert_uint_eq(o->mtu, 9000);
    ck_assert_uint_eq(o->mss, 1460);
    ck_assert(o->has_ts_tick);
    ck_assert_int_eq(o->ts_tick_usecs, 1000);
    ck_assert(o->ts_ecr_scaled && o->strict_segments && o->send_omit_free);
    ck_assert(o->non_fatal_packet && o->non_fatal_syscall);
    /* Definitions */
    ck_assert_int_eq(s->event[0].call.result->num, 3);
    ck_assert_str_eq(s->event[1].call.arg[1]->text, "SOL_TCP");
    ck_assert_str_eq(s->event[1].call.arg[3]->text, "one");
    ck_assert_int_eq(s->event[2].kind, DRILL_SHELL);
    ck_assert_str_eq(s->event[2].shell, "sysctl -q net.ipv4.tcp_sack=0");
    done();
}
END_TEST

/* The command line's over the file's over the defaults. */
START_TEST(merging)
{
    struct drill_options all, line;
    struct drill_error e;
    parse("--tolerance_usecs=7 --mtu=900 --netmask_ip=255.0.0.0\n0 close(3) = 0");
    drill_options_default(&all);
    drill_options_default(&line);
    ck_assert_int_eq(drill_option_set(&line, "mtu", "1000", &e), DRILL_PASSED);
    ck_assert_int_eq(drill_option_set(&line, "local_ip", "1.2.3.4", &e), DRILL_PASSED);
    drill_options_merge(&all, &s->options);
    drill_options_merge(&all, &line);
    ck_assert_int_eq(all.tolerance_usecs, 7);
    ck_assert_uint_eq(all.mtu, 1000);
    ck_assert_double_eq(all.tolerance_percent, 12.5);
    ck_assert_uint_eq(all.local_ip, 0x01020304);
    ck_assert_uint_eq(all.netmask_ip, 0xff000000);
    ck_assert_uint_eq(all.bind_port, 8080);
    done();
}
END_TEST

START_TEST(bad_options)
{
    refused("--foo=1\n0 close(3) = 0", 1, 1, "no option --foo", "");
    refused("\n --mtu=x\n0 close(3) = 0", 2, 2, "'x' is no value", "68");
    refused("--mtu\n0 close(3) = 0", 1, 1, "needs a value", "68");
    refused("--mtu=\n0 close(3) = 0", 1, 1, "no value", "");
    refused("--strict_segments=1\n0 close(3) = 0", 1, 1, "takes no value", "");
    refused("--tolerance_percent=nan\n0 close(3) = 0", 1, 1, "is no value", "");
    refused("--netmask_ip=255.0.255.0\n0 close(3) = 0", 1, 1, "is no value", "");
    refused("--non_fatal=all\n0 close(3) = 0", 1, 1, "is no value", "packet");
    refused("--define=X\n0 close(3) = 0", 1, 1, "NAME=value", "");
    refused("--define=X=(\n0 close(3) = 0", 1, 1, "NAME=value", "");
    refused("0 close(3) = 0\n--mtu=1000", 2, 1, "found '--mtu'", "a time");
    not_supported("--ip_version=ipv6\n0 close(3) = 0", 1, "IPv6");
    not_supported("--ip_version=ipv4-mapped-ipv6\n0 close(3) = 0", 1, "IPv6");
    not_supported("--wire_client\n0 close(3) = 0", 1, "wire_client");
    done();
}
END_TEST

START_TEST(definitions)
{
    const struct drill_define list[] = {{"FD", "7"}, {"NAME", "close"}};
    const struct drill_defines defs = {.list = list, .n = 2};
    ck_assert_int_eq(parse_with("--define=FD=3 --define=SELF=SELF\n0 NAME(FD, SELF) = 0", &defs),
                     DRILL_UNSUPPORTED); /* SELF is replaced once, by a word nobody knows */
    ck_assert_str_eq(s->event[0].call.name, "close");
    ck_assert_int_eq(s->event[0].call.arg[0]->num, 7);
    const struct drill_define bad = {"FD", "1 2"};
    const struct drill_defines bads = {.list = &bad, .n = 1};
    ck_assert_int_eq(parse_with("0 close(FD) = 0", &bads), DRILL_SYNTAX);
    ck_assert_ptr_nonnull(strstr(err.text, "-D FD"));
    done();
}
END_TEST

/* ---- what is not supported ---- */

START_TEST(beyond)
{
    size_t n;
    not_supported(file_text("unsupported_tunnels.pkt", &n), 3, "ipv4");
    ck_assert_uint_eq(s->nevents, 2); /* the others can't be told */
    ck_assert_uint_eq(s->event[1].line, 8);
    not_supported(file_text("unsupported_ipv6.pkt", &n), 1, "IPv6");
    not_supported(file_text("unsupported_calls.pkt", &n), 2, "pipe()");
    not_supported(file_text("unsupported_code.pkt", &n), 4, "`for`");
    not_supported(file_text("unsupported_constant.pkt", &n), 2, "SO_FUTURE_OPTION");
    not_supported("0 close(3) = -1 EWHATEVER (x)", 1, "EWHATEVER");
    /* The first event, which can't be told, was at 0: the next needn't be. */
    not_supported("0 < gre: x\n+1 close(3) = 0", 1, "gre");
    ck_assert_uint_eq(s->nevents, 1);
    ck_assert_int_eq(s->event[0].at, 1000000);
    /* A syntax error behind it is still one. */
    refused("0 pipe([5,6]) = 0\n+0 foo", 2, 7, "the end", "'('");
    done();
}
END_TEST

START_TEST(symbols)
{
    static const struct {
        const char *name;
        int64_t value;
    } rows[] = {
        {"SOL_SOCKET", 1},
        {"SO_REUSEADDR", 2},
        {"SO_ZEROCOPY", 60},
        {"IPPROTO_TCP", 6},
        {"TCP_NODELAY", 1},
        {"TCP_FASTOPEN", 23},
        {"TCP_USER_TIMEOUT", 18},
        {"TCP_FASTOPEN_CONNECT", 30},
        {"MSG_PEEK", 2},
        {"MSG_MORE", 0x8000},
        {"MSG_FASTOPEN", 0x20000000},
        {"EAGAIN", 11},
        {"EINPROGRESS", 115},
        {"POLLRDHUP", 0x2000},
        {"O_NONBLOCK", 0x800},
        {"F_SETFL", 4},
        {"SHUT_RDWR", 2},
        {"IP_TOS", 1},
        {"SIOCINQ", 0x541B},
        {"EPOLLET", 0x80000000},
        {"TCP_ESTABLISHED", 1},
        {"TCP_CA_Loss", 4},
        {"TCPI_OPT_SYN_DATA", 32},
        {"IP_MTU_DISCOVER", 10},
    };
    int64_t v;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ck_assert_msg(drill_symbol(rows[i].name, &v), "%s", rows[i].name);
        ck_assert_msg(v == rows[i].value, "%s is %lld", rows[i].name, (long long)v);
    }
    ck_assert(!drill_symbol("SO_", &v));
    ck_assert(!drill_symbol("", &v));
    ck_assert_str_eq(drill_errno_name(11), "EAGAIN");
    ck_assert_ptr_null(drill_errno_name(9999));
}
END_TEST

/* Every beginning of every script is read to an end, and every script with one byte less. */
START_TEST(truncations)
{
    struct dirent *d;
    DIR *dir = opendir(SCRIPTS);
    ck_assert_ptr_nonnull(dir);
    while ((d = readdir(dir)) != NULL) {
        size_t n;
        if (strstr(d->d_name, ".pkt") == NULL)
            continue;
        const char *text = file_text(d->d_name, &n);
        for (size_t i = 0; i < n; i++) {
            char *part = malloc(n);
            ck_assert_ptr_nonnull(part);
            memcpy(part, text, n);
            struct drill_script *t;
            struct drill_error e;
            enum drill_verdict v = drill_parse("t", part, i, NULL, &t, &e);
            ck_assert_int_eq(t == NULL, v == DRILL_SYNTAX);
            drill_free(t);
            memmove(part + i, part + i + 1, n - i - 1);
            v = drill_parse("t", part, n - 1, NULL, &t, &e);
            ck_assert_int_eq(t == NULL, v == DRILL_SYNTAX);
            ck_assert(v != DRILL_SYNTAX || e.text[0] != '\0');
            drill_free(t);
            free(part);
        }
    }
    closedir(dir);
}
END_TEST

static Suite *suite(void)
{
    Suite *all = suite_create("drill parser");
    TCase *t = tcase_create("files");
    tcase_add_test(t, scripts);
    tcase_add_test(t, truncations);
    suite_add_tcase(all, t);
    t = tcase_create("script");
    tcase_add_test(t, lines_and_columns);
    tcase_add_test(t, commands);
    tcase_add_test(t, times);
    tcase_add_test(t, impossible_times);
    tcase_add_test(t, syntax_errors);
    tcase_add_test(t, zero_byte);
    tcase_add_test(t, nesting);
    suite_add_tcase(all, t);
    t = tcase_create("packets");
    tcase_add_test(t, packet_errors);
    tcase_add_test(t, flags);
    tcase_add_test(t, segment);
    tcase_add_test(t, options_of_tcp);
    tcase_add_test(t, ip_and_others);
    suite_add_tcase(all, t);
    t = tcase_create("calls");
    tcase_add_test(t, calls);
    tcase_add_test(t, symbols);
    suite_add_tcase(all, t);
    t = tcase_create("options");
    tcase_add_test(t, file_options);
    tcase_add_test(t, merging);
    tcase_add_test(t, bad_options);
    tcase_add_test(t, definitions);
    tcase_add_test(t, beyond);
    suite_add_tcase(all, t);
    return all;
}
CHECK_MAIN(suite)

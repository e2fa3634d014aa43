/* Packet scripts against the stack: what the runner accepts, and above all what it doesn't.
 *
 * Each rule is shown by a script that passes and by one that differs in one place and must fail, in
 * the right line: a drill that can't fail is worth nothing. */
#include "check_main.h"
#include "tapdeck/drill/drill.h"

#include <stdio.h>
#include <string.h>

static enum drill_verdict play(const char *script, struct drill_report *rep)
{
    struct drill_script *s = NULL;
    struct drill_error err;
    enum drill_verdict v = drill_parse("test.pkt", script, strlen(script), NULL, &s, &err);
    if (s == NULL || v == DRILL_UNSUPPORTED) {
        ck_assert_msg(v == DRILL_UNSUPPORTED, "line %u: %s\n%s", err.line, err.text, script);
        drill_free(s);
        *rep = (struct drill_report){.verdict = v, .line = err.line};
        return v;
    }
    const struct drill_options o = s->options;
    v = drill_run(s, &o, rep);
    drill_free(s);
    return v;
}

static const char *told(const struct text *t)
{
    return t->s != NULL ? t->s : "";
}

static void passes(const char *script)
{
    struct drill_report rep;
    enum drill_verdict v = play(script, &rep);
    ck_assert_msg(v == DRILL_PASSED,
                  "should pass, but line %u: %s\n  expected %s\n  got %s\n%s\n%s", rep.line,
                  told(&rep.reason), told(&rep.expected), told(&rep.got), told(&rep.journal),
                  script);
    drill_report_free(&rep);
}

/* It fails in this line, for a reason with this word in it. */
static void fails(const char *script, unsigned line, const char *why)
{
    struct drill_report rep;
    enum drill_verdict v = play(script, &rep);
    ck_assert_msg(v == DRILL_FAILED, "should fail, got verdict %d in line %u: %s\n%s", (int)v,
                  rep.line, told(&rep.reason), script);
    ck_assert_msg(rep.line == line, "should fail in line %u, failed in %u: %s\n%s", line, rep.line,
                  told(&rep.reason), script);
    ck_assert_msg(strstr(told(&rep.reason), why) != NULL, "'%s' doesn't speak of '%s'\n%s",
                  told(&rep.reason), why, script);
    drill_report_free(&rep);
}

static void unsupported(const char *script, unsigned line)
{
    struct drill_report rep;
    enum drill_verdict v = play(script, &rep);
    ck_assert_msg(v == DRILL_UNSUPPORTED, "should be unsupported, got verdict %d: %s\n%s", (int)v,
                  told(&rep.reason), script);
    ck_assert_msg(rep.line == line, "unsupported in line %u, not %u: %s\n%s", rep.line, line,
                  told(&rep.reason), script);
    drill_report_free(&rep);
}

/* All of the report, as text. */
static void report(const char *script, char *dst, size_t size)
{
    struct drill_report rep;
    enum drill_verdict v = play(script, &rep);
    snprintf(dst, size, "%d %u %s|%s|%s|%s", (int)v, rep.line, told(&rep.reason),
             told(&rep.expected), told(&rep.got), told(&rep.journal));
    drill_report_free(&rep);
}

/* ---- phrases ---- */

#define LISTEN                                                                                     \
    "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n"                                                \
    "+0 bind(3, ..., ...) = 0\n"                                                                   \
    "+0 listen(3, 1) = 0\n" /* lines 1 to 3 */
#define OPEN                                                                                       \
    LISTEN "+0 < S 0:0(0) win 32792 <mss 1000>\n"                                                  \
           "+0 > S. 0:0(0) ack 1 <mss 1460>\n"                                                     \
           "+.1 < . 1:1(0) ack 1 win 20000\n"                                                      \
           "+0 accept(3, ..., ...) = 4\n" /* lines 4 to 7 */

/* ---- packets: each field can be wrong ---- */

START_TEST(handshake)
{
    passes(OPEN);
    fails(LISTEN "+0 < S 0:0(0) win 32792 <mss 1000>\n+0 > S 0:0(0) ack 1 <mss 1460>\n", 5,
          "flags");
}
END_TEST

START_TEST(sequence_numbers)
{
    passes(OPEN "+0 write(4, ..., 100) = 100\n+0 > P. 1:101(100) ack 1\n");
    fails(OPEN "+0 write(4, ..., 100) = 100\n+0 > P. 2:102(100) ack 1\n", 9, "sequence");
    fails(OPEN "+0 write(4, ..., 100) = 100\n+0 > P. 1:101(100) ack 2\n", 9, "ack");
    /* the length: shorter than scripted waits for more, longer fails at once */
    fails(OPEN "+0 write(4, ..., 100) = 100\n+0 > P. 1:102(101) ack 1\n", 9, "");
    fails(OPEN "+0 write(4, ..., 100) = 100\n+0 > P. 1:100(99) ack 1\n", 9, "");
}
END_TEST

START_TEST(isn_of_the_script)
{
    /* Not all scripts begin at 0. */
    passes(LISTEN "+0 < S 1000:1000(0) win 32792 <mss 1000>\n"
                  "+0 > S. 500:500(0) ack 1001 <mss 1460>\n"
                  "+.1 < . 1:1(0) ack 1 win 20000\n"
                  "+0 accept(3, ..., ...) = 4\n"
                  "+0 < P. 1:11(10) ack 1 win 20000\n"
                  "+0 > . 1:1(0) ack 11\n");
    fails(LISTEN "+0 < S 1000:1000(0) win 32792 <mss 1000>\n"
                 "+0 > S. 500:500(0) ack 1 <mss 1460>\n",
          5, "ack");
}
END_TEST

START_TEST(flags)
{
    const char *good = OPEN "+0 write(4, ..., 100) = 100\n+0 > P. 1:101(100) ack 1\n";
    const char *no_psh = OPEN "+0 write(4, ..., 100) = 100\n+0 > . 1:101(100) ack 1\n";
    const char *fin = OPEN "+0 write(4, ..., 100) = 100\n+0 > FP. 1:101(100) ack 1\n";
    const char *ece = OPEN "+0 write(4, ..., 100) = 100\n+0 > PE. 1:101(100) ack 1\n";
    passes(good);
    fails(no_psh, 9, "flags");
    fails(fin, 9, "flags");
    fails(ece, 9, "flags");
}
END_TEST

START_TEST(window_only_if_given)
{
    passes(OPEN "+0 < P. 1:11(10) ack 1 win 20000\n+0 > . 1:1(0) ack 11\n");
    fails(OPEN "+0 < P. 1:11(10) ack 1 win 20000\n+0 > . 1:1(0) ack 11 win 7\n", 9, "win");
}
END_TEST

START_TEST(urgent_pointer)
{
    passes(OPEN "+0 send(4, ..., 5, MSG_OOB) = 5\n+0 > PU. 1:6(5) ack 1 urg 5\n");
    fails(OPEN "+0 send(4, ..., 5, MSG_OOB) = 5\n+0 > PU. 1:6(5) ack 1 urg 4\n", 9, "urg");
    fails(OPEN "+0 send(4, ..., 5, MSG_OOB) = 5\n+0 > P. 1:6(5) ack 1\n", 9, "");
}
END_TEST

START_TEST(options)
{
#define SYN_WITH(o)                                                                                \
    LISTEN "+0 < S 0:0(0) win 32792 <mss 1000,nop,wscale 7>\n+0 > S. 0:0(0) ack 1" o "\n"
    passes(SYN_WITH(" <mss 1460,nop,wscale 7>"));
    passes(SYN_WITH(" <...>"));
    fails(SYN_WITH(""), 5, "option");
    fails(SYN_WITH(" <mss 1460>"), 5, "option");
    fails(SYN_WITH(" <mss 1461,nop,wscale 7>"), 5, "option");
    fails(SYN_WITH(" <mss 1460,nop,wscale 6>"), 5, "option");
    fails(SYN_WITH(" <nop,wscale 7,mss 1460>"), 5, "option");
    fails(SYN_WITH(" <mss 1460,wscale 7,nop>"), 5, "option");
    fails(SYN_WITH(" <mss 1460,nop,nop,sackOK,nop,wscale 7>"), 5, "option");
#undef SYN_WITH
}
END_TEST

START_TEST(tos_and_ttl)
{
#define WRITE_WITH(i) OPEN "+0 write(4, ..., 1) = 1\n+0 > " i " P. 1:2(1) ack 1\n"
    passes(WRITE_WITH("(noecn)"));
    passes(WRITE_WITH("[tos 0x0]"));
    passes(WRITE_WITH("[ttl 64]"));
    fails(WRITE_WITH("(ect0)"), 9, "ECN");
    fails(WRITE_WITH("(tos 0x10)"), 9, "TOS");
    fails(WRITE_WITH("[ttl 63]"), 9, "TTL");
#undef WRITE_WITH
}
END_TEST

START_TEST(missing_packet)
{
    fails(OPEN "+0 > . 1:1(0) ack 1\n", 8, "didn't come");
    fails(OPEN "* > . 1:1(0) ack 1\n", 8, "didn't come");
}
END_TEST

START_TEST(unexpected_packet_first)
{
    /* There is no searching ahead. */
    fails(OPEN
          "+0 write(4, ..., 1) = 1\n+.01 < P. 1:11(10) ack 1 win 20000\n+0 > . 2:2(0) ack 11\n",
          10, "");
}
END_TEST

START_TEST(leftovers)
{
    passes(OPEN "+0 write(4, ..., 1) = 1\n");
    fails("--strict_end\n" OPEN "+0 write(4, ..., 1) = 1\n", 0, "end");
    passes("--strict_end\n" OPEN "+0 write(4, ..., 1) = 1\n+0 > P. 1:2(1) ack 1\n");
}
END_TEST

/* ---- joined pieces ---- */

START_TEST(aggregation)
{
    passes(OPEN "+0 write(4, ..., 4000) = 4000\n+0 > P. 1:4001(4000) ack 1\n");
    passes(OPEN "+0 write(4, ..., 3500) = 3500\n+0 > P. 1:3501(3500) ack 1\n");
    passes(OPEN
           "+0 write(4, ..., 4000) = 4000\n+0 > P. 1:2001(2000) ack 1\n+0 > P. 2001:4001(2000) "
           "ack 1\n");
    /* never split */
    fails(OPEN "+0 write(4, ..., 4000) = 4000\n+0 > . 1:1501(1500) ack 1\n", 9, "");
    fails("--strict_segments\n" OPEN "+0 write(4, ..., 4000) = 4000\n+0 > P. 1:4001(4000) ack 1\n",
          10, "");
    passes("--strict_segments\n" OPEN "+0 write(4, ..., 2000) = 2000\n+0 > . 1:1001(1000) ack 1\n"
           "+0 > P. 1001:2001(1000) ack 1\n");
}
END_TEST

START_TEST(aggregation_piece_sizes)
{
    /* 100, 300 and 100 bytes: all but the last must be equally long. */
    fails(OPEN
          "+0 setsockopt(4, IPPROTO_TCP, TCP_NODELAY, [1], 4) = 0\n"
          "+0 write(4, ..., 100) = 100\n+0 write(4, ..., 300) = 300\n+0 write(4, ..., 100) = 100\n"
          "+0 > P. 1:501(500) ack 1\n",
          12, "length");
    /* 500 and 500 do, and so do 500 and 400. */
    passes(
        OPEN
        "+0 setsockopt(4, IPPROTO_TCP, TCP_NODELAY, [1], 4) = 0\n"
        "+0 write(4, ..., 500) = 500\n+0 write(4, ..., 500) = 500\n+0 > P. 1:1001(1000) ack 1\n");
    passes(OPEN
           "+0 setsockopt(4, IPPROTO_TCP, TCP_NODELAY, [1], 4) = 0\n"
           "+0 write(4, ..., 500) = 500\n+0 write(4, ..., 400) = 400\n+0 > P. 1:901(900) ack 1\n");
}
END_TEST

/* ---- time ---- */

START_TEST(too_early_too_late)
{
#define RTO(t)                                                                                     \
    OPEN "+0 write(4, ..., 100) = 100\n+0 > P. 1:101(100) ack 1\n" t " > P. 1:101(100) ack 1\n"
    passes(RTO("+.3"));
    passes(RTO("+.27"));
    passes(RTO("+.33"));
    passes(RTO("*"));
    passes(RTO("+.1~+.4"));
    passes(RTO("0.4"));
    passes(RTO("0.3~0.5"));
    fails(RTO("+.2"), 10, "late");
    fails(RTO("+.4"), 10, "early");
    fails(RTO("+.4~+.5"), 10, "early");
    fails(RTO("+.1~+.2"), 10, "late");
    fails(RTO("0.3"), 10, "late");
    fails("--tolerance_percent=0\n--tolerance_usecs=200\n" RTO("+.29"), 12, "late");
    passes("--tolerance_usecs=50000\n--tolerance_percent=0\n" RTO("+.26"));
#undef RTO
}
END_TEST

START_TEST(burst_keeps_its_pace)
{
    /* The retransmission at 0.4 is expected 9 ms earlier; the packet behind it is late by that
     * much, but the next one is counted from when it was to come, not from when it came. */
#define BURST(t)                                                                                   \
    "--tolerance_usecs=10000\n--tolerance_percent=0\n" OPEN "+0 write(4, ..., 100) = 100\n"        \
    "0.1 > P. 1:101(100) ack 1\n0.391 > P. 1:101(100) ack 1\n"                                     \
    "0.391 < . 1:1(0) ack 101 win 20000\n+.05 < P. 1:11(10) ack 101 win 20000\n" t                 \
    " > . 101:101(0) ack 11\n"
    passes(BURST("0.431"));
    fails(BURST("0.460"), 15, "early");
#undef BURST
}
END_TEST

START_TEST(too_late_for_the_script)
{
    /* What is to happen at 0.39 can't: the packet before it came at 0.4. */
    fails("--tolerance_usecs=10000\n--tolerance_percent=0\n" OPEN "+0 write(4, ..., 100) = 100\n"
          "0.1 > P. 1:101(100) ack 1\n* > P. 1:101(100) ack 1\n0.38 write(4, ..., 1) = 1\n",
          13, "lasted");
}
END_TEST

/* ---- calls ---- */

START_TEST(call_results)
{
    passes(OPEN "+0 write(4, ..., 100) = 100\n");
    fails(OPEN "+0 write(4, ..., 100) = 99\n", 8, "100");
    fails(OPEN "+0 write(4, ..., 100) = -1 EAGAIN (Resource temporarily unavailable)\n", 8, "");
    passes("0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 write(3, ..., 1) = -1 EPIPE (Broken "
           "pipe)\n");
    fails("0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 write(3, ..., 1) = -1 ENOTCONN (no)\n",
          2, "EPIPE");
    fails("0 socket(..., SOCK_STREAM, IPPROTO_TCP) = -1 EINVAL (no)\n", 1, "");
    fails("0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 close(7) = 0\n", 2, "");
}
END_TEST

START_TEST(call_that_would_block)
{
    fails(OPEN "+0 read(4, ..., 100) = 100\n", 8, "block");
    passes(OPEN "+0 fcntl(4, F_SETFL, O_RDWR|O_NONBLOCK) = 0\n"
                "+0 read(4, ..., 100) = -1 EAGAIN (Resource temporarily unavailable)\n");
    passes(OPEN
           "+0 recv(4, ..., 100, MSG_DONTWAIT) = -1 EAGAIN (Resource temporarily unavailable)\n");
}
END_TEST

START_TEST(blocking_call_end)
{
#define READ(end)                                                                                  \
    OPEN "+0..." end                                                                               \
         " read(4, ..., 100) = 10\n+.2 < P. 1:11(10) ack 1 win 20000\n+0 > . 1:1(0) ack 11\n"
    passes(READ("0.2"));
    fails(READ("0.1"), 8, "late");
    fails(READ("0.3"), 8, "early");
    /* the next call waits for it */
    fails(OPEN "+0...0.1 read(4, ..., 100) = 10\n+.1 write(4, ..., 1) = 1\n", 8, "");
    /* so does the end */
    fails(OPEN "+0...0.1 read(4, ..., 100) = 10\n", 8, "");
    /* one that finds data doesn't wait */
    fails(
        OPEN
        "+0 < P. 1:11(10) ack 1 win 20000\n+0 > . 1:1(0) ack 11\n+0...0.2 read(4, ..., 100) = 10\n",
        10, "early");
    /* wrong value at the right time */
    fails(OPEN "+0...0.2 read(4, ..., 100) = 11\n+.2 < P. 1:11(10) ack 1 win 20000\n+0 > . 1:1(0) "
               "ack 11\n",
          8, "10");
#undef READ
}
END_TEST

START_TEST(socket_options)
{
    passes(OPEN "+0 setsockopt(4, IPPROTO_TCP, TCP_NODELAY, [1], 4) = 0\n"
                "+0 getsockopt(4, IPPROTO_TCP, TCP_NODELAY, [1], [4]) = 0\n");
    fails(OPEN "+0 getsockopt(4, IPPROTO_TCP, TCP_NODELAY, [1], [4]) = 0\n", 8, "0");
    fails(OPEN "+0 setsockopt(4, IPPROTO_TCP, 9999, [1], 4) = 0\n", 8, "ENOPROTOOPT");
    passes(OPEN "+0 setsockopt(4, SOL_SOCKET, SO_LINGER, {onoff=1, linger=5}, 8) = 0\n"
                "+0 getsockopt(4, SOL_SOCKET, SO_LINGER, {onoff=1, linger=5}, [8]) = 0\n");
    fails(OPEN "+0 setsockopt(4, SOL_SOCKET, SO_LINGER, {onoff=1, linger=5}, 8) = 0\n"
               "+0 getsockopt(4, SOL_SOCKET, SO_LINGER, {onoff=1, linger=6}, [8]) = 0\n",
          9, "linger");
    fails(OPEN "+0 getsockopt(4, SOL_SOCKET, SO_ERROR, [ECONNREFUSED], [4]) = 0\n", 8, "");
}
END_TEST

START_TEST(ioctl_and_poll)
{
#define GOT OPEN "+0 < P. 1:11(10) ack 1 win 20000\n+0 > . 1:1(0) ack 11\n"
    passes(GOT "+0 ioctl(4, SIOCINQ, [10]) = 0\n");
    fails(GOT "+0 ioctl(4, SIOCINQ, [11]) = 0\n", 10, "10");
    passes(GOT "+0 poll([{fd=4, events=POLLIN|POLLOUT, revents=POLLIN|POLLOUT}], 1, 0) = 1\n");
    fails(GOT "+0 poll([{fd=4, events=POLLIN|POLLOUT, revents=POLLIN}], 1, 0) = 1\n", 10,
          "revents");
    fails(GOT "+0 poll([{fd=4, events=POLLPRI, revents=0}], 1, 0) = 1\n", 10, "");
#undef GOT
}
END_TEST

START_TEST(accept_is_the_child)
{
    fails(LISTEN "+0 < S 0:0(0) win 32792 <mss 1000>\n+0 > S. 0:0(0) ack 1 <mss 1460>\n+0 "
                 "accept(3, ..., ...) = 4\n",
          6, "block");
    passes(LISTEN "+0...0.1 accept(3, ..., ...) = 4\n+0 < S 0:0(0) win 32792 <mss 1000>\n"
                  "+0 > S. 0:0(0) ack 1 <mss 1460>\n+.1 < . 1:1(0) ack 1 win 1000\n");
}
END_TEST

/* ---- code, shell ---- */

START_TEST(code_blocks)
{
    passes(OPEN "+0 %{ assert tcpi_state == TCP_ESTABLISHED, tcpi_state }%\n");
    fails(OPEN "+0 %{ assert tcpi_state == TCP_CLOSE, tcpi_state }%\n", 8, "assert");
    fails(OPEN "+0 write(4, ..., 100) = 100\n+0 %{ assert tcpi_unacked == 2, tcpi_unacked }%\n", 9,
          "");
    passes(OPEN "+0 %{ a = tcpi_snd_cwnd }%\n+0 %{ assert a == 10 }%\n");
    unsupported(OPEN "+0 %{ assert tcpi_no_such_field == 1 }%\n", 8);
    passes(OPEN "+0 setsockopt(4, SOL_SOCKET, SO_RCVBUF, [9000], 4) = 0\n"
                "+0 %{ assert SK_MEMINFO_RCVBUF == 18000, SK_MEMINFO_RCVBUF }%\n");
    fails(OPEN "+0 setsockopt(4, SOL_SOCKET, SO_SNDBUF, [9000], 4) = 0\n"
               "+0 %{ assert SK_MEMINFO_SNDBUF == 9000 }%\n",
          9, "18000");
    unsupported(OPEN "+0 %{ assert SK_MEMINFO_BACKLOG == 0 }%\n", 8);
}
END_TEST

START_TEST(shell_commands)
{
    passes("`sysctl -q net.ipv4.tcp_syn_retries=1`\n" LISTEN);
    passes("`sysctl -q -w net.ipv4.tcp_syn_retries=1 net.ipv4.tcp_retries2=3 && sysctl -q "
           "net.ipv4.tcp_min_tso_segs=4`\n" LISTEN);
    passes("`./common/defaults.sh\n./common/set_sysctls.py "
           "/proc/sys/net/ipv4/tcp_syn_retries=2`\n" LISTEN "`/tmp/sysctl_restore_${PPID}.sh`\n");
    unsupported("`iptables -A INPUT -j DROP`\n" LISTEN, 1);
    unsupported("`sysctl -q net.ipv4.no_such_knob=1`\n" LISTEN, 1);
    unsupported("`sysctl -q net.ipv4.tcp_syn_retries=1; rm -rf /`\n" LISTEN, 1);
    unsupported(LISTEN "+0 `ss -tan | grep LISTEN`\n", 4);
    /* unsupported is decided before anything is run */
    unsupported(LISTEN "+0 bind(3, ..., ...) = 0\n+0 `ss`\n", 5);
    passes(OPEN "+0 `nstat | grep TcpPassiveOpens | grep -q ' 1 '`\n");
    fails(OPEN "+0 `nstat | grep -q TcpActiveOpens`\n", 8, "shell command");
}
END_TEST

START_TEST(knobs_take_effect)
{
    passes("`sysctl -q net.ipv4.tcp_syn_linear_timeouts=0 net.ipv4.tcp_syn_retries=1`\n"
           "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n"
           "+0...3 connect(3, ..., ...) = -1 ETIMEDOUT (Connection timed out)\n"
           "+0 > S 0:0(0) <...>\n+1 > S 0:0(0) <...>\n");
    fails("`sysctl -q net.ipv4.tcp_syn_linear_timeouts=0 net.ipv4.tcp_syn_retries=2`\n"
          "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n"
          "+0...3 connect(3, ..., ...) = -1 ETIMEDOUT (Connection timed out)\n"
          "+0 > S 0:0(0) <...>\n+1 > S 0:0(0) <...>\n",
          3, "");
    /* the common init script scales by 8 */
    passes("`./defaults.sh`\n" LISTEN "+0 < S 0:0(0) win 32792 <mss 1000,nop,wscale 7>\n"
           "+0 > S. 0:0(0) ack 1 <mss 1460,nop,wscale 8>\n");
}
END_TEST

/* ---- UDP and ICMP ---- */

START_TEST(udp)
{
#define UDP "0 socket(..., SOCK_DGRAM, IPPROTO_UDP) = 3\n+0 bind(3, ..., ...) = 0\n+0 < udp (100)\n"
    passes(UDP "+0 read(3, ..., 1000) = 100\n");
    fails(UDP "+0 read(3, ..., 1000) = 101\n", 4, "100");
    passes(UDP "+0 sendto(3, ..., 30, 0, ..., ...) = 30\n+0 > udp (30)\n");
    fails(UDP "+0 sendto(3, ..., 30, 0, ..., ...) = 30\n+0 > udp (31)\n", 5, "");
    fails(UDP "+0 sendto(3, ..., 30, 0, ..., ...) = 30\n+0 > . 1:31(30) ack 1\n", 5, "");
#undef UDP
}
END_TEST

START_TEST(control_messages)
{
#define TTL(v)                                                                                     \
    "0 socket(..., SOCK_DGRAM, IPPROTO_UDP) = 3\n+0 bind(3, ..., ...) = 0\n"                       \
    "+0 setsockopt(3, IPPROTO_IP, IP_RECVTTL, [1], 4) = 0\n+0 < [ttl 44] udp (10)\n"               \
    "+0 recvmsg(3, {msg_name(...)=..., msg_iov(1)=[{..., 60}], msg_flags=0, msg_control=" v        \
    "}, 0) = 10\n"
#define IS(v) "{cmsg_level=IPPROTO_IP, cmsg_type=IP_TTL, cmsg_data=" v "}"
    passes(TTL("[" IS("44") "]"));
    passes(TTL("[...]"));
    fails(TTL("[" IS("43") "]"), 5, "data 44");
    fails(TTL("[" IS("44") "," IS("44") "]"), 5, "gave 1 control");
    fails(TTL("[]"), 5, "more control");
#undef IS
#undef TTL
}
END_TEST

START_TEST(icmp)
{
    passes("0 < udp (100)\n+0 > icmp unreachable port_unreachable\n");
    fails("0 < udp (100)\n+0 > icmp unreachable host_unreachable\n", 2, "code");
    fails("0 < udp (100)\n+0 > icmp time_exceeded\n", 2, "type");
    passes(OPEN "+0 write(4, ..., 1000) = 1000\n+0 > P. 1:1001(1000) ack 1\n"
                "+.01 < icmp unreachable frag_needed mtu 640 [1:1001(1000)]\n"
                "+0 > P. 1:1001(1000) ack 1\n");
    /* not in flight: ignored (RFC 5927) */
    fails(OPEN "+0 write(4, ..., 1000) = 1000\n+0 > P. 1:1001(1000) ack 1\n"
               "+.01 < icmp unreachable frag_needed mtu 640 [100001:101001(1000)]\n"
               "+0 > P. 1:1001(1000) ack 1\n",
          11, "late");
}
END_TEST

/* ---- options of the run ---- */

/* Without a quotation an error is about the connection's first segment. */
START_TEST(icmp_about_the_syn)
{
    static const char script[] = "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n"
                                 "+0...0.1 connect(3, ..., ...) = -1 ECONNREFUSED (refused)\n"
                                 "+0 > S 0:0(0) <...>\n"
                                 "+.1 < icmp unreachable port_unreachable%s\n";
    char text[400];
    snprintf(text, sizeof text, script, "");
    passes(text);
    snprintf(text, sizeof text, script, " [0:0(0)]");
    passes(text);
    snprintf(text, sizeof text, script, " [70000:70000(0)]");
    fails(text, 2, "");
}
END_TEST

/* A blocking call that opens with text on the SYN ends with the handshake, well or badly. */
START_TEST(blocking_fast_open)
{
    static const char script[] = "`./defaults.sh\nsysctl -q net.ipv4.tcp_fastopen=5`\n"
                                 "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n"
                                 "+0...%s sendto(3, ..., 100, MSG_FASTOPEN, ..., ...) = %s\n"
                                 "+0 > S 0:100(100) <mss 1460,sackOK,TS val 1 ecr 0,nop,wscale 8>\n"
                                 "+.05 < %s\n";
    static const char good[] = "S. 0:0(0) ack 101 win 5000 <mss 1000>";
    char text[600];
    snprintf(text, sizeof text, script, "0.05", "100", good);
    passes(text);
    snprintf(text, sizeof text, script, "0", "100", good);
    fails(text, 4, "");
    snprintf(text, sizeof text, script, "0.05", "-1 ECONNREFUSED (refused)",
             "R. 0:0(0) ack 1 win 0");
    passes(text);
}
END_TEST

/* Bytes may be written as \xHH. */
START_TEST(bytes_in_strings)
{
    passes(LISTEN "+0 setsockopt(3, SOL_TCP, TCP_CONGESTION, \"\\x72\\x65\\x6e\\x6f\", 4) = 0\n"
                  "+0 getsockopt(3, SOL_TCP, TCP_CONGESTION, \"reno\", [16]) = 0\n");
    passes(LISTEN
           "+0 setsockopt(3, SOL_TCP, TCP_CONGESTION, \"\\xff\\x00\", 2) = -1 ENOENT (no)\n");
}
END_TEST

/* Without ACK a timestamp echoes nothing (RFC 7323 3.2): what a script writes there isn't compared.
 */
START_TEST(echo_of_nothing)
{
    passes("`./defaults.sh`\n0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n"
           "+0...0 connect(3, ..., ...) = 0\n"
           "+0 > S 0:0(0) <mss 1460,sackOK,TS val 1 ecr 777,nop,wscale 8>\n"
           "+0 < S. 0:0(0) ack 1 win 1000 <mss 1460,TS val 5 ecr 1,nop,nop>\n"
           "+0 > . 1:1(0) ack 1 <nop,nop,TS val 2 ecr 5>\n");
    fails("`./defaults.sh`\n0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n"
          "+0...0 connect(3, ..., ...) = 0\n"
          "+0 > S 0:0(0) <mss 1460,sackOK,TS val 1 ecr 0,nop,wscale 8>\n"
          "+0 < S. 0:0(0) ack 1 win 1000 <mss 1460,TS val 5 ecr 1,nop,nop>\n"
          "+0 > . 1:1(0) ack 1 <nop,nop,TS val 2 ecr 6>\n",
          6, "ecr");
}
END_TEST

/* NULL where a buffer is expected. */
START_TEST(null_buffers)
{
    passes(OPEN "+0 write(4, NULL, 10) = -1 EFAULT (Bad address)\n"
                "+0 write(4, 0, 10) = -1 EFAULT (Bad address)\n"
                "+0 write(4, NULL, 0) = 0\n");
}
END_TEST

START_TEST(addresses_and_ports)
{
    passes("--local_ip=10.1.0.5\n--remote_ip=10.1.0.9\n--bind_port=80\n" OPEN);
    passes("--remote_ip=203.0.113.7\n" OPEN);
    passes("--profile=rfc\n" OPEN);
    passes("--gateway_ip=192.168.0.1\n--local_ip=192.168.0.1\n--remote_ip=192.0.2.1\n" OPEN);
    passes("--mtu=1400\n" LISTEN
           "+0 < S 0:0(0) win 32792 <mss 1460>\n+0 > S. 0:0(0) ack 1 <mss 1360>\n");
    passes("--connect_port=443\n0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n"
           "+0 fcntl(3, F_SETFL, O_RDWR|O_NONBLOCK) = 0\n"
           "+0 connect(3, ..., ...) = -1 EINPROGRESS (Operation now in progress)\n+0 > S 0:0(0) "
           "<...>\n"
           "+0 < S. 0:0(0) ack 1 win 1000 <mss 1000>\n+0 > . 1:1(0) ack 1\n");
    passes(LISTEN "+0 < 5000 > 8080 S 0:0(0) win 32792 <mss 1000>\n+0 > 8080 > 5000 S. 0:0(0) ack "
                  "1 <mss 1460>\n");
    fails(LISTEN "+0 < 5000 > 8080 S 0:0(0) win 32792 <mss 1000>\n+0 > 8080 > 5001 S. 0:0(0) ack 1 "
                 "<mss 1460>\n",
          5, "");
}
END_TEST

/* A stream that is connected passes over the address of sendto(), and so does the script's notion
 * of who its packets go to. */
START_TEST(address_of_a_connected_stream)
{
    passes(OPEN "+0 sendto(4, ..., 10, 0, ..., ...) = 10\n+0 > P. 1:11(10) ack 1\n"
                "+0 < . 1:1(0) ack 11 win 1000\n");
    fails(OPEN "+0 sendto(4, ..., 10, 0, ..., ...) = 10\n+0 > P. 1:12(11) ack 1\n", 9, "length");
    passes("0 socket(..., SOCK_DGRAM, IPPROTO_UDP) = 3\n+0 bind(3, ..., ...) = 0\n"
           "+0 connect(3, ..., ...) = 0\n"
           "+0 sendto(3, ..., 5, 0, {sa_family=AF_INET, sin_port=htons(53), "
           "sin_addr=inet_addr(\"192.0.2.9\")}, 16) = 5\n+0 > udp 8080 > 53 (5)\n");
}
END_TEST

START_TEST(empty_list_of_control_messages)
{
    passes(OPEN "+0 sendmsg(4, {msg_name(...)=..., msg_iov(1)=[{..., 9}], msg_flags=0, "
                "msg_control=[]}, 0) = 9\n+0 > P. 1:10(9) ack 1\n");
    unsupported(OPEN "+0 sendmsg(4, {msg_name(...)=..., msg_iov(1)=[{..., 9}], msg_flags=0, "
                     "msg_control=[{cmsg_level=SOL_SOCKET, cmsg_type=SO_TIMESTAMPING, "
                     "cmsg_data=1}]}, 0) = 9\n",
                8);
}
END_TEST

/* Linux has it and the script relies on it, but not the stack. That it isn't there can be shown. */
START_TEST(options_the_stack_lacks)
{
    unsupported(OPEN "+0 setsockopt(4, SOL_SOCKET, SO_TIMESTAMPING, [1], 4) = 0\n", 8);
    unsupported(OPEN "+0 getsockopt(4, SOL_TCP, TCP_REPAIR, [0], [4]) = 0\n", 8);
    passes(OPEN "+0 setsockopt(4, SOL_TCP, 9999, [1], 4) = -1 ENOPROTOOPT (Protocol not "
                "available)\n");
    fails(OPEN "+0 setsockopt(4, SOL_TCP, 9999, [1], 4) = 0\n", 8, "ENOPROTOOPT");
}
END_TEST

/* The router stays where it was when a script moves our address away from it. */
START_TEST(gateway_off_the_link)
{
    passes("--local_ip=10.0.0.1/8\n" OPEN);
    passes("--local_ip=172.16.0.1\n--remote_ip=198.51.100.7\n" OPEN);
}
END_TEST

START_TEST(non_fatal)
{
    /* Told, but the script goes on. */
    passes("--non_fatal=packet\n" OPEN "+0 write(4, ..., 1) = 1\n+0 > . 1:2(1) ack 1\n");
    passes("--non_fatal=syscall\n" OPEN "+0 write(4, ..., 1) = 2\n");
    fails("--non_fatal=syscall\n" OPEN "+0 write(4, ..., 1) = 1\n+0 > . 1:2(1) ack 1\n", 10,
          "flags");
}
END_TEST

START_TEST(same_again)
{
    const char *s = OPEN
        "+0 write(4, ..., 3000) = 3000\n+0 > P. 1:3001(3000) ack 1\n+.5 > P. 1:3001(3000) ack 2\n";
    char first[4096];
    report(s, first, sizeof first);
    for (int i = 0; i < 3; i++) {
        char again[4096];
        report(s, again, sizeof again);
        ck_assert_str_eq(first, again);
    }
}
END_TEST

START_TEST(report_has_both_and_why)
{
    char text[8192];
    report(OPEN "+0 write(4, ..., 100) = 100\n+0 > . 1:101(100) ack 1\n", text, sizeof text);
    ck_assert_ptr_nonnull(strstr(text, "> . 1:101(100) ack 1"));
    ck_assert_ptr_nonnull(strstr(text, "P. 1:101(100) ack 1"));
    ck_assert_ptr_nonnull(strstr(text, "tcp-state"));
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("drill run");
    TCase *c = tcase_create("scripts");
    tcase_add_test(c, handshake);
    tcase_add_test(c, sequence_numbers);
    tcase_add_test(c, isn_of_the_script);
    tcase_add_test(c, flags);
    tcase_add_test(c, window_only_if_given);
    tcase_add_test(c, urgent_pointer);
    tcase_add_test(c, options);
    tcase_add_test(c, tos_and_ttl);
    tcase_add_test(c, missing_packet);
    tcase_add_test(c, unexpected_packet_first);
    tcase_add_test(c, leftovers);
    tcase_add_test(c, aggregation);
    tcase_add_test(c, aggregation_piece_sizes);
    tcase_add_test(c, too_early_too_late);
    tcase_add_test(c, burst_keeps_its_pace);
    tcase_add_test(c, too_late_for_the_script);
    tcase_add_test(c, call_results);
    tcase_add_test(c, call_that_would_block);
    tcase_add_test(c, blocking_call_end);
    tcase_add_test(c, socket_options);
    tcase_add_test(c, ioctl_and_poll);
    tcase_add_test(c, accept_is_the_child);
    tcase_add_test(c, code_blocks);
    tcase_add_test(c, shell_commands);
    tcase_add_test(c, knobs_take_effect);
    tcase_add_test(c, udp);
    tcase_add_test(c, control_messages);
    tcase_add_test(c, icmp);
    tcase_add_test(c, icmp_about_the_syn);
    tcase_add_test(c, blocking_fast_open);
    tcase_add_test(c, bytes_in_strings);
    tcase_add_test(c, null_buffers);
    tcase_add_test(c, echo_of_nothing);
    tcase_add_test(c, addresses_and_ports);
    tcase_add_test(c, address_of_a_connected_stream);
    tcase_add_test(c, empty_list_of_control_messages);
    tcase_add_test(c, options_the_stack_lacks);
    tcase_add_test(c, gateway_off_the_link);
    tcase_add_test(c, non_fatal);
    tcase_add_test(c, same_again);
    tcase_add_test(c, report_has_both_and_why);
    suite_add_tcase(s, c);
    return s;
}

CHECK_MAIN(suite)

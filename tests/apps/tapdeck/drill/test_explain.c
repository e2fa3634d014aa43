/* tests of apps/tapdeck/drill/explain.c: scripts as prose. */
#include "check_main.h"

#include <stdio.h>
#include <string.h>

#include "tapdeck/drill/drill.h"

static struct text prose;

/* The whole script's. */
static const char *explain(const char *text)
{
    struct drill_script *s;
    struct drill_error err;
    enum drill_verdict v = drill_parse("t.pkt", text, strlen(text), NULL, &s, &err);
    if (v != DRILL_PASSED && v != DRILL_UNSUPPORTED)
        ck_abort_msg("%s: %u:%u: %s", text, err.line, err.col, err.text);
    text_consume(&prose, prose.len);
    drill_explain(&prose, s);
    drill_free(s);
    return prose.s;
}

/* The first event's sentence, at time 0. */
static void tells(const char *event, const char *sentence)
{
    char script[500], line[500];
    snprintf(script, sizeof(script), "0 %s", event);
    snprintf(line, sizeof(line), "    1  At 0 s %s.\n", sentence);
    ck_assert_str_eq(explain(script), line);
}

START_TEST(times)
{
    ck_assert_str_eq(explain("`sysctl a=1`\n"
                             "0 close(3) = 0\n"
                             "+0 close(3) = 0\n"
                             "+.25 close(3) = 0\n"
                             "1.5 close(3) = 0\n"
                             "* > R 1:1(0)\n"
                             "+.9~+1.1 > R 1:1(0)\n"
                             "3~4 > R 1:1(0)\n"
                             "`sysctl a=2\n   sysctl b=3`\n"),
                     "    1  Before the script a command is run: sysctl a=1.\n"
                     "    2  At 0 s the application closes 3.\n"
                     "    3  At once the application closes 3.\n"
                     "    4  0.25 s later the application closes 3.\n"
                     "    5  At 1.5 s the application closes 3.\n"
                     "    6  At some time the stack must send a reset: sequence number 1.\n"
                     "    7  Between 0.9 s and 1.1 s later the stack must send a reset: sequence "
                     "number 1.\n"
                     "    8  Between 3 s and 4 s the stack must send a reset: sequence number 1.\n"
                     "    9  After the script a command is run: sysctl a=2; sysctl b=3.\n");
}
END_TEST

START_TEST(segments)
{
    tells("< S 0:0(0) win 1000 <mss 1000,sackOK,nop,nop,nop,wscale 7>",
          "the peer sends a SYN: sequence number 0, window field 1000; TCP options: segments of at "
          "most 1000 bytes (MSS), SACK permitted, windows count in units of 2^7 bytes");
    tells("> S. 0:0(0) ack 1 <...>", "the stack must send a SYN-ACK: sequence number 0, "
                                     "acknowledging all before 1; whatever TCP options it has");
    tells("> P. 1:1001(1000) ack 5",
          "the stack must send data: 1000 bytes, sequence numbers 1 to 1000, acknowledging all "
          "before 5, pushed (PSH)");
    tells("> F. 1:2(1) ack 5", "the stack must send a FIN: 1 byte, sequence numbers 1 to 1, "
                               "acknowledging all before 5");
    tells("< (ce) E. 1:1(0) ack 1 win 5 <nop,nop,sack 7:9 3:5>",
          "the peer sends a pure acknowledgment: sequence number 1, acknowledging all before 1, "
          "window field 5, flag ECE; TCP options: SACK, also here: 7 up to 9 and 3 up to 5; in IP: "
          "marked: congestion experienced");
    tells("< 5 > 6 R 1:1(0) win 0",
          "the peer sends a reset: sequence number 1, window field 0; from port 5 to port 6");
}
END_TEST

START_TEST(other_packets)
{
    tells("> udp (1)", "the stack must send a UDP datagram of 1 byte");
    tells(
        "< icmp unreachable frag_needed mtu 1300 [7:8(1)]",
        "the peer sends an ICMP message (unreachable frag_needed) that says the next link carries "
        "1300 bytes, about the segment with sequence number 7");
    tells("< icmp echo_request id 5 [raw (8)]",
          "the peer sends an ICMP message (echo_request), identifier 5, with 8 bytes");
}
END_TEST

START_TEST(calls)
{
    tells("socket(..., SOCK_STREAM, IPPROTO_TCP) = 3",
          "the application opens a TCP socket; the script calls it 3");
    tells("socket(..., SOCK_DGRAM, IPPROTO_UDP) = 3",
          "the application opens a UDP socket; the script calls it 3");
    tells("bind(3, ..., ...) = 0", "the application binds socket 3 to its address and port");
    tells("listen(3, 5) = 0",
          "the application waits for connections on socket 3, with a queue for 5");
    tells("accept(3, ..., ...) = 4",
          "the application takes a connection from socket 3; the script calls it 4");
    tells("connect(3, ..., ...) = -1 EINPROGRESS (Operation now in progress)",
          "the application connects socket 3 to the peer, which must fail with EINPROGRESS "
          "(Operation "
          "now in progress)");
    tells("...0.3 read(4, ..., 1000) = 500",
          "the application reads up to 1000 bytes from socket 4, and 500 bytes must pass; it must "
          "wait, and return at 0.3 s");
    tells("read(4, ..., 1000) = 0",
          "the application reads up to 1000 bytes from socket 4, and is told "
          "that no more will come");
    tells("recvmsg(4, {msg_name(...)=..., msg_iov(1)=[{..., 9}], msg_flags=0}, MSG_PEEK) = 9",
          "the application reads from socket 4, with MSG_PEEK, and 9 bytes must pass");
    tells("write(4, ..., 1) = 1",
          "the application writes 1 byte to socket 4, and 1 byte must pass");
    tells("send(4, ..., 9, MSG_MORE) = 9",
          "the application writes 9 bytes to socket 4, with MSG_MORE, and 9 bytes must pass");
    tells("shutdown(4, SHUT_WR) = 0", "the application ends sending on socket 4");
    tells("setsockopt(3, SOL_SOCKET, SO_REUSEADDR, [1], 4) = 0",
          "the application sets SO_REUSEADDR of socket 3 to 1");
    tells("getsockopt(3, SOL_SOCKET, SO_ERROR, [ECONNREFUSED], [4]) = 0",
          "the application asks socket 3 for SO_ERROR, which must be ECONNREFUSED");
    tells("fcntl(3, F_SETFL, O_RDWR|O_NONBLOCK) = 0",
          "the application makes socket 3 non-blocking");
    tells("fcntl(3, F_GETFL) = 0x802",
          "the application calls fcntl(3, F_GETFL), which must give 0x802");
    tells("poll([{fd=4, events=POLLIN, revents=0}], 1, 5) = 0",
          "the application calls poll([{fd=4, events=POLLIN, revents=0}], 1, 5)");
    /* Not to be run, but to be read. */
    tells("pipe([5, 6]) = 0", "the application calls pipe([5, 6])");
    /* Too few arguments are the runner's to refuse. */
    tells("read() = 5", "the application reads from socket ?, and 5 bytes must pass");
    tells("shutdown() = 0", "the application ends something on socket ?");
}
END_TEST

START_TEST(code)
{
    tells("%{ assert tcpi_state == 1 }%", "the connection is looked at: assert tcpi_state == 1");
    tells("%{\n  a = 1\n\n  b = 2\n}%", "the connection is looked at: a = 1; b = 2");
    tells("`sysctl -q x=1`", "a command is run: sysctl -q x=1");
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("drill --explain");
    TCase *t = tcase_create("prose");
    tcase_add_test(t, times);
    tcase_add_test(t, segments);
    tcase_add_test(t, other_packets);
    tcase_add_test(t, calls);
    tcase_add_test(t, code);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite)

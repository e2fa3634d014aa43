/* replay/quiz*.c: what is taken for the same answer, what is asked and hidden, and tables of marks.
 * The captures are pcaps/. */
#include "check_main.h"
#include "common/control.h"
#include "replay/quiz.h"

#include <stdlib.h>
#include <string.h>

static char msg[512];

static struct capture_reader *open_file(void *ctx, char *m, size_t m_size)
{
    return capture_open(ctx, m, m_size);
}

static int make(struct quiz *q, const char *name, const char *fields, const char *seed,
                const char *play, unsigned count)
{
    static char path[256];
    struct quiz_options o = {.file = path, .flow = -1, .seed = seed, .count = count, .play = play};
    char list[256], *rest = list, *word;
    (void)snprintf(path, sizeof(path), "pcaps/%s/%s.pcapng", name, name);
    (void)snprintf(list, sizeof(list), "%s", fields);
    while ((word = strsep(&rest, ",")) != NULL) {
        ck_assert_int_ne(quiz_field(word), QUIZ_FIELDS);
        o.fields |= QUIZ_BIT(quiz_field(word));
    }
    return quiz_make(q, &o, open_file, path, msg, sizeof(msg));
}

/* ---- an answer ---- */

static const struct {
    uint8_t form;
    const char *key, *answer;
    enum quiz_mark mark;
} answers[] = {
    {FORM_NUMBER, "1501", "1501", ANSWER_RIGHT},
    {FORM_NUMBER, "1501", "  1,501 bytes ", ANSWER_RIGHT},
    {FORM_NUMBER, "1501", "1,501 bytes", ANSWER_RIGHT},
    {FORM_NUMBER, "1501", "1_501", ANSWER_RIGHT},
    {FORM_NUMBER, "1501", "1502", ANSWER_WRONG},
    {FORM_NUMBER, "1501", "1501x", ANSWER_MALFORMED},
    {FORM_NUMBER, "1501", "-1501", ANSWER_MALFORMED},
    {FORM_NUMBER, "1501", "1501.0", ANSWER_MALFORMED},
    {FORM_NUMBER, "1501", "99999999999999999999", ANSWER_MALFORMED},
    {FORM_NUMBER, "1501", "none", ANSWER_WRONG},
    {FORM_NUMBER, "4294967295", "4 294 967 295", ANSWER_RIGHT},
    {FORM_TIME, "300.000 ms", "0.3 s", ANSWER_RIGHT},
    {FORM_TIME, "300.000 ms", "300ms", ANSWER_RIGHT},
    {FORM_TIME, "300.000 ms", "306 ms", ANSWER_RIGHT},
    {FORM_TIME, "300.000 ms", "307 ms", ANSWER_WRONG},
    {FORM_TIME, "300.000 ms", "300000 us", ANSWER_RIGHT},
    {FORM_TIME, "300.000 ms", "300", ANSWER_MALFORMED},
    {FORM_TIME, "none", "None", ANSWER_RIGHT},
    {FORM_TIME, "300.000 ms", "none", ANSWER_WRONG},
    {FORM_FLAGS, "SYN,ACK", "SA", ANSWER_RIGHT},
    {FORM_FLAGS, "SYN,ACK", "ack|syn", ANSWER_RIGHT},
    {FORM_FLAGS, "SYN,ACK", "S.", ANSWER_RIGHT},
    {FORM_FLAGS, "SYN,ACK", "SYN-ACK", ANSWER_RIGHT},
    {FORM_FLAGS, "SYN,ACK", "[SYN, ACK]", ANSWER_RIGHT},
    {FORM_FLAGS, "SYN,ACK", "SYN", ANSWER_WRONG},
    {FORM_FLAGS, "ACK", "PA", ANSWER_RIGHT},
    {FORM_FLAGS, "ACK", "xyz", ANSWER_MALFORMED},
    {FORM_FLAGS, "FIN,ACK", "FINACK", ANSWER_RIGHT},
    {FORM_FLAGS, "FIN,ACK", "FIN,RST,ACK", ANSWER_WRONG},
    {FORM_STATE, "FIN-WAIT-1", "fin_wait1", ANSWER_RIGHT},
    {FORM_STATE, "FIN-WAIT-1", "FIN_WAIT_2", ANSWER_WRONG},
    {FORM_STATE, "SYN-RECEIVED", "SYN_RECV", ANSWER_RIGHT},
    {FORM_STATE, "SYN-RECEIVED", "syn-rcvd", ANSWER_RIGHT},
    {FORM_STATE, "ESTABLISHED", "ESTAB", ANSWER_RIGHT},
    {FORM_STATE, "CLOSED", "open", ANSWER_MALFORMED},
    {FORM_WORD, "dup-ack", "duplicate ACK", ANSWER_RIGHT},
    {FORM_WORD, "rto", "timeout", ANSWER_RIGHT},
    {FORM_WORD, "fast-retransmit", "fast", ANSWER_RIGHT},
    {FORM_WORD, "rto", "fast", ANSWER_WRONG},
    {FORM_WORD, "rto", "dunno", ANSWER_MALFORMED},
    {FORM_ADDRESS, "10.0.0.1", "10.0.0.1", ANSWER_RIGHT},
    {FORM_ADDRESS, "10.0.0.1", "10.0.0.2", ANSWER_WRONG},
    {FORM_ADDRESS, "10.0.0.1", "10.0.0.256", ANSWER_MALFORMED},
    {FORM_ADDRESS, "10.0.0.1", "10.0.0.1.1", ANSWER_MALFORMED},
};

START_TEST(what_is_the_same)
{
    struct question q = {.form = answers[_i].form, .tolerance = 6000000, .ignore = TCP_PSH};
    const char *said;
    question_accept(&q, "%s", answers[_i].key);
    ck_assert_msg(quiz_mark(&q, answers[_i].answer, &said) == answers[_i].mark, "%s for %s: not %d",
                  answers[_i].answer, answers[_i].key, answers[_i].mark);
    ck_assert_int_eq(*said == '\0', answers[_i].mark == ANSWER_RIGHT);
}
END_TEST

START_TEST(what_is_wrong_with_it)
{
    struct question q = {.form = FORM_NUMBER, .field = QUIZ_ACK};
    const char *said;
    question_accept(&q, "501");
    question_wrong(&q, "the segment's own", "1");
    question_wrong(&q, "not wrong at all", "501");
    question_wrong(&q, "said twice", "1");
    ck_assert_uint_eq(q.nwrong, 1);
    ck_assert_int_eq(quiz_mark(&q, "1", &said), ANSWER_WRONG);
    ck_assert_str_eq(said, "the segment's own");
    ck_assert_int_eq(quiz_mark(&q, "77", &said), ANSWER_WRONG);
    ck_assert_str_eq(said, quiz_fields[QUIZ_ACK].hint);
    question_accept(&q, "%u", 501u + 4294967000u); /* on the wire, where it has wrapped: as 205 */
    ck_assert_int_eq(quiz_mark(&q, "205", &said), ANSWER_RIGHT);
    ck_assert_int_eq(quiz_mark(&q, "4294967001", &said), ANSWER_WRONG);
    ck_assert_str_eq(said, "the segment's own");
}
END_TEST

/* ---- what is asked ---- */

START_TEST(cells_are_hidden)
{
    struct quiz q;
    struct text sheet = {0};
    ck_assert_msg(make(&q, "half-close", "tcp.ack", "1", NULL, 20) == EXIT_DONE, "%s", msg);
    quiz_sheet(&q, &sheet);
    ck_assert_uint_ge(q.nq, 4);
    for (unsigned i = 0; i < q.nq; i++) {
        const struct quiz_row *asked = &q.row[q.q[i].row];
        ck_assert_uint_eq(asked->asked[COL_ACK], i + 1);
        for (size_t k = q.q[i].row + 1; k < q.nrows;
             k++) /* later rows with the same number are hidden too */
            if (q.row[k].r.side == asked->r.side && q.row[k].r.ack == asked->r.ack)
                ck_assert(q.row[k].hidden & COL_BIT(COL_ACK));
    }
    ck_assert_ptr_nonnull(strstr(sheet.s, " ?1 "));
    ck_assert_ptr_null(strstr(
        sheet.s, " 902 ")); /* that of packet 12, which acknowledges the FIN: it is nowhere else */
    text_free(&sheet);
    quiz_done(&q);
}
END_TEST

START_TEST(played_values)
{
    struct quiz q;
    unsigned cwnd = 0, rto = 0;
    ck_assert_msg(make(&q, "rto-backoff", "cwnd,ssthresh,rto", "1", "server", 20) == EXIT_DONE,
                  "%s", msg);
    ck_assert_int_eq(q.played, 1);
    ck_assert_uint_eq(q.differs, 0);
    for (unsigned i = 0; i < q.nq; i++) {
        const struct question *x = &q.q[i];
        if (x->field == QUIZ_CWND && x->packet == 5) {
            cwnd++;
            ck_assert_str_eq(x->accepted[0], "1");
        }
        if (x->field == QUIZ_SSTHRESH && x->packet == 5)
            ck_assert_str_eq(x->accepted[0], "7"); /* 0.7 of 10 */
        if (x->field == QUIZ_RTO) {                /* SRTT 100 ms, and 200 ms at least; doubled */
            static const char *const at[] = {[4] = "300.000 ms",
                                             [5] = "600.000 ms",
                                             [6] = "1200.000 ms",
                                             [7] = "2400.000 ms",
                                             [8] = "4800.000 ms"};
            rto++;
            if (x->packet < 9)
                ck_assert_str_eq(x->accepted[0], at[x->packet]);
        }
    }
    ck_assert_uint_eq(cwnd, 1);
    ck_assert_uint_ge(rto, 2);
    quiz_done(&q);
}
END_TEST

START_TEST(seeds)
{
    struct quiz a, b, c;
    struct text key[3] = {{0}};
    static const char all[] = "tcp.seq,tcp.ack,tcp.flags,tcp.len,state,in_flight,rtt,mark,next";
    ck_assert_int_eq(make(&a, "fast-retransmit", all, "x", NULL, 8), EXIT_DONE);
    ck_assert_int_eq(make(&b, "fast-retransmit", all, "x", NULL, 8), EXIT_DONE);
    ck_assert_int_eq(make(&c, "fast-retransmit", all, "y", NULL, 8), EXIT_DONE);
    quiz_key_json(&a, &key[0]);
    quiz_key_json(&b, &key[1]);
    quiz_key_json(&c, &key[2]);
    ck_assert_str_eq(key[0].s, key[1].s);
    ck_assert_str_ne(key[0].s, key[2].s);
    ck_assert_str_ne(a.id, c.id);
    for (int i = 0; i < 3; i++)
        text_free(&key[i]);
    quiz_done(&a);
    quiz_done(&b);
    quiz_done(&c);
}
END_TEST

/* ---- the key as a file, papers, the table ---- */

static void put_file(const char *path, const char *s)
{
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    (void)fputs(s, f);
    (void)fclose(f);
}

START_TEST(keys_and_papers)
{
    struct quiz q;
    struct quiz_key k;
    struct quiz_paper p;
    struct text key = {0}, answers_file = {0}, csv = {0};
    char dir[] = "/tmp/quizXXXXXX", path[64], paper[64];
    ck_assert_ptr_nonnull(mkdtemp(dir));
    (void)snprintf(path, sizeof(path), "%s/key", dir);
    (void)snprintf(paper, sizeof(paper), "%s/@x.ans", dir);
    ck_assert_int_eq(make(&q, "fast-retransmit", "tcp.ack,mark,rtt", "1", NULL, 5), EXIT_DONE);
    quiz_key_json(&q, &key);
    put_file(path, key.s);
    ck_assert_msg(quiz_key_read(&k, path, msg, sizeof(msg)) == EXIT_DONE, "%s", msg);
    ck_assert_uint_eq(k.nq, q.nq);
    ck_assert_str_eq(k.id, q.id);
    for (unsigned i = 0; i < k.nq; i++) {
        ck_assert_str_eq(k.q[i].explanation, q.q[i].explanation);
        ck_assert_uint_eq(k.q[i].tolerance, q.q[i].tolerance);
        ck_assert_uint_eq(k.q[i].nwrong, q.q[i].nwrong);
        if (i != 1)
            text_printf(&answers_file, "%u = %s\r\n", i + 1, q.q[i].accepted[0]);
    }
    put_file(paper, answers_file.s);
    ck_assert_msg(paper_mark(&p, paper, &k, msg, sizeof(msg)), "%s", msg);
    ck_assert_uint_eq(p.right, q.nq - 1);
    ck_assert_uint_eq(p.nerrors, 0);
    ck_assert_int_eq(p.a[1].mark, ANSWER_NONE);
    ck_assert_str_eq(p.student, "@x"); /* its file's */
    papers_csv(&p, 1, &csv);
    ck_assert_ptr_nonnull(strstr(csv.s, "\r\n\"'@x\","));
    ck_assert_ptr_nonnull(strstr(csv.s, ",1,,1,1,1\r\n"));
    paper_done(&p);
    put_file(paper, "1: ack\nquiz: 00000000\n");
    ck_assert(!paper_mark(&p, paper, &k, msg, sizeof(msg)));
    ck_assert_ptr_nonnull(strstr(msg, "answers to quiz 00000000"));
    quiz_key_done(&k);
    put_file(path, "{\"tapdeck_quiz_key\": \"1\", \"quiz\": \"x\", \"seed\": \"1\", \"questions\": "
                   "[{\"question\": 1}]}");
    ck_assert_int_eq(quiz_key_read(&k, path, msg, sizeof(msg)), EXIT_USAGE);
    ck_assert_ptr_nonnull(strstr(msg, "question 1 of this key"));
    (void)remove(path);
    (void)remove(paper);
    (void)remove(dir);
    text_free(&key);
    text_free(&answers_file);
    text_free(&csv);
    quiz_done(&q);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("replay quiz");
    TCase *tc = tcase_create("quiz");
    tcase_add_loop_test(tc, what_is_the_same, 0, (int)(sizeof(answers) / sizeof(*answers)));
    tcase_add_test(tc, what_is_wrong_with_it);
    tcase_add_test(tc, cells_are_hidden);
    tcase_add_test(tc, played_values);
    tcase_add_test(tc, seeds);
    tcase_add_test(tc, keys_and_papers);
    suite_add_tcase(s, tc);
    return s;
}
CHECK_MAIN(suite)

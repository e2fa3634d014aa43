/* tests of apps/tapdeck/drill/eval.c: code blocks. */
#include "check_main.h"

#include <stdio.h>
#include <string.h>

#include "tapdeck/drill/drill.h"

static struct drill_vars *vars;
static struct drill_error err;
static struct text printed;
static unsigned looked_up;

static bool lookup(void *ctx, const char *name, int64_t *v)
{
    (void)ctx;
    looked_up++;
    if (strcmp(name, "tcpi_snd_cwnd") == 0)
        *v = 10;
    else if (strcmp(name, "tcpi_options") == 0)
        *v = 7;
    else
        return false;
    return true;
}

static void setup(void)
{
    vars = drill_vars_new();
    ck_assert_ptr_nonnull(vars);
}

static void teardown(void)
{
    drill_vars_free(vars);
    text_free(&printed);
    printed = (struct text){0};
}

static enum drill_verdict run(const char *src)
{
    enum drill_verdict v = drill_eval_block(vars, src, 10, lookup, NULL, &printed, &err);
    ck_assert_int_eq(v, err.verdict);
    ck_assert_int_eq(v != DRILL_PASSED, err.text[0] != '\0');
    return v;
}

static void passes(const char *src)
{
    if (run(src) != DRILL_PASSED)
        ck_abort_msg("%s: %s", src, err.text);
}

static void ends(const char *src, enum drill_verdict v, const char *text)
{
    if (run(src) != v || strstr(err.text, text) == NULL)
        ck_abort_msg("%s: %d %s", src, err.verdict, err.text);
}

START_TEST(arithmetic)
{
    static const char *const rows[] = {
        "1 + 2 * 3 == 7",
        "(1 + 2) * 3 == 9",
        "7 // 2 == 3",
        "-7 // 2 == -4",
        "7 // -2 == -4",
        "-7 % 3 == 2",
        "7 % -3 == -2",
        "2 - 3 - 4 == -5",
        "1 << 4 == 16",
        "256 >> 4 == 16",
        "-1 >> 70 == -1",
        "6 & 3 == 2",
        "6 | 1 == 7",
        "6 ^ 3 == 5",
        "1 | 2 ^ 3 & 4 == 3",
        "1 << 2 + 1 == 8",
        "-(3) == 0 - 3",
        "--3 == 3",
        "~0 == -1",
        "0x10 == 16",
        "1_000 == 1000",
        "abs(-3) == 3",
        "min(4, 2, 3) == 2",
        "max(4, 2) == 4",
        "int(5) == 5",
        "9223372036854775807 > 0",
        "- 9223372036854775807 - 1 < 0",
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char src[100];
        snprintf(src, sizeof(src), "assert %s", rows[i]);
        passes(src);
    }
}
END_TEST

START_TEST(truth)
{
    static const char *const rows[] = {
        "1 < 2 < 3",     "not 1 < 3 < 2", "3 > 2 >= 2 == 2 != 1",
        "not 0",         "not not 5",     "1 and 2",
        "not (1 and 0)", "0 or 3",        "not (0 or 0)",
        "1 or 0 and 0",  "not 1 == 2",    "(5 and 7) == 7",
        "(0 or 7) == 7", "(5 or 7) == 5", "(0 and 7) == 0",
        "True",          "not False",     "1 <= 1",
        "2 >= 1",        "1 != 2",
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char src[100];
        snprintf(src, sizeof(src), "assert %s", rows[i]);
        passes(src);
    }
}
END_TEST

START_TEST(names)
{
    passes("assert tcpi_snd_cwnd == 10");
    passes("assert tcpi_options & TCPI_OPT_SACK and TCP_ESTABLISHED == 1 and TCP_CA_Loss == 4");
    passes("a = 3\nb = a + tcpi_snd_cwnd");
    /* They persist. */
    passes("a += 4; b -= 1\n\n# a comment\nassert (a == 7 and # within brackets\n b == 12)");
    passes("tcpi_snd_cwnd = 5\nassert tcpi_snd_cwnd == 5"); /* a variable of that name */
    passes("assert \\\n a == 7");
    passes("assert a == 7, a; \\\n   assert b == 12, b;\\");
    passes("x = 1 \\  \n + 1;\\\n\nassert x == 2 \\");
    ends("x = 1 \\ y", DRILL_SYNTAX, "found '\\'");
    ends("a = 1; \\\n assert \\\n 0", DRILL_FAILED, "doesn't hold");
    ck_assert_uint_eq(err.line, 12);
    passes("a = 7");
    ends("assert nothing", DRILL_FAILED, "nothing has no value");
    ends("c += 1", DRILL_FAILED, "c has no value");
    /* Not looked up where Python wouldn't. */
    passes("assert 1 or nothing");
    passes("assert not (0 and nothing // 0)");
    passes("assert not 2 < 1 < nothing");
    passes("assert 1, nothing");
}
END_TEST

START_TEST(failures)
{
    ends("assert tcpi_snd_cwnd == 11", DRILL_FAILED,
         "tcpi_snd_cwnd == 11 doesn't hold: tcpi_snd_cwnd is 10");
    ck_assert_uint_eq(err.line, 10);
    ends("x = 1\n\nassert x == 2 and 1, 'why %d' % (x + 1)", DRILL_FAILED, "x is 1 (why 2)");
    ck_assert_uint_eq(err.line, 12);
    ends("assert (\n1 ==\n2)", DRILL_FAILED, "doesn't hold");
    ends("assert tcpi_snd_cwnd == TCP_CA_Loss", DRILL_FAILED, "tcpi_snd_cwnd is 10");
    ck_assert_ptr_null(strstr(err.text, "TCP_CA_Loss is"));
    ends("assert 0, tcpi_snd_cwnd", DRILL_FAILED, "0 doesn't hold (10)");
    ends("x = 1 // 0", DRILL_FAILED, "division by zero");
    ends("x = 1 % (1 - 1)", DRILL_FAILED, "division by zero");
    ends("x = 9223372036854775807 + 1", DRILL_FAILED, "64 bits");
    ends("x = 9223372036854775807 * 2", DRILL_FAILED, "64 bits");
    ends("x = (-9223372036854775807 - 1) // -1", DRILL_FAILED, "64 bits");
    ends("x = -(-9223372036854775807 - 1)", DRILL_FAILED, "64 bits");
    ends("x = abs(-9223372036854775807 - 1)", DRILL_FAILED, "64 bits");
    passes("x = (-9223372036854775807 - 1) % -1");
    ends("x = 1 << 63", DRILL_FAILED, "64 bits");
    ends("x = 1 << -1", DRILL_FAILED, "shift");
}
END_TEST

START_TEST(syntax)
{
    ends("assert", DRILL_SYNTAX, "the end of the block, expected a number or a name");
    ends("assert 1 +\n2", DRILL_SYNTAX, "the end of the line");
    ends("assert (1", DRILL_SYNTAX, "expected ')'");
    ends("assert 1)", DRILL_SYNTAX, "found ')'");
    ends("1 == 2", DRILL_SYNTAX, "found '1'");
    ends("x", DRILL_SYNTAX, "'='");
    ends("x == 2", DRILL_SYNTAX, "'='");
    ends("x = 1 y = 2", DRILL_SYNTAX, "found 'y'");
    ends("print('abc", DRILL_SYNTAX, "a string has no end");
    ends("print(1 2)", DRILL_SYNTAX, "',' or ')'");
    ends("x = $", DRILL_SYNTAX, "found '$'");
}
END_TEST

START_TEST(beyond)
{
    ends("import os", DRILL_UNSUPPORTED, "`import`");
    ends("for i in range(3):\n  pass", DRILL_UNSUPPORTED, "`for`");
    ends("assert 1.5 > 1", DRILL_UNSUPPORTED, "only integers");
    ends("assert 3 / 2 == 1", DRILL_UNSUPPORTED, "/");
    ends("assert 2 ** 3 == 8", DRILL_UNSUPPORTED, "**");
    ends("assert 1 in tcpi_options", DRILL_UNSUPPORTED, "`in`");
    ends("assert 1 in (1)", DRILL_UNSUPPORTED, "`in`");
    ends("assert 0 < 1 in (1, 2)", DRILL_UNSUPPORTED, "`in`");
    ends("assert (1 == 2, 'always true')", DRILL_UNSUPPORTED, "tuples");
    ends("x = 'abc'", DRILL_UNSUPPORTED, "only integers");
    ends("x = 1 if 2 else 3", DRILL_UNSUPPORTED, "`if`");
    ends("os.exit(1)", DRILL_UNSUPPORTED, "os.");
    ends("x = len(y)", DRILL_UNSUPPORTED, "len()");
    ends("x = 99999999999999999999", DRILL_UNSUPPORTED, "64 bits");
    ends("a, b = 1, 2", DRILL_UNSUPPORTED, "a,");
}
END_TEST

START_TEST(one_of_several)
{
    passes("assert tcpi_snd_cwnd in (9, 10)\nassert tcpi_snd_cwnd in [10]\n"
           "assert tcpi_snd_cwnd not in {1, 2 + 3,}\nassert not 1 in ()\nassert 1 in (1,)\n"
           "assert 3 in (1,\n 2, 3) and 4 not in (1, 2)");
    ends("assert tcpi_snd_cwnd in (8, 9)", DRILL_FAILED, "tcpi_snd_cwnd is 10");
    ends("assert tcpi_snd_cwnd not in (10, 9)", DRILL_FAILED, "doesn't hold");
    ends("assert 1 in (1, 2", DRILL_SYNTAX, "bracket");
    ends("assert 1 not 2", DRILL_SYNTAX, "'in'");
}
END_TEST

/* A message is shown only: whatever Python it is made with, the assertion is tried. */
START_TEST(messages_of_any_form)
{
    static const char *const forms[] = {
        "('a', tcpi_snd_cwnd)", "f'cwnd {tcpi_snd_cwnd}'", "'{} {}'.format(1, (2, 3))",
        "str(tcpi_snd_cwnd)",   "'a' if 1 else 'b'",       "[1, 2]",
        "tcpi_snd_cwnd / 1.5",
    };
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        char src[200];
        snprintf(src, sizeof(src), "assert tcpi_snd_cwnd == 10, %s\nassert 1 == 1", forms[i]);
        passes(src);
        snprintf(src, sizeof(src), "assert tcpi_snd_cwnd == 11, %s", forms[i]);
        ends(src, DRILL_FAILED, forms[i]);
        snprintf(src, sizeof(src), "assert tcpi_snd_cwnd == 10, %s\nassert 1 == 2", forms[i]);
        ends(src, DRILL_FAILED, "assert 1 == 2");
        snprintf(src, sizeof(src), "print(1, %s, 2)", forms[i]);
        passes(src);
    }
    ends("assert 1 == 2, 'one' \" two\"", DRILL_FAILED, "(one two)");
    ends("assert 1 == 1, (1, 2", DRILL_SYNTAX, "message");
    ends("assert 1 == 1, (1, 2))", DRILL_SYNTAX, "')'");
    ends("print((1, 2)", DRILL_SYNTAX, "end of the block");
    ends("assert 1 == 1, 'a' 5", DRILL_SYNTAX, "'5'");
}
END_TEST

START_TEST(printing)
{
    passes("x = 5\nprint(x, 'and', \"%d or 0x%x 100%%\" % (x, x * 3))\nprint()\nprint('a\\tb')");
    ck_assert_str_eq(printed.s, "5 and 5 or 0xf 100%\n\na\tb\n");
    ck_assert_int_eq(drill_eval_block(vars, "print(1)", 1, NULL, NULL, NULL, &err), DRILL_PASSED);
}
END_TEST

/* Reading without running: nothing is looked up, nothing can fail but the form. */
START_TEST(checking)
{
    looked_up = 0;
    ck_assert_int_eq(drill_eval_check("x = nothing\nassert 0 == y // 0, z", 1, &err), DRILL_PASSED);
    ck_assert_int_eq(drill_eval_check("x = 1 << 99; assert 0", 1, &err), DRILL_PASSED);
    ck_assert_uint_eq(looked_up, 0);
    ck_assert_int_eq(drill_eval_check("x = 1\nassert 1 +", 3, &err), DRILL_SYNTAX);
    ck_assert_uint_eq(err.line, 4);
    ck_assert_int_eq(drill_eval_check("x = 1\n\nimport y", 3, &err), DRILL_UNSUPPORTED);
    ck_assert_uint_eq(err.line, 5);
}
END_TEST

/* Nesting and variables have an end. */
START_TEST(limits)
{
    struct text t = {0};
    static const char *const openers[] = {"(", "-", "abs(", "not (", "0 or (", "1 + ~"};
    for (size_t i = 0; i < sizeof openers / sizeof openers[0]; i++) {
        text_consume(&t, t.len);
        text_puts(&t, "x = ");
        for (unsigned n = 0; n < 50000; n++)
            text_puts(&t, openers[i]);
        if (i == 5) { /* a sum of signs: long, not deep */
            text_puts(&t, "1");
            passes(t.s);
        } else {
            ends(t.s, DRILL_UNSUPPORTED, "levels of nesting");
        }
    }
    text_consume(&t, t.len);
    for (unsigned n = 0; n < 300; n++)
        text_printf(&t, "v%u = %u\n", n, n);
    ends(t.s, DRILL_UNSUPPORTED, "more than 256 variables");
    text_consume(&t, t.len);
    for (unsigned n = 0; n < 100; n++)
        text_puts(&t, "x");
    ends(t.s, DRILL_UNSUPPORTED, "letters");
    text_free(&t);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("drill code blocks");
    TCase *t = tcase_create("evaluator");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, arithmetic);
    tcase_add_test(t, truth);
    tcase_add_test(t, names);
    tcase_add_test(t, failures);
    tcase_add_test(t, syntax);
    tcase_add_test(t, beyond);
    tcase_add_test(t, one_of_several);
    tcase_add_test(t, messages_of_any_form);
    tcase_add_test(t, printing);
    tcase_add_test(t, checking);
    tcase_add_test(t, limits);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite)

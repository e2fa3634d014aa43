/* tests of apps/common/usage.c and nearest.c: usage texts as grammars, walked; words mistyped. */
#include "check_main.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/nearest.h"
#include "common/text.h"
#include "common/usage.h"

static char told[4096];

static void tell(void *ctx, const struct usage_hint *h)
{
    (void)ctx;
    size_t n = strlen(told);
    snprintf(told + n, sizeof(told) - n, "%s%s%s%s%s", n > 0 ? " " : "", h->value ? "<" : "",
             h->fixed, h->word, h->value ? ">" : "");
    if (h->value && strcmp(h->word, "CMD") == 0) {
        n = strlen(told);
        snprintf(told + n, sizeof(told) - n, "@%d", h->at);
    }
}

/* The line's last word is the one begun; "x " begins none. What may stand there, or "!2": word 2
 * doesn't fit. */
static const char *next(const char *usage, const char *line)
{
    char msg[256], **words, name[32];
    snprintf(name, sizeof(name), "%.*s", (int)strcspn(line, " "), line);
    struct usage *u = usage_parse(name, usage, msg, sizeof(msg));
    ck_assert_msg(u != NULL, "%s", msg);
    int n = words_split(line, &words, msg, sizeof(msg));
    ck_assert_int_gt(n, 0);
    bool begun = line[strlen(line) - 1] != ' ';
    int before = begun ? n - 1 : n;
    told[0] = '\0';
    int fit = usage_next(u, before, words, begun ? words[n - 1] : "", tell, NULL);
    if (fit != before)
        snprintf(told, sizeof(told), "!%d", fit);
    words_free(words);
    usage_free(u);
    return told;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The order of hints is nobody's business. */
static const char *sorted(const char *list, char dst[4096])
{
    char msg[256], **words;
    int n = words_split(list, &words, msg, sizeof(msg));
    ck_assert_int_ge(n, 0);
    qsort(words, (size_t)n, sizeof(*words), by_text);
    dst[0] = '\0';
    for (int i = 0; i < n; i++)
        snprintf(dst + strlen(dst), 4096 - strlen(dst), "%s ", words[i]);
    words_free(words);
    return dst;
}

static char sorted_got[4096], sorted_want[4096];
#define ck_next(usage, line, want)                                                                 \
    ck_assert_str_eq(sorted(next(usage, line), sorted_got), sorted(want, sorted_want))

START_TEST(words_and_values)
{
    ck_next("x a|b IFACE", "x ", "a b");
    ck_next("x a|b IFACE", "x a ", "<IFACE>");
    ck_next("x a|b IFACE", "x a eth0 ", "");
    ck_next("x a|b IFACE", "x c ", "!1");
    ck_next("x {a | b c} d", "x b ", "c");
    ck_next("x {a | b c} d", "x a ", "d");
    ck_next("x a\nx b\n  c", "x b ", "c");
    ck_next("x :PORT --to=FILE", "x ", "<:PORT>");
    ck_next("x :PORT --to=FILE", "x :80 ", "<--to=FILE>");
    ck_next("x a[=FILE]", "x ", "a <a=FILE>");
    ck_next("x 'NODE COMMAND'...", "x 'a b' ", "<NODE>");
}
END_TEST

START_TEST(options)
{
    ck_next("x [a] b", "x ", "a b");
    ck_next("x [-n N] [-q] ADDR", "x ", "-n -q <ADDR>");
    ck_next("x [-n N] [-q] ADDR", "x -q -n 3 ", "-n -q <ADDR>");
    ck_next("x [-n N] [-q] ADDR", "x -n3 ", "-n -q <ADDR>");
    ck_next("x [-n N] [-q] ADDR", "x -qn 3 ", "-n -q <ADDR>");
    ck_next("x [-n N] [-q] ADDR", "x -z ", "!1");
    ck_next("x [-j] a | b", "x -j ", "a b");
    ck_next("x [-tuan] [state STATE]", "x -t -ua ", "-t -u -a -n state");
    ck_next("x [-tuan] [state STATE]", "x -t", "state -t -tu -ta -tn");
    ck_next("x [-tuan] [state STATE]", "x -tx ", "!1");
    ck_next("x [-br] a", "x ", "-br a");
    ck_next("x [-a] [-z]", "x -a", "-a -z -a -az");
}
END_TEST

START_TEST(repeats)
{
    ck_next("x N...", "x 1 2 ", "<N>");
    ck_next("x [N]... a", "x ", "<N> a");
    ck_next("x [a N]... b", "x a 1 a 2 ", "b a");
    ck_next("x {nexthop via ADDR}...", "x nexthop via 1 ", "nexthop");
}
END_TEST

START_TEST(definitions)
{
    const char *u = "x add KIND\nKIND := vlan id N | bridge [ageing N]\n  | dummy";
    ck_next(u, "x add ", "vlan bridge dummy");
    ck_next(u, "x add vlan ", "id");
    ck_next(u, "x add bridge ", "ageing");
}
END_TEST

START_TEST(commands_within)
{
    ck_next("watch [-n N] CMD", "watch ", "-n <CMD>@1");
    ck_next("watch [-n N] CMD", "watch -n ", "<N>");
    ck_next("watch [-n N] CMD", "watch -n 1 ip -s ", "<CMD>@3");
    ck_next("watch [-n N] CMD", "watch ip", "-n <CMD>@1");
}
END_TEST

START_TEST(abbreviations)
{
    ck_next("ip {addr | route} {show | add}", "ip r ", "show add");
    ck_next("ip {addr | addrlabel} show", "ip addr ", "show");
    ck_next("ip {addr | route} {show | add}", "ip x ", "!1");
}
END_TEST

START_TEST(complete_lines)
{
    char msg[256];
    struct usage *u = usage_parse("x", "x a [b N]", msg, sizeof(msg));
    ck_assert(usage_complete(u, 2, (char *[]){"x", "a"}));
    ck_assert(!usage_complete(u, 3, (char *[]){"x", "a", "b"}));
    ck_assert(usage_complete(u, 4, (char *[]){"x", "a", "b", "1"}));
    ck_assert(!usage_complete(u, 1, (char *[]){"x"}));
    usage_free(u);
}
END_TEST

START_TEST(no_grammar)
{
    static const char *const bad[] = {"y a",
                                      "x [a",
                                      "x a]",
                                      "x {a | b",
                                      "xa",
                                      "x a}",
                                      "x 'a b",
                                      "x [[[[[[[[[[[[[[[[[[[[[[[[[[[[a]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
                                      "x a[b",
                                      "x A\nA := A | b",
                                      "x A\nA := B B\nB := A A"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char msg[256] = "";
        struct usage *u = usage_parse("x", bad[i], msg, sizeof(msg));
        ck_assert_msg(u == NULL, "%s", bad[i]);
        ck_assert_msg(strncmp(msg, "the usage of 'x': ", 18) == 0, "%s: %s", bad[i], msg);
    }
    char msg[256];
    struct usage *u = usage_parse("x", "", msg, sizeof(msg));
    ck_assert_ptr_nonnull(u); /* no form: nothing fits */
    usage_free(u);
}
END_TEST

/* Whatever a newer daemon may send: a grammar or a sentence, and a walk that ends. */
START_TEST(garbage)
{
    static const char letters[] = "x  \n[]{}|..='ab-AB:\xe2\x80\xa6";
    unsigned seed = 7;
    for (int n = 0; n < 4000; n++) {
        char text[64], msg[256];
        size_t len = 2;
        memcpy(text, "x ", 2);
        for (; len < sizeof(text) - 1; len++) {
            seed = seed * 1103515245 + 12345;
            text[len] = letters[(seed >> 16) % (sizeof(letters) - 1)];
        }
        text[len - seed % 50] = '\0';
        struct usage *u = usage_parse("x", text, msg, sizeof(msg));
        if (u == NULL)
            continue;
        told[0] = '\0';
        usage_next(u, 4, (char *[]){"x", "a", "-ab", "A"}, "-", tell, NULL);
        usage_next(u, 1, (char *[]){"x"}, "-a", tell, NULL);
        usage_complete(u, 2, (char *[]){"x", "b"});
        usage_free(u);
    }
}
END_TEST

START_TEST(distance)
{
    ck_assert_uint_eq(word_distance("route", "route", 2), 0);
    ck_assert_uint_eq(word_distance("rotue", "route", 2), 1);
    ck_assert_uint_eq(word_distance("rout", "route", 2), 1);
    ck_assert_uint_eq(word_distance("routes", "route", 2), 1);
    ck_assert_uint_eq(word_distance("raute", "route", 2), 1);
    ck_assert_uint_eq(word_distance("ruote", "routes", 2), 2);
    ck_assert_uint_eq(word_distance("addr", "route", 2), 3);
    ck_assert_uint_eq(word_distance("", "ab", 2), 2);
    char longer[100];
    memset(longer, 'a', 99);
    longer[99] = '\0';
    ck_assert_uint_eq(word_distance(longer, longer, 2), 3);
}
END_TEST

START_TEST(nearest)
{
    struct nearest n = {.word = "rotue"};
    nearest_offer(&n, "rule");
    nearest_offer(&n, "route");
    nearest_offer(&n, "route6");
    ck_assert_str_eq(n.best, "route");
    n = (struct nearest){.word = "zzz"};
    nearest_offer(&n, "ss");
    nearest_offer(&n, "zzz"); /* itself is no suggestion */
    ck_assert_str_eq(n.best, "");
    n = (struct nearest){.word = "ip6"};
    nearest_offer(&n, "ip");
    ck_assert_str_eq(n.best, "ip");
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("usage");
    TCase *t = tcase_create("usage");
    suite_add_tcase(s, t);
    tcase_add_test(t, words_and_values);
    tcase_add_test(t, options);
    tcase_add_test(t, repeats);
    tcase_add_test(t, definitions);
    tcase_add_test(t, commands_within);
    tcase_add_test(t, abbreviations);
    tcase_add_test(t, complete_lines);
    tcase_add_test(t, no_grammar);
    tcase_add_test(t, garbage);
    tcase_add_test(t, distance);
    tcase_add_test(t, nearest);
    return s;
}

CHECK_MAIN(suite)

/* replay/quiz_answer.c: is an answer right? (quiz.h)
 *
 * Answers are written by people: what means the same is taken for the same. A key's answers are
 * read in the same way.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "replay/quiz.h"

struct value { /* what an answer was read as */
    bool none;
    int64_t n; /* a number; ns; flags */
    char word[48];
};

static const char *const malformed[] = {
    [FORM_NUMBER] = "write a whole number, such as 12345",
    [FORM_TIME] = "write a time with its unit, such as 300 ms or 0.3 s, or none",
    [FORM_FLAGS] = "write flags by name or letter, such as SYN,ACK or SA",
    [FORM_STATE] = "write the name of a state, such as FIN-WAIT-1",
    [FORM_WORD] = "write one of the words that the sheet lists",
    [FORM_ADDRESS] = "write an IPv4 address, such as 10.0.0.1",
};

/* Small letters and digits alone. */
static void squeeze(const char *s, char dst[48])
{
    size_t n = 0;
    for (; *s != '\0' && n < 47; s++)
        if (isalnum((unsigned char)*s))
            dst[n++] = (char)tolower((unsigned char)*s);
    dst[n] = '\0';
}

/* 1,234 and 1_234 and 1 234 are numbers too, and may have their unit behind them. */
static bool read_number(const char *s, struct value *v)
{
    static const char *const units[] = {"",    "b",   "byte",    "bytes",  "segment", "segments",
                                        "seg", "mss", "routers", "router", "hops"};
    char digits[24], unit[48];
    size_t n = 0;
    squeeze(s, unit);
    if (strcmp(unit, "none") == 0 || strcmp(unit, "unlimited") == 0 ||
        strcmp(unit, "infinite") == 0) {
        v->none = true;
        return true;
    }
    if (*s == '+')
        s++;
    for (; isdigit((unsigned char)*s) ||
           (n > 0 && (*s == ',' || *s == '_' || *s == '\'' || *s == ' ') &&
            isdigit((unsigned char)s[1]));
         s++)
        if (isdigit((unsigned char)*s) && n < 18)
            digits[n++] = *s;
        else if (isdigit((unsigned char)*s))
            return false;
    digits[n] = '\0';
    if (n == 0)
        return false;
    squeeze(s, unit);
    if (*s != '\0' && !isspace((unsigned char)*s) && !isalpha((unsigned char)*s))
        return false;
    for (size_t k = 0; k < sizeof(units) / sizeof(*units); k++) {
        if (strcmp(unit, units[k]) == 0) {
            v->n = strtoll(digits, NULL, 10);
            return true;
        }
    }
    return false;
}

static bool read_time(const char *s, struct value *v)
{
    static const struct {
        const char *name;
        double ns;
    } units[] = {
        {"s", 1e9},    {"sec", 1e9},          {"second", 1e9}, {"seconds", 1e9}, {"ms", 1e6},
        {"msec", 1e6}, {"milliseconds", 1e6}, {"us", 1e3},     {"usec", 1e3},    {"\xc2\xb5s", 1e3},
        {"ns", 1}};
    char word[48], number[32];
    size_t n = 0;
    squeeze(s, word);
    if (strcmp(word, "none") == 0 || strcmp(word, "nosample") == 0 || strcmp(word, "no") == 0) {
        v->none = true;
        return true;
    }
    for (; (isdigit((unsigned char)*s) || *s == '.') && n < sizeof(number) - 1; s++)
        number[n++] = *s;
    number[n] = '\0';
    char *rest;
    double x = strtod(number, &rest);
    if (n == 0 || *rest != '\0' || x > 1e9)
        return false;
    while (isspace((unsigned char)*s))
        s++;
    for (size_t k = 0; k < sizeof(units) / sizeof(*units); k++) {
        if (strcasecmp(s, units[k].name) == 0) {
            v->n = (int64_t)(x * units[k].ns + 0.5);
            return true;
        }
    }
    return false;
}

static const struct {
    const char *name;
    uint16_t bit;
} flag_names[] = {{"fin", TCP_FIN}, {"syn", TCP_SYN},  {"rst", TCP_RST},
                  {"psh", TCP_PSH}, {"push", TCP_PSH}, {"ack", TCP_ACK},
                  {"urg", TCP_URG}, {"ece", TCP_ECE},  {"cwr", TCP_CWR}};

static uint16_t flag_letter(char c)
{
    static const char letters[] = "FSRPAUEW";
    const char *at = strchr(letters, toupper((unsigned char)c));
    unsigned bit = c == '.' ? TCP_ACK : at != NULL && *at != '\0' ? 1u << (at - letters) : 0;
    return (uint16_t)bit;
}

static bool read_flags(const char *s, struct value *v)
{
    uint16_t flags = 0;
    while (*s != '\0') {
        size_t n = strcspn(s, " ,+|/;-&\t[]"), k = 0;
        while (k < sizeof(flag_names) / sizeof(*flag_names) &&
               (strlen(flag_names[k].name) != n || strncasecmp(s, flag_names[k].name, n) != 0))
            k++;
        if (k < sizeof(flag_names) / sizeof(*flag_names)) {
            flags |= flag_names[k].bit;
        } else if (n == 6 && strncasecmp(s, "synack", n) == 0) {
            flags |= TCP_SYN | TCP_ACK;
        } else if (n == 6 && strncasecmp(s, "finack", n) == 0) {
            flags |= TCP_FIN | TCP_ACK;
        } else if (n == 6 && strncasecmp(s, "rstack", n) == 0) {
            flags |= TCP_RST | TCP_ACK;
        } else {
            for (size_t i = 0; i < n; i++) {
                if (flag_letter(s[i]) == 0)
                    return false;
                flags |= flag_letter(s[i]);
            }
        }
        s += n + (s[n] != '\0');
    }
    v->n = flags;
    return flags != 0;
}

/* The RFC's names, Linux's, ss's and BSD's. */
static bool read_state(const char *s, struct value *v)
{
    static const struct {
        const char *said, *state;
    } names[] = {{"closed", "closed"},
                 {"close", "closed"},
                 {"listen", "listen"},
                 {"synsent", "synsent"},
                 {"synreceived", "synrcvd"},
                 {"synrecv", "synrcvd"},
                 {"synrcvd", "synrcvd"},
                 {"established", "established"},
                 {"estab", "established"},
                 {"finwait1", "finwait1"},
                 {"finwait2", "finwait2"},
                 {"closewait", "closewait"},
                 {"closing", "closing"},
                 {"lastack", "lastack"},
                 {"timewait", "timewait"},
                 {"newsynrecv", "synrcvd"},
                 {"tcpestablished", "established"},
                 {"finwaiti", "finwait1"},
                 {"finwaitii", "finwait2"}};
    char word[48];
    squeeze(s, word);
    for (size_t k = 0; k < sizeof(names) / sizeof(*names); k++) {
        if (strcmp(word, names[k].said) == 0) {
            (void)snprintf(v->word, sizeof(v->word), "%s", names[k].state);
            return true;
        }
    }
    return false;
}

static bool read_word(const char *s, struct value *v)
{
    static const struct {
        const char *said, *word;
    } words[] = {{"newdata", "newdata"},
                 {"data", "newdata"},
                 {"new", "newdata"},
                 {"ack", "ack"},
                 {"dupack", "dupack"},
                 {"duplicateack", "dupack"},
                 {"duplicateacknowledgment", "dupack"},
                 {"duplicate", "dupack"},
                 {"dsack", "dsack"},
                 {"rto", "rto"},
                 {"timeout", "rto"},
                 {"retransmissiontimeout", "rto"},
                 {"fastretransmit", "fastretransmit"},
                 {"fast", "fastretransmit"},
                 {"fastretransmission", "fastretransmit"},
                 {"recovery", "recovery"},
                 {"taillossprobe", "taillossprobe"},
                 {"tlp", "taillossprobe"},
                 {"needless", "needless"},
                 {"spurious", "needless"},
                 {"outoforder", "outoforder"},
                 {"windowprobe", "windowprobe"},
                 {"probe", "windowprobe"},
                 {"zerowindowprobe", "windowprobe"},
                 {"keepalive", "keepalive"},
                 {"zerowindow", "zerowindow"},
                 {"windowupdate", "windowupdate"},
                 {"synack", "synack"},
                 {"retransmission", "retransmission"},
                 {"retransmit", "retransmission"},
                 {"fin", "fin"},
                 {"finack", "fin"},
                 {"rst", "rst"},
                 {"rstack", "rst"},
                 {"reset", "rst"}};
    char word[48];
    squeeze(s, word);
    for (size_t k = 0; k < sizeof(words) / sizeof(*words); k++) {
        if (strcmp(word, words[k].said) == 0) {
            (void)snprintf(v->word, sizeof(v->word), "%s", words[k].word);
            return true;
        }
    }
    return false;
}

static bool read_address(const char *s, struct value *v)
{
    unsigned a, b, c, d;
    char more;
    if (sscanf(s, "%3u.%3u.%3u.%3u %c", &a, &b, &c, &d, &more) != 4 || (a | b | c | d) > 255)
        return false;
    v->n = (int64_t)((uint64_t)a << 24 | b << 16 | c << 8 | d);
    return true;
}

static bool read_answer(unsigned form, const char *s, struct value *v)
{
    char line[128];
    size_t n;
    *v = (struct value){0};
    while (isspace((unsigned char)*s))
        s++;
    n = strlen(s);
    while (n > 0 && isspace((unsigned char)s[n - 1]))
        n--;
    if (n >= sizeof(line))
        return false;
    memcpy(line, s, n);
    line[n] = '\0';
    s = line;
    switch (form) {
    case FORM_NUMBER:
        return read_number(s, v);
    case FORM_TIME:
        return read_time(s, v);
    case FORM_FLAGS:
        return read_flags(s, v);
    case FORM_STATE:
        return read_state(s, v);
    case FORM_WORD:
        return read_word(s, v);
    default:
        return read_address(s, v);
    }
}

static bool same(const struct question *q, const struct value *a, const char *key)
{
    struct value k;
    if (!read_answer(q->form, key, &k) || a->none != k.none)
        return false;
    if (a->none)
        return true;
    if (q->form == FORM_STATE || q->form == FORM_WORD)
        return strcmp(a->word, k.word) == 0;
    if (q->form == FORM_FLAGS)
        return ((a->n ^ k.n) & ~(int64_t)q->ignore) == 0;
    uint64_t off = a->n > k.n ? (uint64_t)(a->n - k.n) : (uint64_t)(k.n - a->n);
    return off <= (q->form == FORM_TIME ? q->tolerance : 0);
}

/* A sequence number that was given as on the wire, as a relative one: wrong answers are written so.
 */
static void relative(const struct question *q, struct value *v)
{
    struct value first, second;
    if ((q->field != QUIZ_SEQ && q->field != QUIZ_ACK) || q->naccepted < 2 || v->none ||
        !read_answer(q->form, q->accepted[0], &first) ||
        !read_answer(q->form, q->accepted[1], &second))
        return;
    v->n = (int64_t)(uint32_t)(v->n - (second.n - first.n));
}

enum quiz_mark quiz_mark(const struct question *q, const char *answer, const char **feedback)
{
    struct value v;
    *feedback = "";
    if (!read_answer(q->form, answer, &v)) {
        *feedback = malformed[q->form];
        return ANSWER_MALFORMED;
    }
    for (unsigned i = 0; i < q->naccepted; i++)
        if (same(q, &v, q->accepted[i]))
            return ANSWER_RIGHT;
    *feedback = quiz_fields[q->field].hint;
    struct value meant = v;
    relative(q, &meant);
    for (unsigned i = 0; i < q->nwrong; i++) {
        if (same(q, &v, q->wrong[i].answer) || same(q, &meant, q->wrong[i].answer)) {
            *feedback = q->wrong[i].feedback;
            break;
        }
    }
    return ANSWER_WRONG;
}

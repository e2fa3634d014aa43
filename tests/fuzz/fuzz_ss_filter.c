/* Filters of ss: any text is refused with a sentence, or means the opposite of itself in brackets
 * behind `not`. */
#include "fuzz.h"

#include "common/ss_filter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct ss_filter f, opposite;
    char text[2048], negated[2060], msg[512] = "";
    size_t n = size < sizeof text - 1 ? size : sizeof text - 1;
    char *argv[] = {text}, *other[] = {negated};
    const struct ss_ends e = {.local = TD_IP4(10, 0, 0, 2),
                              .peer = TD_IP4(10, 0, 0, 1),
                              .lport = 80,
                              .pport = 40000,
                              .dev = "eth0",
                              .out_dev = NULL,
                              .auto_low = 32768,
                              .auto_high = 60999};

    memcpy(text, data, n);
    text[n] = '\0';
    if (!ss_filter_parse(&f, 1, argv, msg, sizeof msg)) {
        FUZZ_CHECK(msg[0] != '\0' && strchr(msg, '\n') == NULL);
        return 0;
    }
    FUZZ_CHECK(f.n <= SS_TERMS && (f.states & ~SS_ALL) == 0);
    bool match = ss_filter_match(&f, &e);
    snprintf(negated, sizeof negated, "not ( %s )", text);
    if (f.n > 0 && ss_filter_parse(&opposite, 1, other, msg, sizeof msg))
        FUZZ_CHECK(ss_filter_match(&opposite, &e) == !match);
    else if (f.n > 0) /* one word more didn't fit, or `state` stood in the brackets */
        FUZZ_CHECK(strstr(msg, "too long") != NULL || strstr(msg, "brackets") != NULL);
    return 0;
}

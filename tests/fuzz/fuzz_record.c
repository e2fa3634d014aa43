/* A recorded run from a hostile file: its checks aren't looked at, so that what they protect is
 * reached. Whatever stands in it, it is read to its end or to a sentence, in bounded memory and
 * time. The seeds were written by `record start`. */
#include "fuzz.h"
#include "replay/record_run.h"

static void frame(void *ctx, bool out, uint32_t ifindex, const uint8_t *bytes, size_t len)
{
    uint64_t *sum = ctx;
    (void)ifindex;
    for (size_t i = 0; i < len; i++)
        *sum += bytes[i];
    *sum += out;
}

static void text(void *ctx, uint32_t number, const char *s)
{
    uint64_t *sum = ctx;
    *sum += strlen(s) + number;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct record_run_options o = {
        .memory = 32U << 20, .patience = TD_SEC, .alone = true, .unchecked = true};
    struct record_run run;
    struct record_contents c;
    char msg[512] = "";
    uint64_t sum = 0;
    const struct record_run_hooks h = {.frame = frame, .app = text, .owner = text, .ctx = &sum};
    if (record_run_bytes(&run, data, size, &o, &h, msg, sizeof msg) != 0) {
        FUZZ_CHECK(msg[0] != '\0');
        record_run_close(&run);
        return 0;
    }
    record_contents(&run.file, &c);
    for (;;) {
        enum record_step s = record_run_next(&run, msg, sizeof msg);
        FUZZ_CHECK((msg[0] != '\0') == (s == RECORD_STEP_DIFFERS || s == RECORD_STEP_FAILED));
        FUZZ_CHECK(s != RECORD_STEP_FAILED || run.status != 0);
        if (s == RECORD_STEP_END || s == RECORD_STEP_FAILED)
            break;
    }
    FUZZ_CHECK(run.calls <= c.calls + 1);
    record_run_close(&run);
    return 0;
}

/* drill/options.c: --name=value, of a script or of the command line.
 *
 * Each option has a bit in drill_options.given, so that what the command line says can be laid over
 * what the file says, and that over the defaults.
 */
#include "tapdeck/drill/drill.h"

#include "common/parse.h"
#include "core/faults.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum option {
    IP_VERSION,
    LOCAL_IP,
    REMOTE_IP,
    GATEWAY_IP,
    NETMASK_IP,
    BIND_PORT,
    CONNECT_PORT,
    MTU,
    MSS,
    TOLERANCE_USECS,
    TOLERANCE_PERCENT,
    TS_TICK_USECS,
    TS_ECR_SCALED,
    STRICT_SEGMENTS,
    NON_FATAL,
    SEND_OMIT_FREE,
    STRICT_END,
    SEED,
    PROFILE,
    FAULT,
    VERBOSE,
};

static const struct {
    const char *name;
    enum option option;
    bool flag; /* without a value */
    const char *expect;
} options[] = {
    {"ip_version", IP_VERSION, false, "ipv4 (or ipv6, ipv4-mapped-ipv6, which are not supported)"},
    {"local_ip", LOCAL_IP, false, "a host's address such as 192.168.0.1 or 192.168.0.1/16"},
    {"remote_ip", REMOTE_IP, false, "a host's address such as 192.0.2.1 or 192.0.2.1/24"},
    {"gateway_ip", GATEWAY_IP, false, "an address such as 192.168.0.2"},
    {"netmask_ip", NETMASK_IP, false, "a mask such as 255.255.0.0"},
    {"bind_port", BIND_PORT, false, "a port from 1 to 65535"},
    {"connect_port", CONNECT_PORT, false, "a port from 1 to 65535"},
    {"mtu", MTU, false, "a number of bytes from 68 to 65535"},
    {"mss", MSS, false, "a number of bytes from 0 to 65535"},
    {"tolerance_usecs", TOLERANCE_USECS, false, "microseconds from 0 to 1000000000"},
    {"tolerance_percent", TOLERANCE_PERCENT, false, "a percentage such as 12.5"},
    {"tcp_ts_tick_usecs", TS_TICK_USECS, false, "microseconds from 0 to 1000000000"},
    {"tcp_ts_ecr_scaled", TS_ECR_SCALED, true, NULL},
    {"strict_segments", STRICT_SEGMENTS, true, NULL},
    {"non_fatal", NON_FATAL, false, "packet, syscall or packet,syscall"},
    {"send_omit_free", SEND_OMIT_FREE, true, NULL},
    {"strict_end", STRICT_END, true, NULL},
    {"seed", SEED, false, "a number"},
    {"profile", PROFILE, false, "linux or rfc"},
    {"fault", FAULT, false,
     "a deliberate bug such as no-karn (stack/core/faults.def has them all)"},
    {"verbose", VERBOSE, true, NULL},
};

/* Options of the language that have no meaning for a stack in the same process. */
static const char *const foreign[] = {
    "code_command",
    "code_format",
    "code_sockopt",
    "debug",
    "dry_run",
    "init_scripts",
    "is_anyip",
    "local_linklocal_ip",
    "persistent_tun_dev",
    "remote_linklocal_ip",
    "so_filename",
    "so_flags",
    "speed",
    "wire_client",
    "wire_client_dev",
    "wire_server",
    "wire_server_dev",
    "wire_server_ip",
    "wire_server_port",
};

void drill_options_default(struct drill_options *o)
{
    *o = (struct drill_options){
        .ip_version = DRILL_IPV4,
        .local_ip = 0xc0a80001,
        .remote_ip = 0xc0000201,
        .gateway_ip = 0xc0a80002,
        .netmask_ip = 0xffff0000,
        .remote_prefix = 32,
        .bind_port = 8080,
        .connect_port = 8080,
        .mtu = 1500,
        .tolerance_usecs = 4000,
        .tolerance_percent = 12.5,
        .seed = 1,
        .profile = DRILL_PROFILE_LINUX,
    };
}

static bool number(const char *s, uint64_t min, uint64_t max, uint64_t *n)
{
    return parse_u64(s, max, n) && *n >= min;
}

static bool set_version(struct drill_options *o, const char *v)
{
    static const char *const names[] = {[DRILL_IPV4] = "ipv4",
                                        [DRILL_IPV6] = "ipv6",
                                        [DRILL_IPV4_MAPPED_IPV6] = "ipv4-mapped-ipv6"};
    for (unsigned i = 0; i < 3; i++) {
        if (strcmp(v, names[i]) == 0) {
            o->ip_version = (enum drill_ip_version)i;
            return true;
        }
    }
    return false;
}

static bool set_percent(double *percent, const char *v)
{
    char *end;
    errno = 0;
    double d = strtod(v, &end);
    if (end == v || *end != '\0' || errno != 0 || !isfinite(d) || d < 0 || d > 1e6)
        return false;
    *percent = d;
    return true;
}

static bool set_mask(td_ip4 *mask, const char *v)
{
    td_ip4 m;
    if (!parse_ip4(v, &m) || (~m & (~m + 1)) != 0)
        return false;
    *mask = m;
    return true;
}

static bool set_non_fatal(struct drill_options *o, const char *v)
{
    bool packet = false, syscall = false;
    while (*v != '\0') {
        size_t n = strcspn(v, ",");
        if (n == 6 && memcmp(v, "packet", n) == 0)
            packet = true;
        else if (n == 7 && memcmp(v, "syscall", n) == 0)
            syscall = true;
        else
            return false;
        v += n + (v[n] == ',');
    }
    o->non_fatal_packet = packet;
    o->non_fatal_syscall = syscall;
    return packet || syscall;
}

/* Can a host have it? Not "this host", loopback, multicast or what is reserved (RFC 6890). */
static bool is_host(td_ip4 a)
{
    unsigned first = a >> 24;
    return first >= 1 && first <= 223 && first != 127;
}

static bool set_address(struct drill_options *o, enum option which, const char *v)
{
    td_ip4 a;
    uint8_t plen;
    if (!parse_prefix(v, &a, &plen) || !is_host(a))
        return false;
    if (which == LOCAL_IP) {
        o->local_ip = a;
        if (strchr(v, '/') != NULL) {
            o->netmask_ip = plen == 0 ? 0 : UINT32_MAX << (32 - plen);
            o->given |= UINT32_C(1) << NETMASK_IP;
        }
    } else {
        o->remote_ip = a;
        o->remote_prefix = plen;
    }
    return true;
}

static bool set_number(struct drill_options *o, enum option which, const char *v)
{
    uint64_t n;
    switch (which) {
    case BIND_PORT:
    case CONNECT_PORT:
        if (!number(v, 1, UINT16_MAX, &n))
            return false;
        *(which == BIND_PORT ? &o->bind_port : &o->connect_port) = (uint16_t)n;
        return true;
    case MTU:
        if (!number(v, 68, UINT16_MAX, &n))
            return false;
        o->mtu = (uint32_t)n;
        return true;
    case MSS:
        if (!number(v, 0, UINT16_MAX, &n))
            return false;
        o->mss = (uint32_t)n;
        return true;
    case TOLERANCE_USECS:
        if (!number(v, 0, 1000000000, &n))
            return false;
        o->tolerance_usecs = (int64_t)n;
        return true;
    case TS_TICK_USECS:
        if (!number(v, 0, 1000000000, &n))
            return false;
        o->has_ts_tick = true;
        o->ts_tick_usecs = (int64_t)n;
        return true;
    default:
        if (!number(v, 0, UINT64_MAX, &n))
            return false;
        o->seed = n;
        return true;
    }
}

static bool set_profile(struct drill_options *o, const char *v)
{
    bool rfc = strcmp(v, "rfc") == 0;
    o->profile = rfc ? DRILL_PROFILE_RFC : DRILL_PROFILE_LINUX;
    return rfc || strcmp(v, "linux") == 0;
}

/* More than one may be given: they add up. */
static bool set_fault(struct drill_options *o, const char *v)
{
    for (unsigned i = 0; i < FAULT_COUNT; i++) {
        if (strcmp(v, fault_info[i].name) == 0) {
            o->faults |= UINT64_C(1) << i;
            return true;
        }
    }
    return false;
}

static void set_flag(struct drill_options *o, enum option which)
{
    switch (which) {
    case TS_ECR_SCALED:
        o->ts_ecr_scaled = true;
        break;
    case STRICT_SEGMENTS:
        o->strict_segments = true;
        break;
    case SEND_OMIT_FREE:
        o->send_omit_free = true;
        break;
    case STRICT_END:
        o->strict_end = true;
        break;
    default:
        o->verbose = true;
        break;
    }
}

static bool set_value(struct drill_options *o, enum option which, const char *v)
{
    switch (which) {
    case IP_VERSION:
        return set_version(o, v);
    case LOCAL_IP:
    case REMOTE_IP:
        return set_address(o, which, v);
    case GATEWAY_IP:
        return parse_ip4(v, &o->gateway_ip);
    case NETMASK_IP:
        return set_mask(&o->netmask_ip, v);
    case TOLERANCE_PERCENT:
        return set_percent(&o->tolerance_percent, v);
    case NON_FATAL:
        return set_non_fatal(o, v);
    case PROFILE:
        return set_profile(o, v);
    case FAULT:
        return set_fault(o, v);
    default:
        return set_number(o, which, v);
    }
}

static bool is_foreign(const char *name)
{
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++) {
        if (strcmp(name, foreign[i]) == 0)
            return true;
    }
    return false;
}

static enum drill_verdict say(struct drill_error *err, enum drill_verdict v, const char *expect)
{
    err->verdict = v;
    snprintf(err->expected, sizeof(err->expected), "%s", expect != NULL ? expect : "");
    return v;
}

enum drill_verdict drill_option_set(struct drill_options *o, const char *name, const char *value,
                                    struct drill_error *err)
{
    size_t i = 0, n = sizeof options / sizeof options[0];
    while (i < n && strcmp(options[i].name, name) != 0)
        i++;
    if (i == n) {
        bool known = is_foreign(name);
        snprintf(err->text, sizeof(err->text),
                 known ? "the option --%.60s is not supported" : "there is no option --%.60s",
                 name);
        return say(err, known ? DRILL_UNSUPPORTED : DRILL_SYNTAX,
                   "an option: `tapdeck drill --help` lists them");
    }
    if (options[i].flag && value != NULL) {
        snprintf(err->text, sizeof(err->text), "--%s takes no value", name);
        return say(err, DRILL_SYNTAX, "the option alone");
    }
    if (!options[i].flag && value == NULL) {
        snprintf(err->text, sizeof(err->text), "--%s needs a value: --%s=%s", name, name,
                 options[i].expect);
        return say(err, DRILL_SYNTAX, options[i].expect);
    }
    o->given |= UINT32_C(1) << options[i].option;
    if (options[i].flag) {
        set_flag(o, options[i].option);
        return DRILL_PASSED;
    }
    /* "fd3d::1": an IPv6 address, where an address belongs. */
    bool six = options[i].option >= LOCAL_IP && options[i].option <= NETMASK_IP &&
               strchr(value, ':') != NULL;
    if (!six && !set_value(o, options[i].option, value)) {
        snprintf(err->text, sizeof(err->text), "'%.60s' is no value for --%s: expected %s", value,
                 name, options[i].expect);
        return say(err, DRILL_SYNTAX, options[i].expect);
    }
    if (six || o->ip_version != DRILL_IPV4) {
        snprintf(err->text, sizeof(err->text), "IPv6 (--%s=%.60s) is not supported", name, value);
        return say(err, DRILL_UNSUPPORTED, NULL);
    }
    return DRILL_PASSED;
}

bool drill_option_takes_value(const char *name)
{
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        if (strcmp(options[i].name, name) == 0)
            return !options[i].flag;
    }
    return strcmp(name, "define") == 0;
}

#define TAKE(option, field)                                                                        \
    do {                                                                                           \
        if ((from->given & UINT32_C(1) << (option)) != 0)                                          \
            to->field = from->field;                                                               \
    } while (0)

void drill_options_merge(struct drill_options *to, const struct drill_options *from)
{
    TAKE(IP_VERSION, ip_version);
    TAKE(LOCAL_IP, local_ip);
    TAKE(NETMASK_IP, netmask_ip);
    TAKE(REMOTE_IP, remote_ip);
    TAKE(REMOTE_IP, remote_prefix);
    TAKE(GATEWAY_IP, gateway_ip);
    TAKE(BIND_PORT, bind_port);
    TAKE(CONNECT_PORT, connect_port);
    TAKE(MTU, mtu);
    TAKE(MSS, mss);
    TAKE(TOLERANCE_USECS, tolerance_usecs);
    TAKE(TOLERANCE_PERCENT, tolerance_percent);
    TAKE(TS_TICK_USECS, has_ts_tick);
    TAKE(TS_TICK_USECS, ts_tick_usecs);
    TAKE(TS_ECR_SCALED, ts_ecr_scaled);
    TAKE(STRICT_SEGMENTS, strict_segments);
    TAKE(NON_FATAL, non_fatal_packet);
    TAKE(NON_FATAL, non_fatal_syscall);
    TAKE(SEND_OMIT_FREE, send_omit_free);
    TAKE(STRICT_END, strict_end);
    TAKE(SEED, seed);
    TAKE(PROFILE, profile);
    TAKE(VERBOSE, verbose);
    to->faults |= from->faults;
    to->given |= from->given;
}

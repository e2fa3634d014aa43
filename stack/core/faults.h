/* core/faults.h: deliberate bugs, for teaching and for keeping the tests honest.
 *
 * Theory of operation. A fault is a name, a bit, and one condition in the code: FAULT_ON(st, NO_KARN).
 * All are off in a new instance, and can be switched on (as the knob tapdeck.fault.NAME) only in one that was made
 * with allow_faults. faults.def is the catalogue: each fault names the requirement rows it breaks.
 * `make faults` switches one on at a time and asks that the tests of these rows turn red: a test that
 * stays green with the clause broken shows nothing.
 *
 * A student is given a host with a fault and has to find out what is wrong with it: a secret fault
 * (td_fault_secret) is on without being shown anywhere. `faults` holds what is on, `faults_shown` what was
 * switched on by name, and only that is ever shown. While a secret fault is on, none can be switched by
 * name: switching each off in turn until the trouble ends would give it away.
 */
#ifndef CORE_FAULTS_H
#define CORE_FAULTS_H

#include <stdint.h>

enum fault_id {
#define FAULT(id, name, rows, layer, symptom) FAULT_##id,
#include "core/faults.def"
#undef FAULT
    FAULT_COUNT
};
_Static_assert(FAULT_COUNT <= 64, "a bit each");

struct fault_info {
    const char *name;    /* "no-karn" */
    const char *rows;    /* ids of the requirement tables, blanks between */
    const char *layer;   /* "link", "arp", "ip", "icmp", "udp", "tcp", "nf" */
    const char *symptom; /* a sentence */
};
extern const struct fault_info fault_info[FAULT_COUNT];

#define FAULT_ON(st, id) ((st)->faults != 0 && ((st)->faults >> FAULT_##id & 1) != 0)

#endif

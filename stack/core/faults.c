/* core/faults.c: the catalogue of deliberate bugs as a table. */
#include "core/faults.h"

const struct fault_info fault_info[FAULT_COUNT] = {
#define FAULT(id, name, rows, layer, symptom) {name, rows, layer, symptom},
#include "core/faults.def"
#undef FAULT
};

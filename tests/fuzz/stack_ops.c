/* The tables of fuzz_stack's language: delays, addresses and ports worth trying. */
#include "stack_ops.h"

const td_time op_delay[OP_DELAYS] = {0,
                                     0,
                                     1,
                                     TD_US,
                                     100 * TD_US,
                                     TD_MS,
                                     10 * TD_MS,
                                     40 * TD_MS,
                                     200 * TD_MS,
                                     500 * TD_MS,
                                     TD_SEC,
                                     3 * TD_SEC,
                                     15 * TD_SEC,
                                     61 * TD_SEC,
                                     300 * TD_SEC,
                                     7300 * TD_SEC};

const td_ip4 op_addr[OP_ADDRS] = {
    TD_IP4(0, 0, 0, 0),         TD_IP4(10, 0, 0, 1),    TD_IP4(10, 0, 0, 2),
    TD_IP4(192, 168, 5, 1),     TD_IP4(192, 168, 5, 2), TD_IP4(10, 0, 0, 3),
    TD_IP4(10, 0, 0, 254),      TD_IP4(10, 0, 0, 255),  TD_IP4(10, 0, 0, 0),
    TD_IP4(255, 255, 255, 255), TD_IP4(127, 0, 0, 1),   TD_IP4(127, 1, 2, 3),
    TD_IP4(224, 0, 0, 1),       TD_IP4(239, 1, 2, 3),   TD_IP4(192, 0, 2, 7),
    TD_IP4(198, 51, 100, 9),    TD_IP4(240, 0, 0, 1),   TD_IP4(192, 168, 5, 255),
    TD_IP4(10, 0, 0, 9),        TD_IP4(0, 0, 0, 5)};

const uint16_t op_port[OP_PORTS] = {0, 80, 81, 7, 53, 40000, 40001, 33434, 65535, 1};

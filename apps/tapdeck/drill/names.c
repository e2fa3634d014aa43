/* drill/names.c: words of the packet notation. */
#include "tapdeck/drill/names.h"

#include "wire/icmp.h"
#include "wire/tcp.h"

const struct icmp_name icmp_types[] = {
    {ICMP_UNREACHABLE, 0, "unreachable"},
    {ICMP_TIME_EXCEEDED, 0, "time_exceeded"},
    {ICMP_PARAM_PROBLEM, 0, "parameter_problem"},
    {ICMP_SOURCE_QUENCH, 0, "source_quench"},
    {ICMP_REDIRECT, 0, "redirect"},
    {ICMP_ECHO, 0, "echo_request"},
    {ICMP_ECHO_REPLY, 0, "echo_reply"},
};
const size_t icmp_types_n = sizeof icmp_types / sizeof icmp_types[0];

const struct icmp_name icmp_codes[] = {
    {ICMP_UNREACHABLE, 0, "net_unreachable"},
    {ICMP_UNREACHABLE, 1, "host_unreachable"},
    {ICMP_UNREACHABLE, 2, "protocol_unreachable"},
    {ICMP_UNREACHABLE, 3, "port_unreachable"},
    {ICMP_UNREACHABLE, 4, "frag_needed"},
    {ICMP_UNREACHABLE, 5, "source_route_failed"},
    {ICMP_UNREACHABLE, 6, "net_unknown"},
    {ICMP_UNREACHABLE, 7, "host_unknown"},
    {ICMP_UNREACHABLE, 8, "source_host_isolated"},
    {ICMP_UNREACHABLE, 9, "net_prohibited"},
    {ICMP_UNREACHABLE, 10, "host_prohibited"},
    {ICMP_UNREACHABLE, 11, "net_unreachable_for_tos"},
    {ICMP_UNREACHABLE, 12, "host_unreachable_for_tos"},
    {ICMP_UNREACHABLE, 13, "packet_filtered"},
    {ICMP_UNREACHABLE, 14, "precedence_violation"},
    {ICMP_UNREACHABLE, 15, "precedence_cutoff"},
    {ICMP_TIME_EXCEEDED, 0, "ttl_exceeded"},
    {ICMP_TIME_EXCEEDED, 0, "exc_ttl"},
    {ICMP_TIME_EXCEEDED, 1, "reassembly_exceeded"},
    {ICMP_TIME_EXCEEDED, 1, "exc_fragtime"},
    {ICMP_REDIRECT, 0, "redir_net"},
    {ICMP_REDIRECT, 1, "redir_host"},
    {ICMP_REDIRECT, 2, "redir_nettos"},
    {ICMP_REDIRECT, 3, "redir_hosttos"},
};
const size_t icmp_codes_n = sizeof icmp_codes / sizeof icmp_codes[0];

const struct flag_letter flag_letters[] = {
    {'S', TCP_SYN}, {'F', TCP_FIN}, {'R', TCP_RST}, {'P', TCP_PSH}, {'U', TCP_URG},
    {'E', TCP_ECE}, {'W', TCP_CWR}, {'A', TCP_AE},  {'.', TCP_ACK},
};
const size_t flag_letters_n = sizeof flag_letters / sizeof flag_letters[0];

const char *const ecn_names[6] = {"", "noecn", "ect0", "ect1", "ce", "ect01"};
const char *const accecn_names[2][3] = {{"e0b", "ceb", "e1b"}, {"e1b", "ceb", "e0b"}};

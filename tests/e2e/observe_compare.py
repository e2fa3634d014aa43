#!/usr/bin/env python3
"""tests/e2e/observe_compare.py TAPDECK CAPTURE...: what `replay` says of each packet, beside what tshark says.

Both must agree on retransmissions, out of order, duplicate ACKs, zero windows, keep-alives and gaps, but for these,
which are counted and told:
  again       Wireshark calls whatever comes again within a round trip of the highest segment out of order. Here it is a
              retransmission: its bytes were captured before, or its IP id or timestamp is newer, or the receiver had asked.
  copied      a frame with the IP id, bytes and length of an earlier one is a copy that the network made; Wireshark has it
              as retransmission or out of order.
  late        a segment that fills a gap was late if its IP id or timestamp is older, or the gap is younger than a round trip
              to the sender; Wireshark has it sent again by a duplicate ACK within 20 ms.
  probe       a window probe of Linux's kind (an old byte, while the window is closed) is a keep-alive to Wireshark; its answer
              a duplicate ACK there, and the answer to a probe here.
Exit status 1 and a line for each packet where they differ otherwise."""
import collections
import json
import subprocess
import sys

AGAIN = {"syn_retransmission", "rto", "fast_retransmission", "sack_retransmission", "tail_loss_probe",
         "partial_retransmission", "spurious_retransmission", "retransmission"}
FIELDS = ["retransmission", "out_of_order", "duplicate_ack", "zero_window", "keep_alive", "lost_segment"]
MORE = ["fast_retransmission", "spurious_retransmission"]


def theirs(path):
    """packet -> set of FIELDS"""
    command = ["tshark", "-n", "-r", path, "-T", "fields", "-e", "frame.number"]
    for field in FIELDS + MORE:
        command += ["-e", "tcp.analysis." + field]
    said = {}
    for line in subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines():
        number, *values = line.split("\t")
        marks = {f for f, v in zip(FIELDS + MORE, values) if v}
        if marks & set(MORE):
            marks = (marks - set(MORE)) | {"retransmission"}
        said[int(number)] = marks
    return said


def ours(tapdeck, path):
    report = json.loads(subprocess.run([tapdeck, "replay", "-j", path], capture_output=True, text=True, check=True).stdout)
    said = {}
    for packet in report["packets"]:
        marks = set(packet.get("marks", []))
        again = bool(marks & AGAIN)
        marks = (marks - AGAIN) | ({"retransmission"} if again else set())
        said[packet["number"]] = (marks & set(FIELDS), marks, packet)
    return said


def deviation(us, all_marks, them, packet):
    only_us, only_them = us - them, them - us
    reason = packet.get("reason", "")
    if only_them == {"out_of_order"} and only_us == {"retransmission"}:
        return "again"
    if not only_us and "duplicated" in all_marks and only_them <= {"out_of_order", "retransmission"}:
        return "copied"
    if only_us == {"out_of_order"} and only_them == {"retransmission"} and ("is before" in reason or "have heard" in reason):
        return "late"
    if not only_us and only_them == {"keep_alive"} and "window_probe" in all_marks:
        return "probe"
    if only_them == {"duplicate_ack"} and "window_probe_ack" in all_marks:
        return "probe"
    return None


def main():
    wrong, known, both = 0, collections.Counter(), collections.Counter()
    for path in sys.argv[2:]:
        them = theirs(path)
        for number, (us, all_marks, packet) in ours(sys.argv[1], path).items():
            for mark in us & them.get(number, set()):
                both[mark] += 1
            if us == them.get(number, set()):
                continue
            why = deviation(us, all_marks, them[number], packet)
            if why is None:
                wrong += 1
                print(f"{path}, packet {number}: here {sorted(us)} {packet.get('reason', '')}, tshark {sorted(them[number])}")
            else:
                known[why] += 1
    print("both:", ", ".join(f"{k} {n}" for k, n in sorted(both.items())))
    print("known deviations:", ", ".join(f"{k} {n}" for k, n in sorted(known.items())) or "none")
    sys.exit(wrong > 0)


main()

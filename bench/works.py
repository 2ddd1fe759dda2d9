# SPDX-License-Identifier: GPL-2.0-only
"""The work that make bench measures, each with a program of Debian's.

Servers run in the guest, on whichever vCPU its scheduler likes; their clients
in the host, on a pCPU of their own, at the other end of the wire. Both come
from the disk of programs (lab/programs-unpack), which is a root of its own.
What a client says of each operation is put on the host's CLOCK_MONOTONIC.
"""

import collections
import json
import re

from cells import LabError
from irqhop_bench.oracle import ONE_WAY_SHARE

# latencies: [(start ns, latency ns)], of the operations that were answered.
# throughput: {"value", "unit"}, or None.
Outcome = collections.namedtuple("Outcome", "ops lost throughput")
# device: whose interrupts it lives on, as in cells.GUEST_IRQ. share: the part of
# an operation that lies before the interrupt, where the oracle is asked (see
# irqhop_bench/oracle.py).
Work = collections.namedtuple("Work", "device measure share",
                              defaults=(None,))

CLIENT = ("ip netns exec outside taskset -c $CLIENT_CPU "
          "chroot /programs ")
TCP_PORT, UDP_PORT = 5001, 5002
PAGE_BYTES = 1024
VALUE_BYTES = 1024
# Files in /programs/tmp of the guest; nothing is read from a disk later.
SERVERS = f"""
programs-unpack
cd /programs
mkdir -p tmp/www var/run
head -c {PAGE_BYTES} /dev/zero | tr '\\0' x >tmp/www/index.html
cat >tmp/apache.conf <<'END'
ServerRoot /usr/lib/apache2
ServerName l2
Listen 10.99.0.2:80
LoadModule mpm_event_module modules/mod_mpm_event.so
LoadModule authz_core_module modules/mod_authz_core.so
PidFile /tmp/apache.pid
ErrorLog /tmp/apache.log
User #33
Group #33
StartServers 2
ServerLimit 2
ThreadsPerChild 32
MaxRequestWorkers 64
DocumentRoot /tmp/www
END
# Not in a function: its shell would keep this script's output open.
while read -r server; do
    setsid chroot /programs $server </dev/null >>/tmp/servers.log 2>&1 &
done <<'END'
apache2 -f /tmp/apache.conf
memcached -u root -m 16 -t 4 -l 10.99.0.2
iperf3 -s
sockperf server -i 10.99.0.2 -p {TCP_PORT} --tcp
sockperf server -i 10.99.0.2 -p {UDP_PORT}
END
tries=0
until [ "$(netstat -ltun | grep -cE ':(80|11211|5201|5001|5002) ')" -ge 5 ]; do
    tries=$((tries + 1))
    [ $tries -lt 200 ] || {{ cat /tmp/servers.log; netstat -ltun; exit 1; }}
    sleep 0.1
done
"""


def prepare(lab):
    """Start the servers, and have each client talk to its server once."""
    lab.host.guest(SERVERS, stage="starting the guest's servers")


def ping(count):
    """Round trips of ICMP echo, a packet every 2 ms."""
    def measure(lab):
        ops, lost = lab.ping(count)
        return Outcome(ops, lost, None)
    return measure


def client(lab, command, stage, limit=300):
    """What a client prints, that is timed at the other end of the wire."""
    return lab.timed(lambda script, stage: lab.host.run(
        script, limit=limit, stage=stage), command, stage)


def sockperf(options, port, seconds):
    """Requests and responses of 14 bytes, one right after the other."""
    def measure(lab):
        text = client(lab, f"""
{CLIENT}sockperf ping-pong -i $GUEST_IP -p {port} {options} -t {seconds} \
    --no-rdtsc --full-rtt --full-log /tmp/sockperf.csv </dev/null \
    >/tmp/sockperf.out 2>&1 || {{ cat /tmp/sockperf.out; exit 1; }}
cat /programs/tmp/sockperf.csv""", "requests and responses by sockperf")
        lost = re.search(r"# dropped messages = (\d+)", text)
        if not lost:
            raise LabError(f"sockperf does not say what was lost:\n{text}")
        return Outcome(exchanges(text), int(lost[1]), None)
    return measure


def exchanges(log):
    """[(start ns, latency ns)] of sockperf's log."""
    return [(nanoseconds(sent), nanoseconds(received) - nanoseconds(sent))
            for sent, received in re.findall(
                r"^\d+, (\d+\.\d+), (\d+\.\d+), ", log, re.MULTILINE)]


def nanoseconds(seconds):
    """Of "12.345", exactly."""
    whole, _, part = seconds.partition(".")
    return int(whole) * 1_000_000_000 + int(part.ljust(9, "0"))


def ask(count, pause_us, whom):
    """Requests by lab/src/ask.c, which makes pauses."""
    def measure(lab):
        text = client(lab, "ip netns exec outside taskset -c $CLIENT_CPU "
                      f"ask $GUEST_IP {count} {pause_us} {whom}",
                      f"asking {whom}")
        ops = [tuple(map(int, line.split())) for line in text.splitlines()]
        return Outcome(ops, count - len(ops), None)
    return measure


def stream(options, seconds):
    """TCP throughput by iperf3, as the receiver saw it."""
    def measure(lab):
        text = client(lab, f"{CLIENT}iperf3 -c $GUEST_IP -J -t {seconds} "
                      f"{options} </dev/null", "a TCP stream by iperf3")
        received = json.loads(text)["end"]["sum_received"]
        return Outcome([], 0, {"value": round(
            received["bits_per_second"] / 1e6, 3), "unit": "Mbit/s"})
    return measure


# The client's system calls say when each request began and ended. Its own
# record is in whole ms.
CALLS = "/sys/kernel/tracing/instances/client"
CALL = re.compile(
    r" (?P<time>\d+\.\d+): sys_(?P<call>connect|close)\(fd: (?P<fd>\w+)")


def requests(trace):
    """[(start ns, latency ns)]: from each connect to that socket's close."""
    begun, ops = {}, []
    for line in trace.splitlines():
        found = CALL.search(line)
        if not found:
            continue
        time = nanoseconds(found["time"])
        if found["call"] == "connect":
            # A second one asks how the first went.
            begun.setdefault(found["fd"], time)
        elif found["fd"] in begun:
            start = begun.pop(found["fd"])
            ops.append((start, time - start))
    return ops


def figure(text, name):
    """A number that ab prints after these words."""
    found = re.search(rf"^{name}\s+([\d.]+)", text, re.MULTILINE)
    if not found:
        raise LabError(f"ab does not say '{name}':\n{text}")
    return float(found[1])


def apache(count, concurrency):
    """A page of 1 KiB by ab, each by a connection of its own."""
    def measure(lab):
        text = client(lab, f"""
mkdir -p {CALLS}; cd {CALLS}
echo 0 >tracing_on; echo >trace; echo mono >trace_clock
for call in connect close; do
    echo 'COMM == "ab"' >events/syscalls/sys_enter_$call/filter
    echo 1 >events/syscalls/sys_enter_$call/enable
done
echo 1 >tracing_on
{CLIENT}ab -q -s 20 -n {count} -c {concurrency} http://$GUEST_IP/index.html
echo 0 >tracing_on; echo 0 >events/enable
echo ---
cat trace""", "requests to Apache by ab")
        said, _, trace = text.partition("---\n")
        # In the order of their ends; those that it cuts off come last.
        ops = sorted(requests(trace)[:round(figure(said,
                                                   "Complete requests:"))])
        lost = round(figure(said, "Failed requests:"))
        mean = sum(ns for _, ns in ops) / max(1, len(ops)) / 1e6
        own = figure(said, r"Total:\s+\d+")
        if abs(mean - own) > 1 + own / 20:
            raise LabError(f"ab says {own} ms a request, its calls {mean}")
        return Outcome(ops, lost, {
            "value": figure(said, "Requests per second:"), "unit": "ops/s"})
    return measure


def disk(count, access, depth=1, size="4k"):
    """The guest's own reads and writes of its NVMe disk, by fio."""
    def measure(lab):
        ops, lost = lab.nvme(count, access, depth, size)
        return Outcome(ops, lost, size != "4k" and bandwidth(ops, size) or
                       None)
    return measure


def bandwidth(ops, size):
    """What went through in all."""
    span = max(s + l for s, l in ops) - min(s for s, _ in ops)
    return {"value": round(len(ops) * int(size[:-1]) * 8192e3 / span, 3),
            "unit": "Mbit/s"}


WORKS = {
    "ping": Work("ping", ping(600), ONE_WAY_SHARE["ping"]),
    "tcp-rr": Work("ping", sockperf("--tcp", TCP_PORT, 1)),
    "tcp-rr-paced": Work("ping", ask(300, 3000, f"sockperf {TCP_PORT}")),
    "udp-rr": Work("ping", sockperf("", UDP_PORT, 1)),
    "stream-in": Work("ping", stream("", 2)),
    "stream-out": Work("ping", stream("-R", 2)),
    "apache-c1": Work("ping", apache(250, 1)),
    "apache-c8": Work("ping", apache(600, 8)),
    "apache-c32": Work("ping", apache(800, 32)),
    "memcached": Work("ping", ask(800, 0, f"memcached {VALUE_BYTES}")),
    "nvme-read-d1": Work("nvme", disk(500, "randread"),
                         ONE_WAY_SHARE["nvme"]),
    "nvme-read-d4": Work("nvme", disk(2000, "randread", 4)),
    "nvme-read-d32": Work("nvme", disk(4000, "randread", 32)),
    "nvme-write-d1": Work("nvme", disk(500, "randwrite")),
    "nvme-write-d4": Work("nvme", disk(2000, "randwrite", 4)),
    "nvme-write-d32": Work("nvme", disk(4000, "randwrite", 32)),
    "nvme-seq": Work("nvme", disk(1000, "read", 4, "128k")),
}

# SPDX-License-Identifier: GPL-2.0-only
"""What the host does while interrupts hop, and where that leaves them.

Each act checks that it had its effect, and that reads and hops go on after it.
"""

import contextlib
import json

from acts import Act, release
from state import expect, load

# As in l1/host.sh: the guest's pCPUs, and those that nobody has.
SHARED = 2, 3
NOBODYS = 4, 5


# -- what all of them look at -------------------------------------------------


def reads(storm):
    """MSIs of the disk's I/O queues so far."""
    msis = storm.lab.trace.read().msis
    return sum(count for vector, count in msis.items() if vector)


def hops(storm):
    """Hops so far."""
    return 0 if storm.off else storm.lab.stat(storm.guest)["hops"]


def goes_on(storm, when, least_reads=10, least_hops=3):
    """Reads and hops go on from here."""
    if storm.off:
        least_hops = 0
    read, hopped = reads(storm), hops(storm)
    for _ in range(50):
        storm.lab.m.run("sleep 0.1")
        more = reads(storm) - read, hops(storm) - hopped
        if more[0] >= least_reads and more[1] >= least_hops:
            return
    expect(False, f"{when}: {more[0]} reads and {more[1]} hops in 5 s")


def irqhops_own(act):
    """An act that is of no interest where irqhop is never enabled."""
    def do(storm):
        return None if storm.off else act(storm)
    do.__doc__ = act.__doc__
    return do


def tids(storm):
    """The vCPUs' threads, in order."""
    rows = storm.lab.m.run(f"guest_vcpu_tids {storm.guest}").splitlines()
    return [int(row.split()[1]) for row in rows]


def pid(storm):
    """The VMM's process."""
    return int(storm.lab.m.run(f"cat /run/{storm.guest}/pid"))


def last_pcpus(storm):
    """Where each vCPU's thread is or was last."""
    text = storm.lab.m.run(f"""
for tid in $(guest_vcpu_tids {storm.guest} | cut -d" " -f2); do
    sed 's/.*) //' /proc/$tid/stat | cut -d" " -f37
done
""")
    return [int(word) for word in text.split()]


def affinities(storm):
    """Where each vCPU's thread may run; the VMM's others come and go."""
    return storm.lab.m.run("".join(
        f"grep -h Cpus_allowed_list /proc/{pid(storm)}/task/{tid}/status\n"
        for tid in tids(storm)))


def expect_placed(storm, cpus, when):
    """Every vCPU's thread is on one of these pCPUs, or soon will be."""
    for _ in range(20):
        seen = last_pcpus(storm)
        if set(seen) <= set(cpus):
            return
        # One that is preempted moves when it is next to run.
        storm.lab.m.run("sleep 0.05")
    expect(False, f"{when}: vCPUs are on pCPUs {seen}, not {cpus}")


def in_handler(text):
    """The counter, out of irqhop stat --raw."""
    return int(text.split("in_handler=", 1)[1].split()[0])


def all_out(storm, stop, when):
    """Stop every vCPU, which is to bring every interrupt home; one that is
    stopped inside a handler keeps what it has. Return: true if all are home.
    """
    lab = storm.lab
    if storm.off:
        lab.m.run(stop)
        return True
    homes = lab.homes(storm.guest)
    before = in_handler(lab.m.run(f"irqhop stat --raw {storm.guest}\n{stop}"))
    listing = lab.listing(storm.guest)
    expect(set(listing.vcpus.values()) == {"user"},
           f"{when}: vCPUs are {listing.vcpus}")
    kept = {lpi.target for lpi in listing.away()}
    inside = lab.stat(storm.guest)["in_handler"] - before
    expect(len(kept) <= inside,
           f"{when}: {inside} vCPUs left inside a handler; away: "
           + "; ".join(map(str, listing.away())))
    if kept:
        return False
    lab.expect_home(when, storm.guest, listing, homes)
    return True


def stop_and_go(storm, stop, go, when):
    """Stop every vCPU and let them go on, until all were home in between."""
    for turn in range(1, 9):
        home = all_out(storm, stop, when)
        read = reads(storm)
        storm.lab.m.run("sleep 0.05")
        expect(reads(storm) - read <= 1,
               f"{when}: {reads(storm) - read} reads meanwhile")
        storm.lab.m.run(go)
        goes_on(storm, f"{when}, after it")
        if home:
            return f"all home, turn {turn}"
    return expect(False, f"{when}: inside a handler {turn} times in a row")


# -- the VM is stopped and goes on --------------------------------------------


def stop_cont(storm):
    """By the VMM's monitor. With vhost, QEMU takes a packet from the tap each
    time that a VM is stopped, and drops it: so no ping may be on its way."""
    quiet = storm.no_pings if storm.nic == "VHOST" else contextlib.nullcontext
    with quiet():
        return stop_and_go(storm, f"monitor {storm.guest} stop >/dev/null",
                           f"monitor {storm.guest} cont >/dev/null",
                           "VM stopped")


def sigstop(storm):
    """By a signal: the threads leave KVM_RUN and stop."""
    number = pid(storm)
    return stop_and_go(storm, f"""
kill -STOP {number}
stopped() {{ ! grep -h State /proc/{number}/task/*/status | grep -qv T; }}
wait_for 30 stopped || die "the VMM's threads do not stop"
""", f"kill -CONT {number}", "SIGSTOP")


class Group:
    """A cgroup with the VMM in it, or with some of its vCPUs' threads."""

    PATH = "/sys/fs/cgroup/act"
    ROOT = "/sys/fs/cgroup"

    def __init__(self, storm, controllers, threads=None):
        self.storm, self.controllers = storm, controllers.split()
        self.threads = threads
        self.before = affinities(storm)

    def set(self, name, value):
        """Write one of its files."""
        self.storm.lab.m.run(f"echo '{value}' >{self.PATH}/{name}")

    def stat(self, name):
        """One of cpu.stat's numbers."""
        return int(self.storm.lab.m.run(
            f"sed -n 's/^{name} //p' {self.PATH}/cpu.stat"))

    def _control(self, sign):
        return "".join(f"echo {sign}{name} >{self.ROOT}/cgroup.subtree_control"
                       "\n" for name in self.controllers)

    def __enter__(self):
        script = self._control("+") + f"mkdir {self.PATH}\n"
        if self.threads is None:
            script += f"echo {pid(self.storm)} >{self.PATH}/cgroup.procs\n"
        else:
            script += f"echo threaded >{self.PATH}/cgroup.type\n"
            script += "".join(f"echo {tid} >{self.PATH}/cgroup.threads\n"
                              for tid in self.threads)
        self.storm.lab.m.run(script)
        return self

    def __exit__(self, *_):
        self.storm.lab.m.run(
            f"echo {pid(self.storm)} >{self.ROOT}/cgroup.procs\n"
            f"rmdir {self.PATH}\n" + self._control("-"))
        if "cpuset" in self.controllers and release(
                self.storm.lab.m.run("uname -r")) < (6, 2):
            # What a thread was bound to is forgotten there, also of those
            # that are in a group of their own when it gets the controller.
            self.storm.lab.m.run(f"taskset -apc 0 {pid(self.storm)}")
            everybody_back(self.storm)
        after = affinities(self.storm)
        expect(after == self.before, "out of the cgroup, the vCPUs' threads "
               f"may run on\n{after}before:\n{self.before}")


def freezer(storm):
    """By the cgroup's freezer."""
    with Group(storm, "") as group:
        return stop_and_go(storm, f"""
echo 1 >{group.PATH}/cgroup.freeze
frozen() {{ grep -q "frozen 1" {group.PATH}/cgroup.events; }}
wait_for 30 frozen || die "the VMM does not freeze"
""", f"echo 0 >{group.PATH}/cgroup.freeze", "frozen")


# -- where and how much the vCPUs run -----------------------------------------


def throttle(storm):
    """The cgroup's bandwidth is used up again and again."""
    who = storm.rng.choice((None, tids(storm),
                            storm.rng.sample(tids(storm), 1)))
    quota = storm.rng.choice((4000, 10000))
    with Group(storm, "cpu", who) as group:
        # A group has to itself what a single task had: use some of it up.
        group.set("cpu.max", f"{quota} 50000")
        before = group.stat("nr_throttled")
        storm.lab.m.run("sleep 0.5")
        throttled = group.stat("nr_throttled") - before
        expect(throttled >= 3, f"throttled {throttled} times only")
        goes_on(storm, "throttled")
    goes_on(storm, "not throttled any more")
    return (f"{'VMM' if who is None else len(who)}: {quota / 500:.0f} %, "
            f"throttled {throttled} times in 0.5 s")


def cpuset(storm):
    """From one cpuset to the next, as a whole and by threads."""
    places = [(4, 5), (2,), (5,), (1, 2, 3, 4, 5), (3, 4)]
    storm.rng.shuffle(places)
    whole = storm.rng.random() < 0.5
    with Group(storm, "cpuset", None if whole else tids(storm)) as group:
        for place in places[:2]:
            cpus = ",".join(map(str, place))
            group.set("cpuset.cpus", cpus)
            storm.lab.m.run("sleep 0.05")
            expect_allowed(storm, place, f"cpuset {cpus}")
            expect_placed(storm, place, f"cpuset {cpus}")
            # Alone there, nobody is preempted.
            goes_on(storm, f"cpuset {cpus}",
                    least_hops=0 if len(place) >= storm.vcpus else 3)
    expect_placed(storm, SHARED, "out of the cpuset")
    goes_on(storm, "out of the cpuset")
    return ("VMM: " if whole else "threads: ") + " ".join(
        ",".join(map(str, place)) for place in places[:2])


def allowed(storm):
    """The sets of pCPUs that vCPUs' threads may run on."""
    text = storm.lab.m.run("".join(
        f"taskset -p {tid}\n" for tid in tids(storm)))
    return {int(line.split()[-1], 16) for line in text.splitlines()}


def expect_allowed(storm, cpus, when):
    """No vCPU's thread may run anywhere else."""
    mask = sum(1 << cpu for cpu in cpus)
    masks = allowed(storm)
    expect(masks and not any(seen & ~mask for seen in masks),
           f"{when}: threads may run on {[hex(seen) for seen in masks]}")


def one_pcpu(storm):
    """All vCPUs share one pCPU for a while."""
    cpu = storm.rng.choice(SHARED + NOBODYS)
    load.place_guest(storm.lab.m, f"{cpu}-{cpu}", storm.guest)
    expect_placed(storm, (cpu,), "one pCPU")
    goes_on(storm, f"all on pCPU {cpu}")
    load.place_guest(storm.lab.m, "2-3", storm.guest)
    goes_on(storm, "on two pCPUs again")
    return f"all on pCPU {cpu}"


def affinity(storm):
    """Each vCPU's thread somewhere else, and again."""
    threads = tids(storm)
    for turn in range(4):
        places = [storm.rng.sample(range(1, 6), storm.rng.randint(1, 2))
                  for _ in threads]
        storm.lab.m.run("".join(
            f"taskset -pc {','.join(map(str, place))} {tid} >/dev/null\n"
            for tid, place in zip(threads, places)) + "sleep 0.06")
    for thread, (seen, place) in enumerate(zip(last_pcpus(storm), places)):
        expect(seen in place, f"vCPU {thread} is on {seen}, not {place}")
    goes_on(storm, "wherever they are", least_hops=0)
    load.place_guest(storm.lab.m, "2-3", storm.guest)
    expect_placed(storm, SHARED, "back")
    goes_on(storm, "back")
    return f"{turn + 1} times"


def ran(storm, vcpu, seconds):
    """The share of the time that a vCPU's thread runs, by the scheduler."""
    path = f"/proc/{tids(storm)[vcpu]}/schedstat"
    look = f"cut -d' ' -f1 /proc/uptime; cut -d' ' -f1 {path}"
    words = storm.lab.m.run(f"{look}; sleep {seconds}; {look}").split()
    return (int(words[3]) - int(words[1])) / (
        1e9 * (float(words[2]) - float(words[0])))


def sched_class(storm):
    """One vCPU's thread is in another scheduling class for a while."""
    vcpu = storm.rng.randrange(storm.vcpus)
    tid = tids(storm)[vcpu]
    name, option, least, most = storm.rng.choice((
        ("SCHED_FIFO", "-f -p 1", 0.7, 1.2),
        ("SCHED_RR", "-r -p 1", 0.7, 1.2),
        ("SCHED_IDLE", "-i -p 0", 0, 0.2),
        ("SCHED_BATCH", "-b -p 0", 0, 1.2)))
    storm.lab.m.run(f"chrt {option} {tid}")
    try:
        expect(name in storm.lab.m.run(f"chrt -p {tid}"), f"not {name}")
        share = ran(storm, vcpu, 0.2)
        expect(least <= share <= most,
               f"vCPU {vcpu} in {name}: ran for {share:.0%}")
        # Who is on the same pCPU has what a real-time task leaves. If that is
        # a vCPU in a handler, all interrupts may be waiting for it.
        goes_on(storm, name, least_hops=1,
                least_reads=0 if name in ("SCHED_FIFO", "SCHED_RR") else 1)
    finally:
        storm.lab.m.run(f"chrt -o -p 0 {tid}")
    goes_on(storm, f"after {name}")
    return f"vCPU {vcpu} in {name}: ran for {share:.0%}"


def set_nice(storm, tid, level):
    """A thread's nice value, whatever it was: renice -n adds."""
    storm.lab.m.run(f"renice {level} -p {tid}\n"
                    f"set -- $(sed 's/.*) //' /proc/{tid}/stat)\n"
                    f"[ ${{17}} = {level} ]", stage=f"nice {level}")


def nice(storm):
    """One vCPU's thread gets more than its share, or less."""
    vcpu = storm.rng.randrange(storm.vcpus)
    tid = tids(storm)[vcpu]
    level, least, most = storm.rng.choice(((-20, 0.4, 1.2), (19, 0, 0.2)))
    set_nice(storm, tid, level)
    try:
        # What it had too much, or too little, until then is settled first.
        storm.lab.m.run("sleep 0.2")
        share = ran(storm, vcpu, 0.2)
        goes_on(storm, f"nice {level}", least_reads=1)
    finally:
        set_nice(storm, tid, 0)
    expect(least <= share <= most,
           f"vCPU {vcpu}, nice {level}: ran for {share:.0%}")
    goes_on(storm, "nice 0")
    return f"vCPU {vcpu}, nice {level}: ran for {share:.0%}"


# -- pCPUs go and come --------------------------------------------------------


def online(storm, cpu, on):
    """Take a pCPU out, or back in."""
    path = f"/sys/devices/system/cpu/cpu{cpu}/online"
    storm.lab.m.run(f"echo {on} >{path}; [ $(cat {path}) = {on} ]",
                    stage=f"pCPU {cpu} {'online' if on else 'offline'}")


def everybody_back(storm):
    """Where the last pCPU of a mask goes, the kernel widens the mask."""
    storm.short_slices()
    load.place_guest(storm.lab.m, "2-3", storm.guest)
    # At rest: they follow one another, and who comes has its parent's mask.
    storm.neighbours(False)
    storm.lab.m.run("for tid in $(pgrep -x neighbour); do "
                    "taskset -pc $SHARED_CPUS $tid >/dev/null || :; done")
    storm.neighbours(True)


def pcpu_offline(storm):
    """One of the guest's pCPUs, and one of nobody's, again and again."""
    mine, other = storm.rng.choice(SHARED), storm.rng.choice(NOBODYS)
    for _ in range(3):
        load.place_guest(storm.lab.m, "2-3", storm.guest)
        seen = last_pcpus(storm)
        expect(mine in seen, f"vCPUs are on pCPUs {seen}, none on {mine}")
        for cpu in (mine, other):
            online(storm, cpu, 0)
        storm.lab.m.run(f"sleep 0.0{storm.rng.randrange(1, 9)}")
        seen = last_pcpus(storm)
        expect(mine not in seen, f"pCPU {mine} is gone, vCPUs are on {seen}")
        for cpu in (mine, other):
            online(storm, cpu, 1)
    everybody_back(storm)
    goes_on(storm, f"pCPUs {mine} and {other} are back")
    return f"3 times: {mine} and {other}"


def pcpus_offline(storm):
    """All of the guest's pCPUs, one after the other."""
    order = storm.rng.sample(SHARED, 2)
    for cpu in order:
        online(storm, cpu, 0)
    expect(not set(last_pcpus(storm)) & set(SHARED),
           f"vCPUs are still on pCPUs {last_pcpus(storm)}")
    goes_on(storm, "without its pCPUs", least_hops=0)
    for cpu in storm.rng.sample(SHARED, 2):
        online(storm, cpu, 1)
    everybody_back(storm)
    expect_placed(storm, SHARED, "its pCPUs are back")
    goes_on(storm, "its pCPUs are back")
    return "gone: " + " ".join(map(str, order))


# -- irqhop's own -------------------------------------------------------------


@irqhops_own
def disable_enable(storm):
    """Disable, look, enable; three times."""
    for turn in range(3):
        storm.lab.m.run(f"irqhop disable {storm.guest}")
        expect(not storm.enabled(), "still enabled")
        storm.lab.expect_home(f"disabled, turn {turn}", storm.guest)
        storm.enable()
        goes_on(storm, "enabled again")
    return "3 times"


@irqhops_own
def reload_module(storm):
    """The module is unloaded and loaded again."""
    storm.lab.m.run("rmmod irqhop")
    storm.lab.m.run("insmod /lab/irqhop-test.ko")
    storm.lab.expect_home("unloaded", storm.guest)
    storm.enable()
    goes_on(storm, "loaded again")


def settings(storm):
    """Policy, return rule and bound of the guest, by irqhop policy."""
    return json.loads(storm.lab.m.run(f"irqhop policy --json {storm.guest}"))


@irqhops_own
def policies(storm):
    """From one policy to the next, with this return rule or that."""
    names = ["recent", "summon", "donate", "spread", "sticky", "home"]
    known = [rule for rule in ("", "eager", "lazy", "never")
             if rule != "eager" or storm.policy == "storm"]
    rules = {name: storm.rng.choice(known) for name in names}
    storm.rng.shuffle(names)
    for name in names:
        rule = f"--return {rules[name]} " if rules[name] else ""
        storm.lab.m.run(f"irqhop policy {rule}{storm.guest} {name}")
        said = settings(storm)
        expect(said["policy"] == name and
               (not rule or said["return"] == rules[name]),
               f"irqhop policy {rule}{name}: {said}")
        if name == "home":
            storm.lab.expect_home("policy home", storm.guest)
            before = hops(storm)
        goes_on(storm, f"policy {name} {rule}",
                least_hops=0 if name == "home" else 3)
        if name == "home":
            expect(hops(storm) == before, "policy home hops")
    storm.lab.m.run(f"irqhop policy {storm.guest} {storm.policy}")
    goes_on(storm, f"policy {storm.policy}")
    return ", ".join(f"{name} {rules[name]}".strip() for name in names)


@irqhops_own
def max_hops(storm):
    """Few hops a second, and then as before."""
    bound = storm.rng.choice((20, 50))
    usual = settings(storm)["max_hops"]
    name = storm.guest
    storm.lab.m.run(f"irqhop policy --max-hops {bound} {name}")
    text = storm.lab.m.run(f"""
look() {{ cut -d" " -f1 /proc/uptime; irqhop stat --raw {name} |
    sed -n 's/^hops=//p; s/^over_bound=//p'; }}
held() {{ ! irqhop stat --raw {name} | grep -qx over_bound=$1; }}
set -- $(look)
# Once a hop is held back, what may follow at once is used up.
wait_for 50 held $3 || die "no hop was held back"
look
sleep 0.4
look
""").split()
    first, last = text[:3], text[3:]
    made = int(last[1]) - int(first[1])
    seconds = float(last[0]) - float(first[0])
    storm.lab.m.run(f"irqhop policy --max-hops {usual} {name}")
    most = bound * (seconds + 0.1) + 1
    expect(made <= most, f"{made} hops in {seconds} s, {most:.0f} allowed")
    goes_on(storm, "with the usual bound", least_hops=bound)
    return f"{made} hops in {seconds:.2f} s, {bound} a second allowed"


# -- VMs and devices go and come ----------------------------------------------


BESIDE = """
rm -rf /run/beside
mkdir -p /run/beside
setsid qemu-system-aarch64 -name beside -M virt,gic-version=3,its=on \\
    -accel kvm -cpu host -smp 2 -m 128 -nodefaults -display none -S \\
    -kernel /lab/Image -append console=ttyAMA0 \\
    -serial file:/run/beside/console.log -pidfile /run/beside/pid \\
    -chardev socket,id=mon,path=/run/beside/monitor,server=on,wait=off \\
    -mon chardev=mon,mode=readline </dev/null >/run/beside/log 2>&1 &
set_up() { monitor beside "info status" 2>/dev/null | grep paused >/dev/null; }
wait_for 100 set_up || die "no VM: $(cat /run/beside/log)"
"""


@irqhops_own
def enable_beside(storm):
    """A VM without devices is started, enabled as soon as it runs and not
    before, and killed."""
    lab = storm.lab
    lab.m.run(BESIDE)
    load.place_guest(lab.m, "2-3", "beside")
    status, text = lab.m.script("irqhop enable beside")
    expect(status and "it has not run" in text,
           f"enabled before it ran: status {status}, {text}")
    lab.m.run("enabled() { irqhop enable --policy storm beside 2>/dev/null; }\n"
              "monitor beside cont >/dev/null\n"
              "wait_for 100 enabled || irqhop enable beside\nsleep 0.3")
    times = lab.listing("beside").times
    expect(times[0]["running"] > 0, f"it did not run: {times}")
    lab.m.run("kill -9 $(cat /run/beside/pid); rm -r /run/beside")
    lab.wait_gone(1)
    listed = lab.m.run("irqhop list").splitlines()
    expect(len(listed) == 2, "the VM was killed: " + "\n".join(listed))
    goes_on(storm, "alone again")
    return f"it ran for {times[0]['running'] / 1e6:.0f} ms"


def new_guest(storm, devices):
    """Boot a guest in place of one that is gone, and enable."""
    # A boot among neighbours takes minutes.
    storm.neighbours(False)
    storm.lab.boot_guests({storm.guest: devices})
    storm.neighbours(True)
    storm.guest_new()
    storm.lab.expect_home("a new guest", storm.guest)
    storm.enable()


def kill(storm):
    """The VMM is killed, and another guest started."""
    lab, name = storm.lab, storm.guest
    expect(storm.off or storm.enabled(), "not enabled")
    devices = lab.guests[name]
    lab.end_guest(name)
    listed = lab.m.run("irqhop list").splitlines()
    expect(len(listed) == 1, "the VMM was killed: " + "\n".join(listed))
    new_guest(storm, devices)


# The VMM asks the guest for the disk, by the button of its slot, and the guest
# waits five seconds for a second thought. So the slot is told at once.
DISK = """
device=$NVME id=${{NVME##*:}} name={name}
monitor $name "info qtree" | grep "id \\"dev-$id\\"" >/dev/null ||
    die "the disk is in no slot of $name"
power_off()
{{
    guest $name <<'END'
for slot in /sys/bus/pci/slots/*; do
    read -r address <$slot/address
    [ ! -d /sys/bus/pci/devices/$address.0/nvme ] || echo 0 >$slot/power
done
END
}}
"""
TAKE_OUT = {
    "device_del": """
monitor $name "device_del dev-$id" >/dev/null
power_off
gone() { ! monitor $name "info qtree" | grep "id \"dev-$id\"" >/dev/null; }
wait_for 60 gone || die "$name does not give the disk back"
""",
    # Waits until the VMM has closed the device; the kernel asks it to.
    "unbind": """
echo $device >/sys/bus/pci/drivers/vfio-pci/unbind &
sleep 0.3
kill -0 $! || die "unbound while in use"
power_off
gone() { ! kill -0 $! 2>/dev/null; }
wait_for 60 gone || die "$name does not give the disk back"
echo $device >/sys/bus/pci/drivers_probe
"""}
PUT_BACK = """
name={name} id=${{NVME##*:}}
monitor $name "device_add vfio-pci,host=$NVME,id=dev-$id,bus=port-$id" |
    grep Error && exit 1
guest $name <<'END'
for slot in /sys/bus/pci/slots/*; do
    # One that has its power already says so.
    echo 1 >$slot/power || :
done 2>/dev/null
n=0
until [ -b /dev/nvme0n1 ]; do
    sleep 0.1
    n=$((n + 1))
    [ $n -lt 200 ] || {{ dmesg | tail; exit 7; }}
done
END
"""


def disk_lpis(storm):
    """INTIDs of the disk's interrupts."""
    return storm.lab.intids("NVME", storm.guest)


def expect_there(storm, count, when):
    """So many interrupts, by irqhop, by the guest's will, and by what
    delivers them; delivered as they should be."""
    lab, name = storm.lab, storm.guest
    listing, homes = lab.listing(name), lab.homes(name)
    listed, delivered = {lpi.intid for lpi in listing.lpis}, lab.hardware(name)
    wrong = lab.misdelivered(listing, name)
    expect(listed == set(homes) == set(delivered) and len(listed) == count,
           f"{when}: {count} LPIs expected; by irqhop {listed}, by the "
           f"guest's will {homes}, delivered {delivered}")
    expect(not wrong, f"{when}: delivered otherwise: {', '.join(wrong)}")


def take_out(storm, way):
    """The disk is taken out of the guest, and plugged in again."""
    lab, name = storm.lab, storm.guest
    disk, count = disk_lpis(storm), len(lab.homes(name))
    expect(disk, "before: the disk has no interrupt")
    before = hops(storm)
    lab.m.run(DISK.format(name=name) + TAKE_OUT[way],
              stage=f"taking the disk out by {way}")
    expect(not disk_lpis(storm), f"out by {way}: still {disk_lpis(storm)}")
    expect_there(storm, count - len(disk), f"out by {way}")
    lab.m.run(PUT_BACK.format(name=name), stage="putting the disk back in")
    expect_there(storm, count, "back in")
    lab.m.run(f"irqhop verify {name}")
    made = hops(storm) - before
    expect(storm.off or made > 10, f"{made} hops meanwhile")
    return f"{len(disk)} interrupts; {made} hops meanwhile"


def unplug(storm):
    """Its user asks the VMM for the disk."""
    return take_out(storm, "device_del")


def unbind(storm):
    """The host's administrator takes the disk from its driver, which waits
    until the guest has given it back."""
    return take_out(storm, "unbind")


ACTS = (
    Act("stop-cont", stop_cont, True, 5,
        "the VMM's monitor stops the VM and lets it go on"),
    Act("sigstop", sigstop, True, 5, "SIGSTOP to the VMM, SIGCONT"),
    Act("freezer", freezer, True, 5, "the VMM's cgroup is frozen, thawed"),
    Act("throttle", throttle, True, 5,
        "the VMM's cgroup, or a vCPU's, uses up its bandwidth"),
    Act("cpuset", cpuset, True, 5, "from one cpuset to the next"),
    Act("one-pcpu", one_pcpu, True, 5, "all vCPUs on one pCPU"),
    Act("affinity", affinity, True, 5, "vCPUs' threads by taskset"),
    Act("sched-class", sched_class, True, 5,
        "a vCPU's thread in another scheduling class"),
    Act("nice", nice, True, 3, "a vCPU's thread at nice -20 and 19"),
    Act("pcpu-offline", pcpu_offline, True, 5,
        "a pCPU goes offline and comes back"),
    Act("pcpus-offline", pcpus_offline, True, 3,
        "all of the guest's pCPUs go offline and come back"),
    Act("disable-enable", disable_enable, True, 5, "disabled, enabled"),
    Act("policies", policies, True, 5, "policies and return rules"),
    Act("max-hops", max_hops, True, 3, "few hops a second are allowed"),
    Act("reload-module", reload_module, True, 3,
        "the module is unloaded and loaded"),
    Act("enable-beside", enable_beside, True, 1,
        "another VM is started, enabled, killed"),
    Act("unplug", unplug, False, 1,
        "the disk is taken out of the guest and put in again"),
    Act("unbind", unbind, False, 1,
        "the disk's driver in the host lets go of it while it is in use"),
    Act("kill", kill, False, 1, "the VMM is killed, another guest started"),
)

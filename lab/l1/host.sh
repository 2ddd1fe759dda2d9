# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# What can be done in the emulated host (L1). Sourced by each script that comes
# over the control port.
#
# pCPUs: 0 the VMM's other threads and the rest; 1 the outside client; 2 and 3
# the guest, oversubscribed; 2 to 5 the guest, alone.

SHARED_CPUS=2-3
CLIENT_CPU=1
NVME=0000:00:05.0
NIC=0000:00:06.0
OUTSIDE_NIC=0000:00:07.0
# Devices that are the VMM's or the host kernel's own; see guest_device().
VHOST=vhost-net
VDISK=virtio-blk
GUEST_IP=10.99.0.2

die()
{
	echo "lab: $*" >&2
	exit 1
}

# wait_for SECONDS COMMAND...: an idle host races through virtual time, so the
# limit is generous and the real one is the lab's own.
wait_for()
{
	limit=$(($1 * 10))
	shift
	tries=0
	until "$@"; do
		tries=$((tries + 1))
		[ "$tries" -lt "$limit" ] || return 1
		sleep 0.1
	done
}

# disk SERIAL: the device of one of the disks that not every machine has.
disk()
{
	found=$(grep -lx "$1" /sys/block/vd*/serial) || die "no disk $1"
	found=${found%/serial}
	echo "/dev/${found##*/}"
}

devices_setup()
{
	for device in $NVME $NIC; do
		[ ! -e /sys/bus/pci/devices/$device/driver ] ||
			echo $device >/sys/bus/pci/devices/$device/driver/unbind
		echo vfio-pci >/sys/bus/pci/devices/$device/driver_override
		echo $device >/sys/bus/pci/drivers_probe
	done
	nic=$(ls /sys/bus/pci/devices/$OUTSIDE_NIC/net)
	[ -n "$nic" ] || die "the outside client has no network interface"
	ip netns add outside
	ip link set "$nic" netns outside name eth0
	ip -n outside link set lo up
	ip -n outside addr add 10.99.0.1/24 dev eth0
	ip -n outside link set eth0 up
	for irq in $(ls /sys/bus/pci/devices/$OUTSIDE_NIC/msi_irqs); do
		echo $CLIENT_CPU >/proc/irq/"$irq"/smp_affinity_list
	done
}

# guest_device NAME VCPUS DEVICE PLACE: the VMM's options for a device. A PCI
# address is passed through. $VHOST is a virtio NIC with vhost in the host's
# kernel, $VDISK a virtio disk whose queues the VMM serves on a thread of its
# own: the interrupts of both are injected, by irqfd. Both have a queue for each
# vCPU.
guest_device()
{
	case $3 in
	"$VHOST")
		echo "-netdev tap,id=vhost,ifname=tap-$1,script=no,\
downscript=no,vhost=on,queues=$2 -device virtio-net-pci,netdev=vhost,mq=on,\
vectors=$((2 * $2 + 2)),romfile=,mac=52:54:00:00:02:01$4"
		;;
	"$VDISK")
		echo "-object iothread,id=vdisk -blockdev driver=null-co,\
node-name=null,size=1073741824,read-zeroes=on -device virtio-blk-pci,drive=null,\
iothread=vdisk,num-queues=$2$4"
		;;
	*)
		echo "-device vfio-pci,host=$3$4"
		;;
	esac
}

# guest_wire NAME: the other end of the guest's virtio NIC is the outside
# client's; a guest has one NIC, so that its address is the same on any wire.
#
# The VMM has to have opened all queues: one that it opens by name when the tap
# is gone is a tap of its own, with no wire. Its monitor answers after that.
guest_wire()
{
	opened() { monitor "$1" "info status" 2>&1 | grep -q "VM status"; }
	wait_for 100 opened "$1" || die "guest $1 has no monitor"
	ip link set "tap-$1" netns outside
	ip -n outside link set "tap-$1" up
	ip -n outside route add $GUEST_IP dev "tap-$1"
	[ ! -e "/sys/class/net/tap-$1" ] || die "guest $1 has two taps"
}

# guest_start NAME VCPUS DEVICE...: a guest with these devices; its console and
# control port are sockets under /run/NAME. Variables:
# GUEST_MEMORY in MB, GUEST_APPEND to the kernel's command line. GUEST_REBOOTS:
# its reset is no end of it, and it has two disks, the kernel's image (vda) and
# the initrd (vdb), for kexec. GUEST_HOTPLUG: each device has a slot that it can
# be taken out of; slots have no MSIs, which would be injected. GUEST_PROGRAMS:
# it has the disk with the benchmark's programs. GUEST_STATE: what guest_save()
# has saved of this guest; it is restored, and stays paused.
guest_start()
{
	name=$1 vcpus=$2
	shift 2
	# What an earlier guest of that name said is not to be taken for this
	# one's.
	rm -rf "/run/$name"
	mkdir -p "/run/$name"
	devices=
	slot=0
	for device in "$@"; do
		place=
		if [ -n "${GUEST_HOTPLUG-}" ]; then
			place=",id=dev-${device##*:},bus=port-${device##*:}"
			slot=$((slot + 1))
			devices="$devices -device pcie-root-port,\
id=port-${device##*:},chassis=$slot,slot=$slot"
		fi
		devices="$devices $(guest_device "$name" "$vcpus" "$device" \
			"$place")"
	done
	reset=-no-reboot
	disks=
	if [ -n "${GUEST_PROGRAMS-}" ]; then
		disks="-device virtio-blk-device,drive=programs,serial=programs \
-drive if=none,id=programs,format=raw,readonly=on,file=$(disk programs)"
	fi
	if [ -n "${GUEST_REBOOTS-}" ]; then
		reset=
		for file in l2-initrd Image; do
			reset="$reset -device virtio-blk-device,drive=$file \
-drive if=none,id=$file,format=raw,readonly=on,file=/lab/$file"
		done
	fi
	# shellcheck disable=SC2086
	setsid qemu-system-aarch64 -name "$name,debug-threads=on" \
		-M virt,gic-version=3,its=on -accel kvm -cpu host \
		-smp "$vcpus" -m "${GUEST_MEMORY-512}" -nodefaults \
		-display none $reset $disks \
		-kernel /lab/Image -initrd /lab/l2-initrd \
		-append "console=ttyAMA0 quiet panic=-1 audit=0 mitigations=off \
rcupdate.rcu_cpu_stall_timeout=60 ${GUEST_HOTPLUG:+pcie_pme=nomsi} \
${GUEST_APPEND-}" \
		-chardev "socket,id=con,path=/run/$name/console,server=on,\
wait=off,logfile=/run/$name/console.log" -serial chardev:con \
		-device virtio-serial-device \
		-chardev "socket,id=ctl,path=/run/$name/agent,server=on,\
wait=off" -device virtserialport,chardev=ctl,name=lab.agent \
		-chardev "socket,id=mon,path=/run/$name/monitor,server=on,\
wait=off" -mon chardev=mon,mode=readline \
		-pidfile "/run/$name/pid" -net none $devices \
		${GUEST_STATE:+-incoming "exec:cat $GUEST_STATE"} \
		</dev/null >"/run/$name/log" 2>&1 &
	case " $* " in
	*" $VHOST "*)
		guest_wire "$name"
		;;
	esac
	if [ -n "${GUEST_STATE-}" ]; then
		restored()
		{
			monitor "$1" "info status" | grep "VM status: paused" |
				grep -qv inmigrate
		}
		wait_for 3000 restored "$name" ||
			die "guest $name was not restored"
		return
	fi
	wait_for 3000 grep -qs "lab: L2 is up" "/run/$name/console.log" ||
		die "guest $name did not come up"
}

# guest_save NAME FILE: save a guest that is paused there, and end its VMM.
# Devices that are passed through cannot be saved.
guest_save()
{
	monitor "$1" "migrate -d \"exec:cat >$2\"" >/dev/null
	# QEMU 7.2 and 10.0 say "Migration status: completed", 11 "Status:" and
	# blanks.
	saved()
	{
		monitor "$1" "info migrate" |
			grep -qi "status:[[:space:]]*completed"
	}
	wait_for 600 saved "$1" ||
		die "guest $1 is not saved: $(monitor "$1" "info migrate")"
	kill -9 "$(cat "/run/$1/pid")"
}

# guest NAME: run the script on standard input in the guest.
guest()
{
	agent call "/run/$1/agent"
}

# stuck: how things stand where a script does not end.
stuck()
{
	cat /proc/uptime
	ps -o pid,ppid,stat,args
	for pid in $(pgrep -x agent) $(cat /run/*/pid); do
		for task in /proc/"$pid"/task/*; do
			echo "== $pid $(cat "$task/comm"): $(cat "$task/wchan")" \
				"$(cat "$task/schedstat")"
			cat "$task/stack"
		done
	done
	for socket in /run/*/console.log; do
		echo "== $socket"
		tail -n 40 "$socket"
	done
	# Who is connected with whom.
	cat /proc/net/unix
	irqhop list
	for pid in $(cat /run/*/pid); do
		irqhop list "$pid"
		irqhop stat --raw "$pid"
	done
	tail -n +1 /sys/kernel/debug/kvm/*-*/vgic-state
	dmesg | tail -n 40
}

# monitor NAME COMMAND: a line for the VMM's monitor; prints what it answers.
monitor()
{
	(
		echo "$2"
		sleep 0.1
	) | socat - "UNIX-CONNECT:/run/$1/monitor"
}

guest_vcpu_tids()
{
	pid=$(cat "/run/$1/pid")
	for task in /proc/"$pid"/task/*; do
		read -r comm <"$task/comm"
		case $comm in
		"CPU "*"/KVM")
			index=${comm#CPU }
			echo "${index%/KVM} ${task##*/}"
			;;
		esac
	done | sort -n
}

# guest_place NAME CPUS: the vCPU threads float on these pCPUs.
guest_place()
{
	guest_vcpu_tids "$1" | while read -r _ tid; do
		taskset -pc "$2" "$tid" >/dev/null
	done
}

# neighbours N [CPUS [serve]]: N neighbours on the pCPUs that the guest shares;
# see neighbour.c. What CPU time they get is told by a cgroup of theirs, which
# has no controller and so changes nothing.
neighbours()
{
	n=0
	group=/sys/fs/cgroup/neighbours
	mkdir -p $group
	rm -f /run/neighbour.*
	while [ $n -lt "$1" ]; do
		# shellcheck disable=SC2016 # that shell's own variables
		setsid sh -c 'echo $$ >$0/cgroup.procs; exec "$@"' $group \
			taskset -c "${2-$SHARED_CPUS}" neighbour $n \
			${3:+/run/neighbour.$n} </dev/null >/dev/null 2>&1 &
		n=$((n + 1))
	done
}

# neighbours_usec: the CPU time that all neighbours so far have had.
neighbours_usec()
{
	mkdir -p /sys/fs/cgroup/neighbours
	sed -n "s/^usage_usec //p" /sys/fs/cgroup/neighbours/cpu.stat
}

# filler CPU...: keep what would idle busy, in the idle class, so that every
# condition runs on the same share of the instruction clock.
filler()
{
	for cpu in "$@"; do
		setsid taskset -c "$cpu" chrt -i 0 filler </dev/null \
			>/dev/null 2>&1 &
	done
}

# stop_all NAME...: end all programs of these names, and see that they are gone.
stop_all()
{
	for name in "$@"; do
		# Not those that are dead and only wait for PID 1 to notice.
		while pids=$(pgrep -x -r D,R,S,T "$name"); do
			# One that was told before may be gone by now.
			kill -9 $pids 2>/dev/null || :
			sleep 0.01
		done
	done
}

direct_counts()
{
	awk '/vfio-msi/ { for (i = 2; i <= NF && $i ~ /^[0-9]+$/; i++)
		n += $i } END { print n + 0 }' /proc/interrupts
}

# tracer PROGRAM ARGUMENT...: perf, trace-cmd or bpftrace, where their disk is
# there, with the libraries that came with them.
tracer()
{
	LD_LIBRARY_PATH=/tracers/usr/lib/aarch64-linux-gnu /tracers/usr/bin/"$@"
}

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Takes the build directory.
#
# The tool from end to end, without the module:
# the real one on this machine, for what does not depend on a module; and the
# same objects with a made-up host and module beneath them (fake.c).

set -u
export LC_ALL=C

build=${1:?"usage: run.sh BUILD"}
irqhop=$build/irqhop
fake=$build/test/irqhop-fake
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
chmod 755 "$tmp"

tests=0
failed=0
status=0

result() # OK TEXT
{
	tests=$((tests + 1))
	if [ "$1" = 1 ]; then
		echo "ok $tests - $2"
		return
	fi
	failed=$((failed + 1))
	echo "not ok $tests - $2"
	echo "# status $status"
	sed 's/^/# out: /' "$tmp/out"
	sed 's/^/# err: /' "$tmp/err"
}

skip() # TEXT REASON
{
	tests=$((tests + 1))
	echo "ok $tests - $1 # SKIP $2"
}

run() # COMMAND...
{
	status=0
	"$@" >"$tmp/out" 2>"$tmp/err" </dev/null || status=$?
}

# Runs a command, which has to end with STATUS and say what matches OUT and ERR
# (extended regular expressions on a line; "-": nothing at all; "": anything).
try() # TEXT STATUS OUT ERR COMMAND...
{
	local text=$1 want=$2 out=$3 err=$4 good=1

	shift 4
	run "$@"
	[ "$status" = "$want" ] || good=0
	said "$out" "$tmp/out" || good=0
	said "$err" "$tmp/err" || good=0
	result "$good" "$text"
}

said() # PATTERN FILE
{
	if [ "$1" = - ]; then
		[ ! -s "$2" ]
	else
		[ -z "$1" ] || grep -Eq -e "$1" "$2"
	fi
}

# What the last command wrote.
out_is() # TEXT LINES
{
	if [ "$(cat "$tmp/out")" = "$2" ]; then
		result 1 "$1"
	else
		result 0 "$1"
	fi
}

one_line_error() # TEXT
{
	if [ "$(wc -l <"$tmp/err")" = 1 ] && grep -q '^irqhop: ' "$tmp/err"
	then
		result 1 "$1"
	else
		result 0 "$1"
	fi
}

usage()
{
	try "--help" 0 '^Usage: .*irqhop .*COMMAND' - "$irqhop" --help
	try "--help names the commands" 0 '^  disable ' - "$irqhop" --help
	try "--version" 0 '^irqhop [0-9]+\.[0-9]+' - "$irqhop" --version
	try "no command" 2 - 'a command is needed' "$irqhop"
	try "unknown command" 2 - "no command 'hop'" "$irqhop" hop
	try "unknown option" 2 - 'unrecognized option' "$irqhop" --hop
	try "unknown option of a command" 2 - 'unrecognized option' \
		"$irqhop" list --hop
	for command in check list enable disable stat; do
		try "$command --help" 0 "^Usage: irqhop $command" - \
			"$irqhop" "$command" --help
	done
	try "enable without a VM" 2 - 'name a VM' "$irqhop" enable
	try "disable without a VM" 2 - 'name a VM' "$irqhop" disable
	try "enable a VM and --all" 2 - 'either' "$irqhop" enable --all 1
	try "disable takes no policy" 2 - 'unrecognized option' \
		"$irqhop" disable --policy recent 1
	try "a policy that is too long" 2 - 'no policy' \
		"$irqhop" enable --policy 0123456789abcdef 1
	try "list with two VMs" 2 - 'Too many arguments' "$irqhop" list 1 2
	try "stat with two VMs" 2 - 'Too many arguments' "$irqhop" stat 1 2
	try "check with an argument" 2 - 'Too many arguments' "$irqhop" check 1
	for sec in 0 -1 x 1x nan inf ''; do
		try "stat --interval '$sec'" 2 - 'not a number' \
			"$irqhop" stat --interval "$sec"
	done
	for n in 0 -1 x 99999999999999999999 ''; do
		try "stat --count '$n'" 2 - 'not a number' \
			"$irqhop" stat --count "$n"
	done
}

# This machine, with no module.
real()
{
	if [ -e /sys/module/irqhop ]; then
		skip "without the module" "it is loaded"
		return
	fi
	try "check fails without the module" 1 \
		"^missing +module .*modprobe irqhop" - "$irqhop" check
	try "check sums up" 1 '^no +redirect +not possible now' - \
		"$irqhop" check
	try "check names the machine" 1 "^(ok|no) +architecture +$(uname -m)" \
		- "$irqhop" check
	try "list works without the module" 0 '^ +PID +VCPUS' '' \
		"$irqhop" list
	try "list of a name that no VM has" 4 - \
		"^irqhop: no VM 'no-such-vm'" "$irqhop" list no-such-vm
	one_line_error "... is one line"
	try "list of a process without a VM" 4 - \
		"^irqhop: (process '$$' has no VM|no VM)" "$irqhop" list $$
	try "list of a pid that is none" 4 - "no VM '999999999'" \
		"$irqhop" list 999999999
	real_root
	real_user
}

real_root()
{
	if [ "$(id -u)" != 0 ]; then
		skip "module not loaded" "needs root"
		return
	fi
	for args in "enable x" "enable --all" "disable x" "stat" "stat x"; do
		# shellcheck disable=SC2086
		try "$args without the module" 3 - \
			"^irqhop: the irqhop module is not loaded; load it with 'modprobe irqhop'\$" \
			"$irqhop" $args
		one_line_error "... is one line"
	done
}

real_user()
{
	local as=()

	if [ "$(id -u)" = 0 ]; then
		if ! command -v setpriv >/dev/null; then
			skip "without privilege" "no setpriv"
			return
		fi
		as=(setpriv --reuid 65534 --regid 65534 --clear-groups)
	fi
	cp "$irqhop" "$tmp/irqhop"
	chmod 755 "$tmp/irqhop"
	for args in "enable x" "disable x" "disable --all" "stat" "stat x"; do
		# shellcheck disable=SC2086
		try "$args without privilege" 5 - \
			'^irqhop: no permission to .*needs root' \
			"${as[@]}" "$tmp/irqhop" $args
		one_line_error "... is one line"
	done
	try "check without privilege" 1 '^(ok|no) +kernel ' - \
		"${as[@]}" "$tmp/irqhop" check
	try "list without privilege" 0 '^ +PID' 'only your own processes' \
		"${as[@]}" "$tmp/irqhop" list
	try "list x without privilege says what it could not see" 4 - \
		'only your own processes' "${as[@]}" "$tmp/irqhop" list x
}

vm_make() # PID VCPUS CMDLINE...
{
	local dir=$tmp/root/proc/$1 i

	mkdir -p "$dir/fd"
	ln -s /dev/null "$dir/fd/0"
	ln -s anon_inode:kvm-vm "$dir/fd/12"
	ln -s anon_inode:kvm-vm "$dir/fd/95"
	for ((i = 0; i < $2; i++)); do
		ln -s "anon_inode:kvm-vcpu:$i" "$dir/fd/$((20 + i))"
	done
	ln -s "anon_inode:kvm-vcpu-stats:0" "$dir/fd/50"
	[ "$2" = 0 ] || ln -s anon_inode:kvm-vcpu:0 "$dir/fd/96"
	printf '%s\0' "${@:3}" >"$dir/cmdline"
	echo "comm$1" >"$dir/comm"
	printf 'Name:\tx\nTgid:\t%s\n' "$1" >"$dir/status"
}

# A made-up host: five processes that hold VMs, one that holds two, one thread.
world_make()
{
	local fd

	vm_make 101 4 qemu-system-aarch64 -name guest=web,debug-threads=on
	vm_make 102 2 qemu-system-aarch64 -name db -smp 2
	vm_make 103 1 qemu-system-aarch64 -name twin
	vm_make 104 1 qemu-system-aarch64 -name twin
	vm_make 105 0 some-vmm --quiet
	vm_make 106 1 qemu-system-aarch64 -name 101
	vm_make 107 1 many-vms
	ln -s anon_inode:kvm-vm "$tmp/root/proc/107/fd/60"
	mkdir -p "$tmp/root/proc/108/fd" "$tmp/root/proc/self/fd"
	ln -s /dev/kvm "$tmp/root/proc/108/fd/3"
	ln -s anon_inode:kvm-dev "$tmp/root/proc/108/fd/4"
	# The thread that made VM 102.
	mkdir -p "$tmp/root/proc/1020"
	printf 'Name:\tvmm\nTgid:\t102\n' >"$tmp/root/proc/1020/status"
	for fd in {300..309}; do
		ln -s anon_inode:kvm-vm "$tmp/root/proc/self/fd/$fd"
	done
	rm -rf "$tmp/root/proc/1020/fd"
	export FAKE_ROOT=$tmp/root
}

fake_list()
{
	FAKE_ABSENT=1 try "list without the module" 0 \
		'^ +101 +4 +- +- +web$' - "$fake" list
	FAKE_ENABLED="101:recent 1020:home 777:recent" run "$fake" list
	out_is "list" "\
    PID  VCPUS  ENABLED  POLICY           NAME
    101      4  yes      recent           web
    102      2  yes      home             db
    103      1  no       -                twin
    104      1  no       -                twin
    105      -  no       -                comm105
    106      1  no       -                101
    107      1  no       -                comm107
    777      4  yes      recent           ?"
	FAKE_INTR=1 FAKE_ENABLED="101:recent 102:home" run "$fake" list
	out_is "list asks again when the dump was inconsistent" "\
    PID  VCPUS  ENABLED  POLICY           NAME
    101      4  yes      recent           web
    102      2  yes      home             db
    103      1  no       -                twin
    104      1  no       -                twin
    105      -  no       -                comm105
    106      1  no       -                101
    107      1  no       -                comm107"
	FAKE_FAIL=4:1:No FAKE_NOCAP=1 try "list when the module refuses" 0 \
		'^ +101 +4 +- ' 'the module does not say' "$fake" list
	FAKE_FAIL=4:12:full try "list when the module fails" 1 '^ +101 +4 +- ' \
		'^irqhop: cannot list the enabled VMs: full$' "$fake" list
	FAKE_ABI=2 try "list with another version" 3 '^ +101 +4 +- ' \
		'^irqhop: the module \(9.9.9\) speaks version 2, this tool .* version 1; ' \
		"$fake" list
}

fake_list_one()
{
	local head

	FAKE_ENABLED=101:recent run "$fake" list web
	cp "$tmp/out" "$tmp/web"
	head=$(head -n 15 "$tmp/web")
	if [ "$head" = "\
pid      101
name     web
vcpus    4
enabled  yes
policy   recent

   VCPU  STATE
      0  running
      1  preempted
      2  in-handler
      3  halted

  INTID   HOME  TARGET  DELIVERY  HOST-IRQ  FLAGS
   8192      3       0  direct         349  enabled
   8193      2       3  direct         348  enabled" ]; then
		result 1 "list VM"
	else
		result 0 "list VM"
	fi
	try "list VM: all LPIs of all messages" 0 \
		'^   8491      0       -  injected         -  masked,pending$' - \
		"$fake" list web
	if [ "$(grep -Ec '(direct|injected)' "$tmp/web")" = 300 ]; then
		result 1 "list VM: each once"
	else
		result 0 "list VM: each once"
	fi
	try "list VM: no home" 0 '^   8486      -       2  direct' - \
		"$fake" list 101
	try "list VM that is not enabled" 0 '^      1  -$' - "$fake" list db
	try "list VM: the last message's error" 1 - \
		'^irqhop: cannot list the interrupts of VM 102 \(db\): gone bad$' \
		env "FAKE_FAIL=5:5:gone bad" "$fake" list db
	FAKE_ABSENT=1 try "list VM without the module" 3 - 'not loaded' \
		"$fake" list web
	FAKE_NOCAP=1 try "list VM without privilege" 5 - 'needs root' \
		"$fake" list web
}

names()
{
	try "a pid goes before a name" 0 '^name     web$' - "$fake" list 101
	try "a name that is a number" 4 - "no VM '1010'" "$fake" list 1010
	try "comm where there is no -name" 0 '^pid      105$' - \
		"$fake" list comm105
	try "an ambiguous name" 4 - \
		"^irqhop: several VMs are called 'twin'; name one by its pid: 103 104\$" \
		"$fake" list twin
	one_line_error "... is one line"
	try "a process without a VM" 4 - "process '108' has no VM" \
		"$fake" list 108
	try "a process with several VMs" 1 - 'holds several VMs' \
		"$fake" list 107
	FAKE_GONE=3 try "a VM that ends meanwhile" 4 - \
		'^irqhop: VM 101 \(web\) has ended$' "$fake" list web
	FAKE_GONE=9 try "a VM whose descriptor is closed" 4 - 'has ended' \
		"$fake" list web
	FAKE_GONE=1 try "a descriptor that is refused" 5 - \
		'ptrace_scope' "$fake" list web
	one_line_error "... is one line"
	ln -sf anon_inode:kvm-vmx "$tmp/root/proc/self/fd/300"
	try "a descriptor that is of something else by now" 4 - 'has ended' \
		"$fake" list web
	ln -sf anon_inode:kvm-vm "$tmp/root/proc/self/fd/300"
}

# What the module was asked to change by the command.
order() # TEXT STATUS ERR REQUESTS COMMAND...
{
	local text=$1 want=$2 err=$3 requests=$4

	shift 4
	: >"$tmp/log"
	FAKE_LOG=$tmp/log try "$text" "$want" - "$err" "$@"
	cp "$tmp/log" "$tmp/out"
	out_is "... asks the module for: ${requests//$'\n'/, }" "$requests"
}

fake_enable()
{
	order "enable" 0 - "enable 101 -" "$fake" enable web
	order "enable with a policy" 0 - "enable 101 home" \
		"$fake" enable web --policy home
	order "enable with -p first" 0 - "enable 101 home" \
		"$fake" enable -p home 101
	order "enable several" 0 - $'enable 102 -\nenable 101 -' \
		"$fake" enable db web
	order "enable one that is named twice" 0 - "enable 101 -" \
		"$fake" enable web 101 web
	order "enable nothing if a name is bad" 4 "no VM 'nobody'" "" \
		"$fake" enable web nobody db
	order "enable nothing if a name is ambiguous" 4 "103 104" "" \
		"$fake" enable web twin
	order "enable nothing with an unknown policy" 2 \
		"^irqhop: no policy 'best'; the module has: recent home\$" "" \
		"$fake" enable web --policy best
	FAKE_ENABLED=101:recent order "enable again" 0 \
		'^irqhop: VM 101 \(web\) is already enabled$' "enable 101 -" \
		"$fake" enable web
	FAKE_ENABLED=101:recent order "change the policy" 0 - \
		"enable 101 home" "$fake" enable web -p home
	FAKE_FAIL="2:95:GICv4.1 is not supported" \
		order "enable refused with the kernel's reason" 1 \
		'^irqhop: cannot enable VM 101 \(web\): GICv4.1 is not supported$' \
		"" "$fake" enable web
	FAKE_FAIL="2:16:" order "enable refused without a reason" 1 \
		'^irqhop: cannot enable VM 101 \(web\): Device or resource busy$' \
		"" "$fake" enable web
	FAKE_FAIL="2:1:" order "enable not permitted" 5 \
		'no permission to enable VM 101 \(web\)' "" "$fake" enable web
	rm "$tmp/root/proc/107/fd/60"
	order "enable --all" 0 - "enable 101 -
enable 102 -
enable 103 -
enable 104 -
enable 105 -
enable 106 -
enable 107 -" "$fake" enable --all
	ln -s anon_inode:kvm-vm "$tmp/root/proc/107/fd/60"
	FAKE_NOCAP=1 order "enable without privilege" 5 'needs root' "" \
		"$fake" enable web
	FAKE_ABSENT=1 order "enable without the module" 3 'not loaded' "" \
		"$fake" enable web
	FAKE_ABI=2 order "enable with another version" 3 \
		'install both from the same release' "" "$fake" enable web
	FAKE_FAIL=1:1: order "enable when the module will not talk" 5 \
		'no permission' "" "$fake" enable web
}

fake_disable()
{
	FAKE_ENABLED=101:recent order "disable" 0 - "disable 101 -" \
		"$fake" disable web
	order "disable one that is not enabled" 0 \
		'^irqhop: VM 101 \(web\) is not enabled$' "disable 101 -" \
		"$fake" disable web
	order "disable nothing if a name is bad" 4 "no VM 'nobody'" "" \
		"$fake" disable web nobody
	order "disable --all does what it can" 1 'holds several VMs' \
		"disable 101 -
disable 102 -
disable 103 -
disable 104 -
disable 105 -
disable 106 -" "$fake" disable --all
	FAKE_FAIL="3:110:" order "disable that fails for each" 1 \
		'VM 102 \(db\): Connection timed out' "" "$fake" disable web db
}

fake_stat()
{
	# As the fake has it: all moves but one in one bucket, that one in the last.
	hist=0,0,0,99$(printf ',0%.0s' {1..251}),1
	FAKE_ENABLED=101:recent run "$fake" stat web --raw
	out_is "stat --raw" "\
pid=101
name=web
policy=recent
hops=100
returns=2
failed=3
stranded=4
in_handler=5
held_back=6
preemptions=1099511627776
cost_max_ns=20000
cost_sum_ns=20000
cost_median_ns=224
cost_hist=$hist"
	FAKE_ENABLED="101:recent 102:home" run "$fake" stat -r
	grep -E '^(pid|name|$)' "$tmp/out" >"$tmp/some"
	mv "$tmp/some" "$tmp/out"
	out_is "stat --raw of all" $'pid=101\nname=web\n\npid=102\nname=db'
	FAKE_ENABLED=101:recent try "stat" 0 \
		'^ +101 +100 +2 +3 +4 +5 +6 +1099511627776 +224 +20000 +web$' - \
		"$fake" stat
	echo 400 >"$tmp/moves"
	FAKE_MOVES=$tmp/moves FAKE_ENABLED=101:recent \
		run "$fake" stat web --interval 0.01 --count 3
	awk '{ print $1, $2, $3, $4 }' "$tmp/out" >"$tmp/some"
	mv "$tmp/some" "$tmp/out"
	out_is "stat --interval gives what is new" "\
PID HOPS RETURNS FAILED
101 500 2 3
101 100 0 0
101 100 0 0"
	echo 400 >"$tmp/moves"
	FAKE_MOVES=$tmp/moves FAKE_ENABLED=101:recent \
		run "$fake" stat web -r -i 0.01 -n 2
	grep -E '^(hops|$)' "$tmp/out" >"$tmp/some"
	mv "$tmp/some" "$tmp/out"
	out_is "stat --raw --interval gives totals" $'hops=500\n\nhops=600'
	try "stat of none" 0 - '^irqhop: no VM is enabled$' "$fake" stat
	try "stat --raw of none" 0 - '^irqhop: no VM is enabled$' \
		"$fake" stat --raw
	try "stat of one that is not enabled" 1 - \
		"VM 101 \(web\) is not enabled; 'irqhop enable 101'" \
		"$fake" stat web
	try "stat of a bad name" 4 - "no VM 'nobody'" "$fake" stat nobody
	FAKE_GONE=3 try "stat of a VM that ends" 4 - 'has ended' \
		"$fake" stat web
}

usage
real
world_make
fake_list
fake_list_one
names
fake_enable
fake_disable
fake_stat

echo "1..$tests"
if [ "$failed" != 0 ]; then
	echo "# $failed of $tests failed"
	exit 1
fi

# shellcheck shell=bash disable=SC2153,SC2154
# SPDX-License-Identifier: GPL-2.0-only
#
# The stages of lab/fetch. inputs_X: everything that X's result depends on; outputs_X: what has to be there;
# stage_X: make it (in the background, output to a log, `set -e` in force). The numbers are raised when a stage changes.

read_list() { # NAME-OF-ARRAY WORDS
	read -r -d '' -a "$1" <<<"$2" || true
}

# --- before the stages, one after another: package lists, and the two choices that depend on them ---------------------

prepare() { # STAGE...
	local native s suites
	native=$(native_arch)
	find_mirror "arm64,$native" "$L1_SUITE"
	for s in "$@"; do
		case $s in
		qemu) choose_qemu "$native" ;;
		kernel)
			need_lists "arm64,$native" "$L1_SUITE-updates"
			want_security "arm64,$native"
			choose_kernels "$native"
			;;
		kernel-*) choose_kernel_row "$s" "$native" ;;
		l1 | cross | tracers | checkpatch)
			need_lists "arm64,$native" "$L1_SUITE-updates"
			want_security "arm64,$native"
			;;
		vmm-*) choose_vmm_row "$s" ;;
		l2 | programs) need_lists arm64 "$L2_SUITE" ;;
		esac
	done
}

need_lists() { # ARCHS SUITE...
	lists_update "$@" && return
	grep -E '^[EW]:' "$build/log/fetch-lists.log" | tail -n3 >&2 || true
	die "FAILED: package lists of ${*:2} (log: $build/log/fetch-lists.log)"
}

want_security() { # ARCHS [SUITE]
	local suite=${2-$L1_SUITE}
	[ -n "$security" ] || return 0
	if ! lists_update "$1" "$suite-security"; then
		say "the security archive of this machine's apt has no usable $suite-security: going on without it"
		security=
	fi
}

# sid's QEMU, if it is there, new enough and installable today.
choose_qemu() { # NATIVE
	local v='' why
	qemu_suite=$QEMU_SUITE
	if ! lists_update "$1" "$QEMU_SUITE"; then
		why="no usable $QEMU_SUITE on this machine's mirror"
	else
		apt_setup qemu "$1" "$QEMU_SUITE"
		v=$(candidate qemu "$QEMU_PACKAGE")
		if [ -z "$v" ] || dpkg --compare-versions "$(upstream "$v")" lt "$QEMU_WANTED"; then
			why="$QEMU_SUITE has QEMU ${v:-none}, wanted is $QEMU_WANTED or later"
		elif resolvable qemu "$QEMU_PACKAGE"; then
			return
		else
			why="$QEMU_PACKAGE $v cannot be installed from $QEMU_SUITE today"
		fi
	fi
	say "$why: taking QEMU from $QEMU_FALLBACK_SUITE"
	qemu_suite=$QEMU_FALLBACK_SUITE
	need_lists "$1" "${QEMU_FALLBACK_SUITE%-backports}" "${QEMU_FALLBACK_SUITE%-backports}-updates" "$QEMU_FALLBACK_SUITE"
	apt_setup qemu "$1" "${QEMU_FALLBACK_SUITE%-backports}" "${QEMU_FALLBACK_SUITE%-backports}-updates" "$QEMU_FALLBACK_SUITE"
	echo "APT::Default-Release \"$QEMU_FALLBACK_SUITE\";" >>"$build/cache/qemu/apt.conf"
}

explain_fallback() {
	say "note: QEMU before $QEMU_WFE_SINCE never traps WFE, so a spin for a preempted vCPU (try_to_wake_up) is never" \
		"answered by KVM's directed yield: latency tails with irqhop on are longer here than on a real machine." \
		"To try for $QEMU_WANTED again: rm $build/stamps/qemu"
}

newest_kernel() { # CLOSURE SERIES: NAME-arm64 without linux-image-, newest version first, only where the headers are too
	local k
	in_closure "$1" apt-cache pkgnames "linux-image-$2." |
		grep -E "^linux-image-${2//./\\.}\.[0-9.]+([-+][a-z0-9.]+)?-arm64\$" | sed 's/^linux-image-//' | sort -rV |
		while read -r k; do
			if [ -n "$(candidate "$1" "linux-image-$k")" ] && [ -n "$(candidate "$1" "linux-headers-$k")" ]; then
				echo "$k"
				break
			fi
		done
}

choose_kernels() { # NATIVE
	local suites=("$L1_SUITE" "$L1_SUITE-updates" "$L1_SUITE-security")
	apt_setup kernel "arm64,$1" "${suites[@]}"
	host_kernel=${HOST_KERNEL_PIN:-$(newest_kernel kernel "$HOST_KERNEL_SERIES")}
	guest_kernel=${GUEST_KERNEL_PIN:-$(newest_kernel kernel "$GUEST_KERNEL_SERIES")}
	if [ -z "$host_kernel" ] || [ -z "$guest_kernel" ]; then
		need_lists "arm64,$1" "$KERNEL_FALLBACK_SUITE"
		apt_setup kernel "arm64,$1" "${suites[@]}" "$KERNEL_FALLBACK_SUITE"
		host_kernel=${host_kernel:-$(newest_kernel kernel "$HOST_KERNEL_SERIES")}
		guest_kernel=${guest_kernel:-$(newest_kernel kernel "$GUEST_KERNEL_SERIES")}
	fi
	[ -n "$host_kernel" ] || die "FAILED: kernel: no linux-image-$HOST_KERNEL_SERIES.*-arm64 on this machine's mirror"
	[ -n "$guest_kernel" ] || die "FAILED: kernel: no linux-image-$GUEST_KERNEL_SERIES.*-arm64 on this machine's mirror"
}

table_rows() { # TABLE: the series in KERNELS or VMMS
	awk 'NF { print $1 }' <<<"$1"
}

table_suite() { # TABLE SERIES
	awk -v series="$2" '$1 == series { print $2 }' <<<"$1"
}

# What the lab boots anyway needs no second copy.
kernel_row_own() { # SERIES
	[ "$1" = "$HOST_KERNEL_SERIES" ]
}

declare -A row_kernel=()

choose_kernel_row() { # STAGE NATIVE
	local suites=() series=${1#kernel-} suite
	! kernel_row_own "$series" || return 0
	suite=$(table_suite "$KERNELS" "$series")
	case $suite in
	"$L1_SUITE" | "$L1_SUITE"-*)
		need_lists "arm64,$2" "$L1_SUITE-updates"
		want_security "arm64,$2"
		suites=("$L1_SUITE" "$L1_SUITE-updates" "$L1_SUITE-security")
		;;
	esac
	if [[ " ${suites[*]} " != *" $suite "* ]]; then
		need_lists "arm64,$2" "$suite"
		suites+=("$suite")
	fi
	apt_setup "$1" "arm64,$2" "${suites[@]}"
	row_kernel[$series]=$(newest_kernel "$1" "$series")
	[ -n "${row_kernel[$series]}" ] || die "FAILED: $1: no linux-image-$series.*-arm64 in $suite on this machine's mirror"
}

# --- the emulator ----------------------------------------------------------------------------------------------------

inputs_qemu() {
	echo 1 "$(native_arch)" "$QEMU_PACKAGE" "$QEMU_SUITE" "$QEMU_WANTED" "$QEMU_FALLBACK_SUITE" "$QEMU_WFE_SINCE" \
		"$QEMU_PROGRAMS"
}
outputs_qemu() {
	local p
	echo root/qemu
	for p in $QEMU_PROGRAMS; do echo "bin/$p"; done
}

stage_qemu() {
	local tree=$build/root/qemu.part deb p v wfe=0 loader libs
	fetch_closure qemu "QEMU for this machine, from $qemu_suite" "$QEMU_PACKAGE"
	tree_new "$tree"
	while read -r deb; do deb_unpack "$build/cache/qemu/archives/$deb" "$tree"; done <"$build/cache/qemu/packages"
	tree_relink "$tree"
	v=$(deb_version qemu "$QEMU_PACKAGE")
	[ "$(upstream "$v" | cut -d. -f1)" -lt "$QEMU_WFE_SINCE" ] || wfe=1

	for p in $QEMU_PROGRAMS; do
		loader=$(readelf -lW "$tree/usr/bin/$p" | sed -nE 's/.*program interpreter: (.*)\].*/\1/p')
		libs=$(cd "$tree" && find usr/lib/ -maxdepth 2 -name 'libc.so.6' -printf '%h\n' | head -n1)
		qemu_wrapper "$p" "$loader" "$libs" >"$build/bin/$p.part"
		chmod +x "$build/bin/$p.part"
		# From the tree and from nowhere else.
		"$tree$loader" --library-path "$tree/$libs" --list "$tree/usr/bin/$p" >"$build/cache/qemu/libraries"
		if grep -vE "=> $tree/|linux-vdso|^[[:space:]]*$tree/" "$build/cache/qemu/libraries"; then
			echo "fetch: $p would use libraries from outside its tree (above)"
			return 1
		fi
	done
	rm -rf "$build/root/qemu"
	mv "$tree" "$build/root/qemu"
	for p in $QEMU_PROGRAMS; do
		mv "$build/bin/$p.part" "$build/bin/$p"
		"$build/bin/$p" --version
	done
	record "QEMU_VERSION=$(upstream "$v")" "QEMU_PACKAGE_VERSION=$v" "QEMU_SUITE=$qemu_suite" "QEMU_WFE_TRAPS=$wfe"
	say "QEMU for this machine: $(upstream "$v") ready"
}

# Finds its tree from its own place, so the build folder may be moved.
qemu_wrapper() { # PROGRAM LOADER LIBS
	cat <<-END
		#!/bin/sh
		# Made by lab/fetch: $1 of the lab's own QEMU, with that tree's loader and libraries.
		root=\$(dirname "\$(readlink -f "\$0")")/../root/qemu
		unset LD_PRELOAD LD_LIBRARY_PATH
		export QEMU_MODULE_DIR="\$root/$3/qemu"
		exec "\$root$2" --library-path "\$root/$3" "\$root/usr/bin/$1" -L "\$root/usr/share/qemu" "\$@"
	END
}

# --- kernels and headers ---------------------------------------------------------------------------------------------

inputs_kernel() {
	echo 1 "$(native_arch)" "$HOST_KERNEL_SERIES" "$HOST_KERNEL_PIN" "$GUEST_KERNEL_SERIES" "$GUEST_KERNEL_PIN" \
		"$KERNEL_FALLBACK_SUITE" "$L1_SUITE"
}
outputs_kernel() { echo root/kernel/Image root/kernel-guest/Image root/headers/kdir; }

stage_kernel() {
	local packages
	mapfile -t packages < <(kernel_packages kernel "$host_kernel" && header_packages kernel "$host_kernel")
	if [ "$guest_kernel" != "$host_kernel" ]; then
		mapfile -t -O ${#packages[@]} packages < <(kernel_packages kernel "$guest_kernel")
	fi
	fetch_packages kernel "kernel $host_kernel and its headers" "${packages[@]}"

	tree_replace kernel kernel_tree kernel "$host_kernel"
	rm -rf "$build/root/kernel-guest"
	if [ "$guest_kernel" = "$host_kernel" ]; then
		ln -s kernel "$build/root/kernel-guest"
	else
		tree_replace kernel-guest kernel_tree kernel "$guest_kernel"
	fi
	tree_replace headers header_tree kernel "$host_kernel"
	record "HOST_KERNEL=$host_kernel" "KERNEL_PACKAGE_VERSION=$(deb_version kernel "linux-image-$host_kernel")" \
		"GUEST_KERNEL=$guest_kernel" "GUEST_KERNEL_PACKAGE_VERSION=$(deb_version kernel "linux-image-$guest_kernel")"
	say "kernel $host_kernel and its headers: ready"
}

inputs_kernel_row() { # STAGE
	local series=${1#kernel-}
	if kernel_row_own "$series"; then
		echo 1 own
	else
		echo 3 "$(native_arch)" "$(libc_version)" "$series" "$(table_suite "$KERNELS" "$series")" "$L1_SUITE" \
			"$KERNEL_CC_OPTIONS"
	fi
}
outputs_kernel_row() { # STAGE
	local tree=root/kernels/${1#kernel-}
	echo "$tree/Image" "$tree/headers/kdir"
}

stage_kernel_row() { # STAGE
	local series=${1#kernel-} packages v
	mkdir -p "$build/root/kernels"
	if kernel_row_own "$series"; then
		tree_replace "kernels/$series" kernel_tree_own
		return
	fi
	v=${row_kernel[$series]}
	mapfile -t packages < <(kernel_packages "$1" "$v" && header_packages "$1" "$v")
	fetch_packages "$1" "kernel $v and its headers" "${packages[@]}"
	tree_replace "kernels/$series" kernel_tree_full "$1" "$v"
	record "KERNEL=$v" "PACKAGE_VERSION=$(deb_version "$1" "linux-image-$v")"
	say "kernel $v and its headers: ready"
}

# A tree under BUILD_DIR/root, by a function that is given an empty folder, then ARGUMENTs. Complete, or as it was.
tree_replace() { # NAME FUNCTION ARGUMENT...
	local tree=$build/root/$1.part
	rm -rf "$tree"
	mkdir -p "$tree"
	"$2" "$tree" "${@:3}"
	rm -rf "${build:?}/root/$1"
	mv "$tree" "$build/root/$1"
}

kernel_tree_own() { # TREE
	local f
	for f in Image lib; do ln -s "../../kernel/$f" "$1/$f"; done
	ln -s ../../headers "$1/headers"
}

kernel_tree_full() { # TREE CLOSURE VERSION
	kernel_tree "$@"
	mkdir "$1/headers"
	header_tree "$1/headers" "$2" "$3"
}

depends_of() { # CLOSURE PACKAGE
	in_closure "$1" apt-cache show --no-all-versions "$2" | sed -n 's/^Depends: //p'
}

# From 7 on the image, its modules and the lists of them are packages of their own.
kernel_packages() { # CLOSURE VERSION
	echo "linux-image-$2"
	depends_of "$1" "linux-image-$2" | grep -oE 'linux-(base|binary|modules)-[0-9][^ ,]+' || true
}

header_packages() { # CLOSURE VERSION
	local dep native kbuild libc
	native=$(native_arch)
	dep=$(depends_of "$1" "linux-headers-$2")
	kbuild=$(grep -oE -m1 'linux-kbuild-[^ ,:]+' <<<"$dep"):$native
	echo "linux-headers-$2"
	grep -oE -m1 'linux-headers-[^ ,]+-common' <<<"$dep"
	echo "$kbuild"
	libc=$(depends_of "$1" "$kbuild" | grep -oE -m1 'libc6 \(>= [^)]+' | sed 's/.* //')
	[ -z "$libc" ] || dpkg --compare-versions "$(libc_version)" ge "$libc" || echo "libc6:$native"
}

libc_version() {
	dpkg-query -W -f='${Version}' libc6
}

kernel_tree() { # TREE CLOSURE VERSION
	local tree=$1 deb vmlinuz
	for deb in $(debs_of "$2" "linux-(image|base|binary|modules)-${3//[.+]/[.+]}"); do
		deb_unpack "$deb" "$tree" --exclude='./usr/lib/linux-image-*' --exclude='./usr/lib/modules/*/dtb'
	done
	vmlinuz=$tree/boot/vmlinuz-$3
	[ -e "$vmlinuz" ] || vmlinuz=$tree/usr/lib/modules/$3/vmlinuz
	kernel_image "$vmlinuz" "$tree/Image"
	[ ! -d "$tree/usr/lib/modules" ] || [ -d "$tree/lib/modules" ] || ln -s usr/lib "$tree/lib"
	depmod -b "$tree" "$3"
}

# KDIR for out-of-tree modules, built on this machine for arm64.
header_tree() { # TREE CLOSURE VERSION
	local tree=$1 deb src
	for deb in $(debs_of "$2" 'linux-(headers|kbuild)-[^_]*'); do deb_unpack "$deb" "$tree"; done
	tree_relink "$tree"
	src=$tree/usr/src/linux-headers-$3
	# It names /usr/src/... by its absolute path.
	# shellcheck disable=SC2016 # make's own variables
	sed -i -e '1i here := $(dir $(realpath $(lastword $(MAKEFILE_LIST))))..' -e 's;/usr/src;$(here);' "$src/Makefile"
	# The compiler that built the kernel if this machine has it, else its own.
	# shellcheck disable=SC2016
	sed -i -E 's;\$\(CROSS_COMPILE\)(gcc-[0-9]+);$(or $(shell command -v $(CROSS_COMPILE)\1),$(CROSS_COMPILE)gcc);' \
		"$src/.kernelvariables"
	header_compiler "$src"
	# With this stub in place kbuild wants pahole for the module's BTF.
	[ ! -e "$src/vmlinux" ] || mv "$src/vmlinux" "$src/vmlinux.btf-only"
	ln -s "usr/src/linux-headers-$3" "$tree/kdir"
	deb=$(deb_of "$2" libc6) || return 0
	mkdir "$tree/libc"
	deb_unpack "$deb" "$tree/libc"
	header_programs "$tree"
}

# What the headers' configuration says of a newer compiler than this machine's.
header_compiler() { # KDIR
	local option built
	built=$(sed -n 's/^CONFIG_GCC_VERSION=//p' "$1/include/config/auto.conf")
	command -v "aarch64-linux-gnu-gcc-$((built / 10000))" >/dev/null && return
	[ "$(aarch64-linux-gnu-gcc -dumpversion | cut -d. -f1)" -lt $((built / 10000)) ] || return 0
	for option in $KERNEL_CC_OPTIONS; do
		sed -i "/^CONFIG_$option=/d" "$1/include/config/auto.conf"
		sed -i "/^#define CONFIG_$option /d" "$1/include/generated/autoconf.h"
	done
}

# This machine's programs in there want a newer libc than this machine's: they get the one that came with them.
header_programs() { # TREE
	local f loader
	loader=$(cd "$1/libc" && find . -name 'ld-linux*.so.*' -type f -printf '%P\n' | head -n1)
	while IFS= read -r -d '' f; do
		ldd "$f" 2>&1 | grep -q 'version .GLIBC_.* not found' || continue
		mkdir -p "${f%/*}/libc"
		mv "$f" "${f%/*}/libc/"
		cat >"$f" <<-END
			#!/bin/sh
			# Made by lab/fetch.
			here=\$(dirname "\$(readlink -f "\$0")")
			root=\$here/$(realpath -s --relative-to="${f%/*}" "$1/libc")
			exec "\$root/$loader" --library-path "\$root/${loader%/*}" "\$here/libc/${f##*/}" "\$@"
		END
		chmod +x "$f"
	done < <(find "$1"/usr/lib/linux-kbuild-*/scripts -type f -perm /111 -print0)
}

# --- the emulated host, the guest, and libraries for cross-building -----------------------------------------------------

inputs_l1() { echo 1 "$L1_SUITE" "$L1_PACKAGES" "$L1_EXTRA_LIBS" "$L1_DROP"; }
outputs_l1() { echo root/l1; }

stage_l1() { l1_make l1 l1 "$L1_SUITE"; }

l1_make() { # STAGE TREE SUITE
	local tree=$build/root/$1.part words="the emulated host's programs" suites v
	mapfile -t suites < <(updated_suites "$3")
	apt_setup "$1" arm64 "${suites[@]}"
	[ "$1" = l1 ] || words+=", from $3"
	whole_packages "$1" "$words" "$L1_PACKAGES" "$L1_EXTRA_LIBS" "$L1_DROP"
	userland_finish "$tree"
	v=$(deb_version "$1" qemu-system-arm)
	case $1-$(upstream "$v"). in
	l1-* | vmm-newest-* | "$1-${1#vmm-}".*) ;;
	*)
		echo "fetch: $3 has QEMU $v"
		return 1
		;;
	esac
	mkdir -p "$build/root/$(dirname "$2")"
	rm -rf "$build/root/$2"
	mv "$tree" "$build/root/$2"
	record "L1_QEMU_VERSION=$(upstream "$v")" "L1_QEMU_PACKAGE_VERSION=$v" "L1_SUITE=$3"
	say "$words: QEMU $(upstream "$v"), $(du -sm "$build/root/$2" | cut -f1) MB"
}

updated_suites() { # SUITE: with those that Debian mends it by
	echo "$1"
	[ "$1" = sid ] || printf '%s\n' "$1-updates" "$1-security"
}

# The same with another suite's VMM. What the lab has anyway needs no second copy.
choose_vmm_row() { # STAGE
	local suite
	suite=$(table_suite "$VMMS" "${1#vmm-}")
	[ "$suite" != "$L1_SUITE" ] || return 0
	need_lists arm64 "$suite"
	[ "$suite" != sid ] || return 0
	need_lists arm64 "$suite-updates"
	want_security arm64 "$suite"
}

inputs_vmm_row() { # STAGE
	local suite
	suite=$(table_suite "$VMMS" "${1#vmm-}")
	if [ "$suite" = "$L1_SUITE" ]; then
		echo 1 own
	else
		echo 1 "$suite" "$L1_PACKAGES" "$L1_EXTRA_LIBS" "$L1_DROP"
	fi
}
outputs_vmm_row() { echo "root/vmms/${1#vmm-}/usr"; } # STAGE

stage_vmm_row() { # STAGE
	local suite series=${1#vmm-}
	suite=$(table_suite "$VMMS" "$series")
	if [ "$suite" != "$L1_SUITE" ]; then
		l1_make "$1" "vmms/$series" "$suite"
		return
	fi
	mkdir -p "$build/root/vmms"
	rm -rf "${build:?}/root/vmms/$series"
	ln -s ../l1 "$build/root/vmms/$series"
}

# BUILD_DIR/root/NAME.part: all of these packages, and what they link from those that they depend on. After apt_setup.
whole_packages() { # NAME WORDS PACKAGES EXTRA-LIBS DROP
	local packages libs drop deb tree=$build/root/$1.part pool=$build/root/$1.pool
	read_list packages "$3"
	read_list libs "$4"
	read_list drop "$5"
	fetch_closure "$1" "$2" "${packages[@]}"
	tree_new "$tree"
	tree_new "$pool"
	while read -r deb; do
		if [[ " ${packages[*]} " == *" ${deb%%_*} "* ]]; then
			deb_unpack "$build/cache/$1/archives/$deb" "$tree" "${drop[@]/#/--exclude=}"
		else
			deb_unpack "$build/cache/$1/archives/$deb" "$pool"
		fi
	done <"$build/cache/$1/packages"
	tree_complete "$tree" "$pool" "${libs[@]}"
	rm -rf "$pool"
}

# Programs that read trace events, for the emulated host: on a disk of their own, which only tests attach.
inputs_tracers() { echo 1 "$L1_SUITE" "$TRACER_PACKAGES" "$TRACER_DROP"; }
outputs_tracers() { echo root/tracers; }

stage_tracers() {
	local tree=$build/root/tracers.part
	apt_setup tracers arm64 "$L1_SUITE" "$L1_SUITE-updates" "$L1_SUITE-security"
	whole_packages tracers "tracers for the emulated host" "$TRACER_PACKAGES" "" "$TRACER_DROP"
	rm -rf "$build/root/tracers"
	mv "$tree" "$build/root/tracers"
	record "PERF_VERSION=$(upstream "$(deb_version tracers linux-perf)")" \
		"TRACE_CMD_VERSION=$(upstream "$(deb_version tracers trace-cmd)")" \
		"BPFTRACE_VERSION=$(upstream "$(deb_version tracers bpftrace)")"
	say "tracers for the emulated host: ready, $(du -sm "$build/root/tracers" | cut -f1) MB"
}

# What make bench measures with: for guest and outside client alike, a tree that is a root of its own.
inputs_programs() { echo 1 "$L2_SUITE" "$BENCH_PACKAGES" "$BENCH_EXTRA_LIBS" "$BENCH_DROP"; }
outputs_programs() { echo root/programs; }

stage_programs() {
	local tree=$build/root/programs.part
	apt_setup programs arm64 "$L2_SUITE"
	whole_packages programs "programs to measure with" "$BENCH_PACKAGES" "$BENCH_EXTRA_LIBS" "$BENCH_DROP"
	userland_finish "$tree"
	rm -rf "$build/root/programs"
	mv "$tree" "$build/root/programs"
	record "APACHE_VERSION=$(upstream "$(deb_version programs apache2-bin)")" \
		"MEMCACHED_VERSION=$(upstream "$(deb_version programs memcached)")" \
		"IPERF3_VERSION=$(upstream "$(deb_version programs iperf3)")" \
		"SOCKPERF_VERSION=$(upstream "$(deb_version programs sockperf)")" \
		"IRQBALANCE_VERSION=$(upstream "$(deb_version programs irqbalance)")"
	say "programs to measure with: ready, $(du -sm "$build/root/programs" | cut -f1) MB"
}

# What maintainer scripts and base packages would have done, as far as programs ask for it.
userland_finish() { # TREE
	mkdir -p "$1"/{dev,etc,mnt,proc,root,run,sys,tmp,usr/lib/modules,var/tmp}
	if [ -e "$1/usr/bin/dash" ]; then ln -sf dash "$1/usr/bin/sh"; else ln -sf busybox "$1/usr/bin/sh"; fi
	[ -e "$1/etc/passwd" ] || echo 'root:x:0:0:root:/root:/bin/sh' >"$1/etc/passwd"
	[ -e "$1/etc/group" ] || printf 'root:x:0:\ntty:x:5:\nkvm:x:104:\n' >"$1/etc/group"
	[ -e "$1/etc/hosts" ] || echo '127.0.0.1 localhost' >"$1/etc/hosts"
}

inputs_l2() { echo 1 "$L2_SUITE" "$L2_PACKAGES" "$L2_PROGRAMS" "$L2_EXTRA_LIBS" "$L2_STUB_LIBS"; }
outputs_l2() { echo root/l2; }

stage_l2() {
	local list p f deb tree=$build/root/l2.part pool=$build/root/l2.pool
	read_list list "$L2_PACKAGES"
	apt_setup l2 arm64 "$L2_SUITE"
	fetch_packages l2 "the guest's programs" "${list[@]}"
	tree_new "$tree"
	tree_new "$pool"
	while read -r deb; do deb_unpack "$build/cache/l2/archives/$deb" "$pool"; done <"$build/cache/l2/packages"
	for p in $L2_PROGRAMS; do
		f=usr/bin/$p
		[ -e "$pool/$f" ] || f=usr/sbin/$p
		[ -e "$pool/$f" ] || {
			echo "fetch: no package of $L2_PACKAGES has the program $p"
			return 1
		}
		mv "$pool/$f" "$tree/$f"
	done
	mkdir -p "$tree/usr/lib/aarch64-linux-gnu"
	read_list list "$L2_STUB_LIBS"
	tree_stub "$tree" "$tree/usr/bin/fio" "${list[@]}"
	read_list list "$L2_EXTRA_LIBS"
	tree_complete "$tree" "$pool" "${list[@]}"
	rm -rf "$pool"
	userland_finish "$tree"
	rm -rf "$build/root/l2"
	mv "$tree" "$build/root/l2"
	record "L2_SUITE=$L2_SUITE" "FIO_VERSION=$(upstream "$(deb_version l2 fio)")"
	say "the guest's programs: ready, $(du -sm "$build/root/l2" | cut -f1) MB"
}

inputs_cross() { echo 1 "$L1_SUITE" "$CROSS_PACKAGES"; }
outputs_cross() { echo root/cross; }

stage_cross() {
	local packages deb tree=$build/root/cross.part
	read_list packages "$CROSS_PACKAGES"
	apt_setup cross arm64 "$L1_SUITE" "$L1_SUITE-updates" "$L1_SUITE-security"
	fetch_packages cross "libraries for cross-building" "${packages[@]}"
	tree_new "$tree"
	while read -r deb; do deb_unpack "$build/cache/cross/archives/$deb" "$tree"; done <"$build/cache/cross/packages"
	tree_relink "$tree"
	rm -rf "$build/root/cross"
	mv "$tree" "$build/root/cross"
}

# The kernel's checkpatch.pl and its word lists. No package has them but the whole source, which goes again.
inputs_checkpatch() { echo 1 "$L1_SUITE" "$KERNEL_FALLBACK_SUITE" "$CHECKPATCH_PACKAGE" "$CHECKPATCH_FILES"; }
outputs_checkpatch() { echo root/checkpatch/checkpatch.pl; }

stage_checkpatch() {
	local files native suites tree=$build/root/checkpatch.part
	native=$(native_arch)
	suites=("$L1_SUITE" "$L1_SUITE-updates" "$L1_SUITE-security")
	apt_setup checkpatch "$native" "${suites[@]}"
	if [ -z "$(candidate checkpatch "$CHECKPATCH_PACKAGE")" ]; then
		need_lists "$native" "$KERNEL_FALLBACK_SUITE"
		apt_setup checkpatch "$native" "${suites[@]}" "$KERNEL_FALLBACK_SUITE"
	fi
	fetch_packages checkpatch "checkpatch, from the kernel's source" "$CHECKPATCH_PACKAGE"
	record "CHECKPATCH_VERSION=$(deb_version checkpatch "$CHECKPATCH_PACKAGE")"
	rm -rf "$tree"
	mkdir -p "$tree"
	deb_unpack "$(deb_of checkpatch "$CHECKPATCH_PACKAGE")" "$tree"
	read_list files "$CHECKPATCH_FILES"
	# Each is there once: --occurrence lets tar stop at the last of them.
	tar -xf "$tree/usr/src/$CHECKPATCH_PACKAGE.tar.xz" -C "$tree" --strip-components=2 --occurrence=1 \
		"${files[@]/#/$CHECKPATCH_PACKAGE/scripts/}"
	rm -rf "${tree:?}/usr" "$build/cache/checkpatch/archives" "$build/root/checkpatch"
	mv "$tree" "$build/root/checkpatch"
	say "checkpatch: ready"
}

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
		l1 | cross | tracers | checkpatch)
			need_lists "arm64,$native" "$L1_SUITE-updates"
			want_security "arm64,$native"
			;;
		l2) need_lists arm64 "$L2_SUITE" ;;
		esac
	done
}

need_lists() { # ARCHS SUITE...
	lists_update "$@" && return
	grep -E '^[EW]:' "$build/log/fetch-lists.log" | tail -n3 >&2 || true
	die "FAILED: package lists of ${*:2} (log: $build/log/fetch-lists.log)"
}

want_security() { # ARCHS
	[ -n "$security" ] || return 0
	if ! lists_update "$1" "$L1_SUITE-security"; then
		say "the security archive of this machine's apt has no usable $L1_SUITE-security: going on without it"
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

newest_kernel() { # SERIES: NAME-arm64 without linux-image-, newest version first, only where the headers are there too
	local k
	in_closure kernel apt-cache pkgnames "linux-image-$1." |
		grep -E "^linux-image-${1//./\\.}\.[0-9.]+([-+][a-z0-9.]+)?-arm64\$" | sed 's/^linux-image-//' | sort -rV |
		while read -r k; do
			if [ -n "$(candidate kernel "linux-image-$k")" ] && [ -n "$(candidate kernel "linux-headers-$k")" ]; then
				echo "$k"
				break
			fi
		done
}

choose_kernels() { # NATIVE
	local suites=("$L1_SUITE" "$L1_SUITE-updates" "$L1_SUITE-security")
	apt_setup kernel "arm64,$1" "${suites[@]}"
	host_kernel=${HOST_KERNEL_PIN:-$(newest_kernel "$HOST_KERNEL_SERIES")}
	guest_kernel=${GUEST_KERNEL_PIN:-$(newest_kernel "$GUEST_KERNEL_SERIES")}
	if [ -z "$host_kernel" ] || [ -z "$guest_kernel" ]; then
		need_lists "arm64,$1" "$KERNEL_FALLBACK_SUITE"
		apt_setup kernel "arm64,$1" "${suites[@]}" "$KERNEL_FALLBACK_SUITE"
		host_kernel=${host_kernel:-$(newest_kernel "$HOST_KERNEL_SERIES")}
		guest_kernel=${guest_kernel:-$(newest_kernel "$GUEST_KERNEL_SERIES")}
	fi
	[ -n "$host_kernel" ] || die "FAILED: kernel: no linux-image-$HOST_KERNEL_SERIES.*-arm64 on this machine's mirror"
	[ -n "$guest_kernel" ] || die "FAILED: kernel: no linux-image-$GUEST_KERNEL_SERIES.*-arm64 on this machine's mirror"
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
	local packages dep common kbuild k
	dep=$(in_closure kernel apt-cache show --no-all-versions "linux-headers-$host_kernel" | sed -n 's/^Depends: //p')
	common=$(grep -oE -m1 'linux-headers-[^ ,]+-common[^ ,]*' <<<"$dep")
	kbuild=$(grep -oE -m1 'linux-kbuild-[^ ,:]+' <<<"$dep")
	packages=("linux-image-$host_kernel" "linux-headers-$host_kernel" "$common" "$kbuild:$(native_arch)")
	[ "$guest_kernel" = "$host_kernel" ] || packages+=("linux-image-$guest_kernel")
	fetch_packages kernel "kernel $host_kernel and its headers" "${packages[@]}"

	kernel_tree kernel "$host_kernel"
	rm -rf "$build/root/kernel-guest"
	if [ "$guest_kernel" = "$host_kernel" ]; then
		ln -s kernel "$build/root/kernel-guest"
	else
		kernel_tree kernel-guest "$guest_kernel"
	fi
	header_tree "$common" "$kbuild"
	record "HOST_KERNEL=$host_kernel" "KERNEL_PACKAGE_VERSION=$(deb_version kernel "linux-image-$host_kernel")" \
		"GUEST_KERNEL=$guest_kernel" "GUEST_KERNEL_PACKAGE_VERSION=$(deb_version kernel "linux-image-$guest_kernel")"
	say "kernel $host_kernel and its headers: ready"
}

kernel_tree() { # kernel|kernel-guest VERSION
	local tree=$build/root/$1.part
	rm -rf "$tree"
	mkdir -p "$tree"
	deb_unpack "$(deb_of kernel "linux-image-$2")" "$tree" --exclude='./usr/lib/linux-image-*'
	kernel_image "$tree/boot/vmlinuz-$2" "$tree/Image"
	[ ! -d "$tree/usr/lib/modules" ] || [ -d "$tree/lib/modules" ] || ln -s usr/lib "$tree/lib"
	depmod -b "$tree" "$2"
	rm -rf "${build:?}/root/$1"
	mv "$tree" "$build/root/$1"
}

# KDIR for out-of-tree modules, built on this machine for arm64.
header_tree() { # COMMON KBUILD
	local tree=$build/root/headers.part p src
	rm -rf "$tree"
	mkdir -p "$tree"
	for p in "linux-headers-$host_kernel" "$1" "$2"; do deb_unpack "$(deb_of kernel "$p")" "$tree"; done
	tree_relink "$tree"
	src=$tree/usr/src/linux-headers-$host_kernel
	# It includes /usr/src/...-common by its absolute path.
	# shellcheck disable=SC2016 # make's own variables
	printf 'include $(dir $(realpath $(lastword $(MAKEFILE_LIST))))../%s/Makefile\n' "$1" >"$src/Makefile"
	# The compiler that built the kernel if this machine has it, else its own.
	# shellcheck disable=SC2016
	sed -i -E 's;\$\(CROSS_COMPILE\)(gcc-[0-9]+);$(or $(shell command -v $(CROSS_COMPILE)\1),$(CROSS_COMPILE)gcc);' \
		"$src/.kernelvariables"
	# With this stub in place kbuild wants pahole for the module's BTF.
	[ ! -e "$src/vmlinux" ] || mv "$src/vmlinux" "$src/vmlinux.btf-only"
	ln -s "usr/src/linux-headers-$host_kernel" "$tree/kdir"
	rm -rf "$build/root/headers"
	mv "$tree" "$build/root/headers"
}

# --- the emulated host, the guest, and libraries for cross-building -----------------------------------------------------

inputs_l1() { echo 1 "$L1_SUITE" "$L1_PACKAGES" "$L1_EXTRA_LIBS" "$L1_DROP"; }
outputs_l1() { echo root/l1; }

stage_l1() {
	local tree=$build/root/l1.part
	host_programs l1 "the emulated host's programs" "$L1_PACKAGES" "$L1_EXTRA_LIBS" "$L1_DROP"
	userland_finish "$tree"
	rm -rf "$build/root/l1"
	mv "$tree" "$build/root/l1"
	record "L1_QEMU_VERSION=$(upstream "$(deb_version l1 qemu-system-arm)")" \
		"L1_QEMU_PACKAGE_VERSION=$(deb_version l1 qemu-system-arm)" "L1_SUITE=$L1_SUITE"
	say "the emulated host's programs: ready, $(du -sm "$build/root/l1" | cut -f1) MB"
}

# BUILD_DIR/root/NAME.part: all of these packages, and what they link from those that they depend on.
host_programs() { # NAME WORDS PACKAGES EXTRA-LIBS DROP
	local packages libs drop deb tree=$build/root/$1.part pool=$build/root/$1.pool
	read_list packages "$3"
	read_list libs "$4"
	read_list drop "$5"
	apt_setup "$1" arm64 "$L1_SUITE" "$L1_SUITE-updates" "$L1_SUITE-security"
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
	host_programs tracers "tracers for the emulated host" "$TRACER_PACKAGES" "" "$TRACER_DROP"
	rm -rf "$build/root/tracers"
	mv "$tree" "$build/root/tracers"
	record "PERF_VERSION=$(upstream "$(deb_version tracers linux-perf)")" \
		"TRACE_CMD_VERSION=$(upstream "$(deb_version tracers trace-cmd)")" \
		"BPFTRACE_VERSION=$(upstream "$(deb_version tracers bpftrace)")"
	say "tracers for the emulated host: ready, $(du -sm "$build/root/tracers" | cut -f1) MB"
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

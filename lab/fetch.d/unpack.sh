# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Unpacking packages into trees that no package manager looks after. Sourced by lab/fetch.

# What no part of the lab reads. Copyright files stay in the packages, in BUILD_DIR/cache.
undocumented=(--exclude=./usr/share/doc --exclude=./usr/share/man --exclude=./usr/share/info --exclude=./usr/share/locale
	--exclude=./usr/share/lintian --exclude=./usr/share/bug --exclude=./usr/share/doc-base)

# An empty tree laid out as Debian's are since 12: packages older than that still say /lib.
tree_new() { # DIR
	local d
	rm -rf "$1"
	mkdir -p "$1"/usr/{bin,sbin,lib,lib64}
	for d in bin sbin lib lib64; do ln -s "usr/$d" "$1/$d"; done
}

# Not dpkg -x: that replaces the links of tree_new by folders.
deb_unpack() { # DEB DIR [tar option...]
	dpkg-deb --fsys-tarfile "$1" |
		tar -x -p -C "$2" --keep-directory-symlink --warning=no-timestamp "${undocumented[@]}" "${@:3}"
}

# Absolute links lead out of a tree that is not mounted as /: make them relative where their target is in the tree.
tree_relink() { # DIR
	local link to
	while IFS= read -r -d '' link; do
		to=$(readlink "$link")
		if [ -e "$1$to" ] || [ -L "$1$to" ]; then ln -sfnr "$1$to" "$link"; fi
	done < <(find "$1" -type l -lname '/*' -print0)
}

# Libraries that ELF files name: NEEDED and the program interpreter. Anything else is passed over.
elf_needs() { # FILE...
	readelf -dlW "$@" 2>/dev/null |
		sed -nE 's/.*\(NEEDED\).*\[(.*)\].*/\1/p; s/.*program interpreter: .*\/([^]]*)\].*/\1/p' | sort -u
}

# Moves into TREE, from POOL, the shared libraries that TREE's files link, and those that these link, and LIB...
tree_complete() { # TREE POOL LIB...
	local tree=$1 pool=$2 path name real wanted=() files=() bad=0
	local -A have=() offered=()
	shift 2
	while IFS= read -r path; do have[${path##*/}]=1; done < <(find "$tree/usr" -name '*.so*' ! -type d)
	while IFS= read -r path; do offered[${path##*/}]=$path; done < <(find "$pool/usr" -name '*.so*' ! -type d)
	mapfile -t files < <(find "$tree/usr" -type f \( -perm /111 -o -name '*.so*' \))
	# Some of the files are scripts, of which readelf complains by its status.
	mapfile -t wanted < <(elf_needs "${files[@]}" || true; [ $# = 0 ] || printf '%s\n' "$@")
	while [ ${#wanted[@]} != 0 ]; do
		files=()
		for name in "${wanted[@]}"; do
			[ -z "${have[$name]-}" ] || continue
			have[$name]=1
			path=${offered[$name]-}
			if [ -z "$path" ]; then
				echo "fetch: no package of the closure has the library $name"
				bad=1
				continue
			fi
			real=$(realpath "$path")
			mkdir -p "$tree/${path%/*}" 2>/dev/null || true
			for path in "$path" "$real"; do
				path=${path#"$pool/"}
				mkdir -p "$tree/${path%/*}"
				[ -e "$tree/$path" ] || cp -a "$pool/$path" "$tree/$path"
			done
			files+=("$tree/$path")
			have[${path##*/}]=1
		done
		wanted=()
		[ ${#files[@]} = 0 ] || mapfile -t wanted < <(elf_needs "${files[@]}")
	done
	return $bad
}

# In place of arm64 libraries that PROGRAM links but never calls: the symbols it asks for, with their versions, no code.
tree_stub() { # TREE PROGRAM LIB...
	local tree=$1 program=$2 lib dir script
	shift 2
	dir=$(mktemp -d)
	for lib in "$@"; do
		# Every version that PROGRAM wants of this library, and the symbols; those without a version go into each stub.
		readelf -VW "$program" | awk -v lib="$lib" '
			/ File: / { mine = index($0, " File: " lib " ") }
			mine && match($0, /Name: [^ ]+/) { print substr($0, RSTART + 6, RLENGTH - 6) }' >"$dir/versions"
		readelf -W --dyn-syms "$program" |
			awk '$7 == "UND" && $5 == "GLOBAL" { print $8 }' | awk -v vers="$dir/versions" -v map="$dir/map" '
			BEGIN { while ((getline v < vers) > 0) known[v] = 1; printf "" > map }
			{ n = split($1, part, /@+/) }
			n == 1 { print "void " part[1] "(void) { __builtin_trap(); }" }
			n == 2 && part[2] in known {
				print "void " part[1] "(void) { __builtin_trap(); }"
				list[part[2]] = list[part[2]] " " part[1] ";"
			}
			END { for (v in known) print v " {" (v in list ? " global:" list[v] : "") " };" > map }' >"$dir/stub.c"
		script=()
		[ ! -s "$dir/map" ] || script=("-Wl,--version-script=$dir/map")
		aarch64-linux-gnu-gcc -w -fno-builtin -shared -nostdlib -Wl,-soname,"$lib" "${script[@]}" \
			-o "$tree/usr/lib/aarch64-linux-gnu/$lib" "$dir/stub.c"
	done
	rm -rf "$dir"
}

# QEMU's -kernel wants a plain arm64 Image. Debian's vmlinuz is one up to 6.12; later ones may be gzip or an EFI zboot image.
kernel_image() { # VMLINUZ IMAGE
	local at size how
	if [ "$(dd if="$1" bs=1 skip=56 count=4 status=none | tr -d '\0')" = "ARMd" ]; then
		ln -sfr "$1" "$2"
	elif [ "$(dd if="$1" bs=1 skip=4 count=4 status=none | tr -d '\0')" = zimg ]; then
		at=$(od -An -tu4 -j8 -N4 "$1")
		size=$(od -An -tu4 -j12 -N4 "$1")
		how=$(dd if="$1" bs=1 skip=24 count=8 status=none | tr -d '\0')
		tail -c +$((at + 1)) "$1" | head -c $((size)) | case $how in
		gzip) gzip -dc 2>/dev/null || [ $? = 2 ] ;; # its size word at the end may be cut off
		zstd*) zstd -dcq ;;
		xz*) xz -dc ;;
		*) echo "fetch: $1: unknown compression $how" && false ;;
		esac >"$2"
	else
		gzip -dc "$1" >"$2"
	fi
	[ "$(dd if="$2" bs=1 skip=56 count=4 status=none | tr -d '\0')" = "ARMd" ]
}

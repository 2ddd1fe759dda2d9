# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: GPL-2.0-only
#
# Private apt: where the mirror is, package lists, resolving and downloading without the machine's dpkg status.
# Sourced by lab/fetch; uses $build.

keyring=/usr/share/keyrings/debian-archive-keyring.gpg
mirror=
security=
declare -A lists_fresh=()

native_arch() { dpkg --print-architecture; }

# The Debian archive(s) in this machine's own apt configuration, best guess first, one URI a line.
# With lists: by what their Release files say of themselves. Never updated: by suite name, and the signature decides.
mirror_candidates() { # debian|security
	local label suites empty=$build/cache/empty-lists
	case $1 in
	debian) label='Debian( Backports)?' suites='(oldoldstable|oldstable|stable|testing|unstable|sid|[a-z]+)(-updates|-backports)?' ;;
	security) label=Debian-Security suites='[a-z]+(-security|/updates)' ;;
	esac
	mkdir -p "$empty/partial"
	{
		# shellcheck disable=SC2016 # apt's own variables
		apt-get indextargets --format '$(REPO_URI)|$(ORIGIN)|$(LABEL)' 'Created-By: Packages' 2>/dev/null |
			sed -nE "s,/*\|Debian\|$label\$,,p" || true
		apt-get -o Dir::State::lists="$empty" -o Debug::NoLocking=true --print-uris update 2>/dev/null |
			sed -nE "s,^'(.*[^/])/+dists/$suites/InRelease'.*,\1,p" || true
	} | awk '!/^cdrom:/ && !seen[$0]++'
}

# Only Acquire:: (proxies, retries, a clock that is off) of the machine's apt configuration is taken over.
acquire_settings() {
	apt-config dump 2>/dev/null |
		grep -E '^Acquire::' |
		grep -vE '^Acquire::(IndexTargets|Languages|Changelogs|cdrom|GzipIndexes|CompressionTypes|Allow|PDiffs)' || true
}

source_line() { # SUITE ARCH[,ARCH]
	local uri=$mirror
	case $1 in *-security) uri=$security ;; esac
	[ -z "$uri" ] || echo "deb [signed-by=$keyring arch=$2] $uri $1 main"
}

# A closure: cache/NAME with its own configuration. SUITES that the machine's mirror set lacks (security) are left out.
apt_setup() { # NAME ARCH[,ARCH] SUITE...
	local name=$1 archs=$2 suite dir=$build/cache/$1
	shift 2
	mkdir -p "$dir"/{archives/partial,state} "$build/cache/lists/partial"
	: >"$dir/status"
	for suite in "$@"; do source_line "$suite" "$archs"; done >"$dir/sources.list"
	cat >"$dir/apt.conf" <<-END
		$(acquire_settings)
		APT::Architecture "${archs%%,*}";
		APT::Architectures { "${archs//,/\"; \"}"; };
		APT::Install-Recommends "false";
		APT::Sandbox::User "root";
		APT::Get::List-Cleanup "false";
		Acquire::Languages "none";
		Acquire::PDiffs "false";
		Acquire::GzipIndexes "true";
		Acquire::Retries "3";
		Debug::NoLocking "true";
		Dir::State "$dir/state";
		Dir::State::status "$dir/status";
		Dir::State::lists "$build/cache/lists";
		Dir::Cache "$dir";
		Dir::Cache::archives "$dir/archives";
		Dir::Cache::srcpkgcache "";
		Dir::Etc::sourcelist "$dir/sources.list";
		Dir::Etc::sourceparts "/dev/null";
		Dir::Etc::preferences "/dev/null";
		Dir::Etc::preferencesparts "/dev/null";
		Dir::Etc::main "/dev/null";
		Dir::Etc::parts "/dev/null";
	END
}

in_closure() { # NAME COMMAND...
	local name=$1
	shift
	APT_CONFIG=$build/cache/$name/apt.conf "$@"
}

# Package lists of one or more suites; what this run already has is not asked for again.
lists_update() { # ARCH[,ARCH] SUITE...
	local archs=$1 suite wanted=() log=$build/log/fetch-lists.log
	shift
	for suite in "$@"; do
		[[ ${lists_fresh[$suite]-} == *"$archs"* ]] || wanted+=("$suite")
	done
	[ ${#wanted[@]} != 0 ] || return 0
	say "package lists: ${wanted[*]} ($archs)"
	apt_setup lists "$archs" "${wanted[@]}"
	in_closure lists apt-get -q --error-on=any update >>"$log" 2>&1 || return 1
	for suite in "${wanted[@]}"; do lists_fresh[$suite]+=" $archs"; done
}

# Sets $mirror: the first candidate whose lists of SUITE verify with Debian's keys; and $security, or leaves it empty.
find_mirror() { # ARCH[,ARCH] SUITE
	local uri candidates log=$build/log/fetch-lists.log
	: >"$log"
	[ -r "$keyring" ] || die "$keyring is missing: run lab/deps first"
	candidates=${LAB_MIRROR-$(mirror_candidates debian)}
	[ -n "$candidates" ] || die "no Debian mirror in this machine's apt configuration; name one: LAB_MIRROR=URI lab/fetch ..."
	while read -r uri; do
		mirror=$uri
		if lists_update "$1" "$2"; then
			security=${LAB_SECURITY_MIRROR-$(mirror_candidates security | head -n1)}
			if [ -z "$security" ]; then
				say "this machine's apt has no Debian security archive: going on without it"
			fi
			return 0
		fi
	done <<<"$candidates"
	grep -E '^[EW]:' "$log" | tail -n3 >&2 || true
	die "FAILED: package lists: no usable Debian mirror (log: $log)"
}

candidate() { # NAME PACKAGE: its version, or nothing
	in_closure "$1" apt-cache policy "$2" | sed -nE 's/^  Candidate: ([^(].*)/\1/p' | head -n1
}

upstream() { # VERSION without epoch and Debian's part
	local v=${1#*:}
	v=${v%%[+~-]*}
	echo "$v"
}

resolvable() { # NAME PACKAGE...
	in_closure "$1" apt-get -q -s -y install "${@:2}" >/dev/null 2>>"$build/log/fetch-lists.log"
}

human() { # BYTES
	echo "$((($1 + 500000) / 1000000)) MB"
}

# Downloads a closure into cache/NAME/archives; cache/NAME/packages then lists its files.
fetch_closure() { # NAME WORDS PACKAGE...
	local name=$1 words=$2 dir=$build/cache/$1 bytes count
	shift 2
	rm -f "$dir/packages"
	in_closure "$name" apt-get -q -s -y install "$@" >"$dir/simulated" || {
		grep -E '^E:|Depends:' "$dir/simulated" || true
		return 1
	}
	# Inst libc6 (2.43-7 Debian:unstable [amd64]) -> libc6_2.43-7_amd64.deb
	sed -nE 's/^Inst ([^ ]+) (\[[^]]*\] )?\(([^ ]+) .*\[([a-z0-9]+)\]\).*/\1_\3_\4.deb/p' "$dir/simulated" |
		sed -E 's/^([^_]*):[a-z0-9]+_/\1_/; s/:/%3a/g' | sort >"$dir/packages.part"
	count=$(wc -l <"$dir/packages.part")
	bytes=$(in_closure "$name" apt-get -q -y --print-uris install "$@" | awk '/^\x27/ { n += $3 } END { print n + 0 }')
	say "$words: $count packages, $(human "$bytes") to download"
	in_closure "$name" apt-get -q -y --download-only install "$@"
	closure_settle "$dir"
}

# The same for single packages, without what they depend on.
fetch_packages() { # NAME WORDS PACKAGE...
	local name=$1 words=$2 dir=$build/cache/$1 uris bytes f
	shift 2
	rm -f "$dir/packages"
	uris=$(in_closure "$name" apt-get -q --print-uris download "$@")
	awk '/^\x27/ { print $2 }' <<<"$uris" | sort >"$dir/packages.part"
	bytes=$(awk '/^\x27/ { n += $3 } END { print n + 0 }' <<<"$uris")
	say "$words: $# packages, $(human "$bytes")"
	while read -r f; do
		[ ! -f "$dir/archives/$f" ] || mv "$dir/archives/$f" "$dir/archives/partial/"
	done <"$dir/packages.part"
	# Verified against the lists, and resumed, by apt; the name is final only when it is.
	(cd "$dir/archives/partial" && in_closure "$name" apt-get -q download "$@")
	while read -r f; do mv "$dir/archives/partial/$f" "$dir/archives/"; done <"$dir/packages.part"
	closure_settle "$dir"
}

# Every file of the closure is there; what an older one left goes.
closure_settle() { # DIR
	local f dir=$1
	[ -s "$dir/packages.part" ]
	while read -r f; do
		[ -f "$dir/archives/$f" ] || {
			echo "fetch: $f was not downloaded"
			return 1
		}
	done <"$dir/packages.part"
	for f in "$dir"/archives/*.deb; do
		grep -qxF "${f##*/}" "$dir/packages.part" || rm -f "$f"
	done
	mv "$dir/packages.part" "$dir/packages"
}

deb_of() { # NAME PACKAGE: path of its file
	local f
	f=$(grep -m1 "^$2_" "$build/cache/$1/packages") && echo "$build/cache/$1/archives/$f"
}

debs_of() { # NAME PATTERN: paths of the files whose package's name is like this
	grep -E "^($2)_" "$build/cache/$1/packages" | sed "s;^;$build/cache/$1/archives/;"
}

deb_version() { # NAME PACKAGE
	dpkg-deb -f "$(deb_of "$1" "$2")" Version
}

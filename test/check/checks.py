# SPDX-License-Identifier: GPL-2.0-only
"""The static checks of make check: a table, CHECKS, and what each one runs.

A check is a function from a Tree to a list of Findings. It finds its files
itself, so that it works on the repository and on its sample in bad/ alike.
Compilers' flags come from the Makefiles, by make -n.
"""

import collections
import fnmatch
import json
import os
import re
import shlex
import subprocess

CROSS = "aarch64-linux-gnu-"

# series, the exports of its Debian kernel: each kernel that irqhop supports
KERNELS = (("6.12", "root/headers/kdir/Module.symvers"),)
KDIR = "root/headers/kdir"
# the module's two builds, and what the list says of what only one imports
MODULES = {"kmod/irqhop.ko": "production build",
           "kmod-test/irqhop.ko": "test build"}

# The probe that runs at each context switch, and what it may take, in
# instructions, if neither task is a vCPU's.
PROBE = "watch_sched_switch"
PROBE_LIMIT = 12

# Makefiles that compile for user space: folder, BUILD, targets
COMPILED = (
    ("core/test", "core-test", "all"),
    ("lab", "", "all"),
    ("tool", "tool", "all test"),
)
USER_SPACE = ("core/*.c", "lab/*.c", "tool/*.c", "bench/*.c", "test/*.c")
# The lab's modules for its guest and its host: built by Kbuild.
LAB_MODULES = "lab/src/*/*.c"

# files, folders that their #include "..." may lead to, pattern of their
# #include <...>. The first row that matches counts; dependencies point one
# way, and core/ knows nobody.
INCLUDES = (
    ("core/test/*", ("core",), r".*"),
    ("core/types.h", (), r"linux/(compiler|types)\.h|std(bool|def|int)\.h"),
    ("core/*", ("core",), None),
    ("kmod/*", ("kmod", "core"), r"(asm|kvm|linux|net|trace|uapi)/.*"),
    ("tool/*", ("tool",), r".*"),
    ("include/uapi/*", ("include/uapi",), r"linux/.*"),
    ("lab/*", ("lab",), r".*"),
    ("model/*", ("model", "core"), r".*"),
    ("bench/*", ("bench",), r".*"),
    ("test/*", ("test",), r".*"),
)

# kind, files, files that it does not hold for, pattern of a line, what it is
LINES = (
    ("trailing-space", "*", "*.md", r"[ \t\r]+$", "space at the end"),
    ("private-path", "*", "", r"(?<![\w.)}])/(home|work|farm)/\w",
     "a path of one machine"),
    ("mirror", "*", "", r"\b(deb|ftp[\w.]*|security|snapshot)\.debian\.org"
     r"|https?://[\w.:-]+/(debian|ubuntu)\b", "the name of a mirror"),
    ("kernel-version", "*.[ch]", "kmod/compat.h",
     r"\bLINUX_VERSION_CODE\b|\bKERNEL_VERSION\s*\(",
     "the kernel's version is looked at in kmod/compat.h alone"),
)
# what need not say its licence by itself: text, and what git and editors read
NO_SPDX = ("*.md", "*.json", "*.txt", "LICENSE", ".editorconfig",
           ".gitignore")


# headers in /usr/include whose macros cppcheck has to know; C's own it does
CPPCHECK_HEADERS = ("cmocka.h", "jansson.h", "libmnl")

# what sparse complains of, by a pattern of its words
SPARSE_KINDS = (
    ("context", r"context imbalance|context problem"),
    ("address-space", r"different address spaces|dereference of noderef"
     r"|address space"),
    ("endian", r"different base types|restricted"),
)


class Missing(Exception):
    """What a check needs is not there; the text says how to get it."""


class Broken(Exception):
    """A tool did not work: what was tried, and the end of what it said."""

    def __init__(self, what, output):
        super().__init__("\n".join([what] + output.splitlines()[-4:]))


class Finding(collections.namedtuple("Finding", "path number kind text")):
    """What a check complains of: where (path below the root, line number or
    0), what kind of thing it is by the name that its tool has for it, and the
    tool's own words."""

    __slots__ = ()

    def line(self):
        """As it is shown, and as editors understand it."""
        return f"{self.path}:{self.number}: {self.text} [{self.kind}]"


class Tree:
    """The sources below root, what make made of them in build, and work, a
    folder for what checks leave behind."""

    # depmod's and modprobe's folders are not in everybody's
    PATH = os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/sbin:/sbin"

    def __init__(self, root, build, work):
        self.root, self.build, self.work = root, build, work
        self.samples = os.path.join(root, "test/check/bad")

    def _walk(self):
        for folder, inner, names in os.walk(self.root):
            inner[:] = sorted(
                name for name in inner if name not in (".git", "__pycache__")
                and os.path.join(folder, name) not in (
                    self.build, os.path.join(self.root, "build"),
                    self.samples))
            for name in sorted(names):
                path = os.path.join(folder, name)
                if os.path.isfile(path) and not os.path.islink(path):
                    yield os.path.relpath(path, self.root)

    def files(self, *globs):
        """Paths below root that match one of the globs (* includes /)."""
        return [path for path in self._walk()
                if any(fnmatch.fnmatchcase(path, glob) for glob in globs)]

    def by_first_line(self, pattern):
        """Paths of the files whose first line matches."""
        pattern = re.compile(pattern)
        found = []
        for path in self._walk():
            with open(os.path.join(self.root, path), "rb") as file:
                line = file.readline(200).decode(errors="replace")
            if pattern.search(line):
                found.append(path)
        return found

    def read(self, path):
        """The text of a file below root."""
        with open(os.path.join(self.root, path), encoding="utf-8",
                  errors="replace", newline="") as file:
            return file.read()

    def made(self, path, how):
        """Something below build; raises Missing, which says how."""
        full = os.path.join(self.build, path)
        if not os.path.exists(full):
            raise Missing(f"no {path} in the build folder: {how}")
        return full

    def folder(self, name):
        """A folder of a check's own."""
        path = os.path.join(self.work, name)
        os.makedirs(path, exist_ok=True)
        return path

    def links(self, name, folder, names):
        """A folder of a check's own, with links to these names in folder."""
        path = self.folder(name)
        for old in os.listdir(path):
            os.remove(os.path.join(path, old))
        for new in names:
            os.symlink(os.path.join(folder, new), os.path.join(path, new))
        return path

    def run(self, command, cwd=None, **more):
        """A command's status, and what it says on both outputs."""
        env = dict(os.environ, LC_ALL="C", PATH=self.PATH, **more)
        # A make above this one would hand its own flags down.
        for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "BUILD"):
            env.pop(name, None)
        done = subprocess.run(command, cwd=cwd or self.root, env=env,
                              stdin=subprocess.DEVNULL, errors="replace",
                              stdout=subprocess.PIPE, text=True,
                              stderr=subprocess.STDOUT, check=False)
        return done.returncode, done.stdout

    def parse(self, output, pattern, cwd=None):
        """Findings of a tool's output by a pattern with the groups path,
        number, kind, text. What is in other people's files is not ours."""
        findings = []
        for match in re.finditer(pattern, output, re.MULTILINE):
            path = os.path.realpath(os.path.join(cwd or self.root,
                                                 match["path"]))
            if (path.startswith(os.path.realpath(self.root) + "/") and
                    not path.startswith(os.path.realpath(self.build) + "/")):
                findings.append(Finding(
                    os.path.relpath(path, os.path.realpath(self.root)),
                    int(match["number"]), match["kind"], match["text"]))
        return findings


def sparse(tree):
    """Kbuild's C=2: kmod/, and core/ as it is compiled into the module."""
    kdir = tree.made(KDIR, "make fetch")
    status, output = tree.run(
        ["make", "-C", "kmod", f"KDIR={kdir}",
         f"BUILD={tree.folder('sparse')}", "ARCH=arm64",
         f"CROSS_COMPILE={CROSS}", "IRQHOP_TEST=1", "C=2", "CHECK=sparse",
         "CF=-Wcontext"])
    found = [f._replace(kind=next(
        (kind for kind, pattern in SPARSE_KINDS if re.search(pattern, f.text)),
        f.kind)) for f in tree.parse(
            output, r"^(?P<path>[^:\s]+):(?P<number>\d+):\d+: "
            r"(?P<kind>warning|error): (?P<text>.*)$")]
    if status or not re.search(r"^  CHECK ", output, re.MULTILINE):
        why = re.findall(r"^.*\berror:? .*$", output, re.MULTILINE | re.I)
        found.append(Finding("kmod/Kbuild", 0, "build", "does not build: " +
                             "; ".join(why[:3] or output.splitlines()[-3:])))
    return found


def checkpatch(tree):
    """The kernel's own opinion of our C."""
    script = tree.made("root/checkpatch/checkpatch.pl",
                       "lab/fetch build checkpatch")
    files = tree.files("*.c", "*.h")
    # It leaves a file in a git repository, and judges by relative paths.
    folder = tree.links("checkpatch", tree.root,
                        {path.split("/")[0] for path in files})
    status, output = tree.run(
        ["perl", script, "--strict", "--no-tree", "--terse", "--show-types",
         "--no-summary", "--color=never", "-f"] + files, cwd=folder)
    found = tree.parse(output, r"^(?P<path>[^:\s]+):(?P<number>\d+): "
                       r"\w+:(?P<kind>\w+): (?P<text>.*)$")
    if status and not found:
        raise Broken("checkpatch.pl", output)
    return found


def compile_commands(tree):
    """(cwd, source, flags) of each compilation that the Makefiles do in user
    space, without what only the linker or a sanitizer wants."""
    commands = {}
    for folder, build, targets in COMPILED:
        if not os.path.exists(os.path.join(tree.root, folder, "Makefile")):
            continue
        status, output = tree.run(
            ["make", "-nB", "--no-print-directory", "-C", folder,
             f"BUILD={os.path.join(tree.build, build)}"] + targets.split())
        if status:
            raise Broken(f"make -n in {folder}", output)
        cwd = os.path.join(tree.root, folder)
        for line in output.replace("\\\n", " ").splitlines():
            try:
                words = shlex.split(line)
            except ValueError:  # not a command of one line, so no compiler's
                continue
            if not words or not re.search(r"(^|[-/])g?cc$", words[0]):
                continue
            flags = tuple(
                word for word in words if re.match(r"-[DIUOWf]|-std=", word)
                and not re.match(r"-Wl,|-Werror|-fsanitize|-fno-sanit", word))
            macros = tuple(word for word in flags if word[:2] in "-D-U")
            for word in words:
                if word.endswith(".c"):
                    source = os.path.normpath(os.path.join(cwd, word))
                    # Once for each set of macros.
                    commands.setdefault((source, macros),
                                        (cwd, source, words[:1], flags))
    return list(commands.values())


def uncompiled(tree, commands):
    """User-space sources that no Makefile compiles: nobody checks them."""
    known = {source for _, source, _, _ in commands}
    return [Finding(path, 0, "uncompiled", "no Makefile compiles it")
            for path in tree.files(*USER_SPACE)
            if os.path.join(tree.root, path) not in known
            and not fnmatch.fnmatchcase(path, LAB_MODULES)]


def gcc(tree):
    """gcc's static analyzer, with the Makefiles' own warnings."""
    commands = compile_commands(tree)
    found = uncompiled(tree, commands)
    for cwd, source, compiler, flags in commands:
        status, output = tree.run(
            compiler + list(flags) + [
                "-fanalyzer", "-c", "-o", "/dev/null", "-fmax-errors=1",
                "-fdiagnostics-plain-output", source],
            cwd=cwd)
        lines = tree.parse(
            output, r"^(?P<path>[^:\s]+):(?P<number>\d+):\d+: "
            r"(?:warning|error): (?P<text>.*?)"
            r"(?: \[CWE-\d+\])?(?: \[(?P<kind>-W[^]]*)\])?$", cwd)
        found += [f._replace(kind=f.kind or "error") for f in lines]
        if status and not lines:
            raise Broken(f"gcc of {source}", output)
    return found


def cppcheck(tree):
    """cppcheck, which sees what gcc's analyzer does not ask about."""
    commands = compile_commands(tree)
    headers = tree.links("headers", "/usr/include", CPPCHECK_HEADERS)
    base = os.path.join(tree.work, "compile_commands.json")
    with open(base, "w", encoding="utf-8") as file:
        json.dump([{"directory": cwd, "file": source,
                    "command": shlex.join(
                        compiler + list(flags) +
                        [f"-I{headers}", "-c", source])}
                   for cwd, source, compiler, flags in commands], file)
    status, output = tree.run(
        ["cppcheck", "-q", f"--project={base}", "--inline-suppr",
         "--enable=warning,style,performance,portability", "--template="
         "{file}:{line}: {message} [{id}]"])
    if status:
        raise Broken("cppcheck", output)
    return uncompiled(tree, commands) + tree.parse(
        output, r"^(?P<path>[^:\s]+):(?P<number>\d+): (?P<text>.*) "
        r"\[(?P<kind>\w+)\]$")


def shellcheck(tree):
    """Every shell script: what says so in its first line."""
    files = tree.by_first_line(r"^#!\s*\S*(\b|busybox )(ba|da)?sh\b"
                               r"|^# shellcheck shell=")
    if not files:
        return []
    status, output = tree.run(["shellcheck", "-x", "-f", "gcc"] + files)
    found = tree.parse(output, r"^(?P<path>[^:\s]+):(?P<number>\d+):\d+: "
                       r"\w+: (?P<text>.*) \[(?P<kind>SC\d+)\]$")
    if status and not found:
        raise Broken("shellcheck", output)
    return found


def exports(path):
    """{symbol: (how it is exported, by what)} of a Module.symvers."""
    with open(path, encoding="utf-8") as lines:
        fields = [line.rstrip("\n").split("\t") for line in lines]
    return {symbol: (how, owner) for _, symbol, owner, how, *_ in fields}


def imports(tree):
    """{symbol: the builds that import it}."""
    found = {}
    for module in MODULES:
        status, output = tree.run(
            [f"{CROSS}nm", "-u",
             tree.made(module, "make module module-test")])
        if status or not output:
            raise Broken(f"nm of {module}", output or "no imports")
        for line in output.splitlines():
            found.setdefault(line.split()[-1], []).append(module)
    return found


def import_lists(tree):
    """(path of the list, its lines, symbols that are not exported) for each
    kernel."""
    wanted = imports(tree)
    for series, symvers in KERNELS:
        offered = exports(tree.made(symvers, "make fetch"))
        lines = [f"{symbol} {' '.join(offered[symbol])}" +
                 (f" ({MODULES[builds[0]]})" if len(builds) == 1 else "")
                 for symbol, builds in sorted(wanted.items())
                 if symbol in offered]
        yield (f"test/check/imports-{series}.txt", lines,
               sorted(set(wanted) - set(offered)))


def module_imports(tree):
    """What the module needs of each kernel: exported there, and known."""
    found = []
    for path, lines, absent in import_lists(tree):
        found += [Finding(path, 0, "not-exported",
                          f"{symbol} is not exported by this kernel")
                  for symbol in absent]
        known = {line: number for number, line
                 in enumerate(tree.read(path).splitlines(), 1)
                 if line and not line.startswith("#")}
        how = "if that is meant: make check UPDATE=imports"
        found += [Finding(path, 0, "new-import", f"new: {line} ({how})")
                  for line in lines if line not in known]
        found += [Finding(path, number, "old-import",
                          f"no longer so: {line} ({how})")
                  for line, number in known.items() if line not in lines]
    return found


def update_imports(tree):
    """Write the lists as they are now."""
    for path, lines, _ in import_lists(tree):
        with open(os.path.join(tree.root, path), "w",
                  encoding="utf-8") as file:
            file.write("# What irqhop.ko imports from this kernel, how that "
                       "is exported, and by what.\n"
                       "# Written by: make check UPDATE=imports\n")
            file.writelines(line + "\n" for line in lines)


def fast_path(listing):
    """A function's instructions down to its first return, from objdump."""
    path = []
    for line in listing.splitlines():
        fields = line.split("\t")
        if len(fields) < 3:
            continue
        path.append(fields[2].strip())
        if path[-1] == "ret":
            return path
    return []


def probe(tree):
    """What the probe on sched_switch runs for a task that is no vCPU."""
    module = next(iter(MODULES))
    status, output = tree.run(
        [f"{CROSS}objdump", "-d", f"--disassemble={PROBE}",
         tree.made(module, "make module")])
    path = fast_path(output)
    if status or not path:
        raise Broken(f"objdump of {module}", output)
    found = []
    if len(path) > PROBE_LIMIT:
        found.append(Finding("kmod/watch.c", 0, "long",
                             f"{PROBE}: {len(path)} instructions to the "
                             f"first return, at most {PROBE_LIMIT}"))
    found += [Finding("kmod/watch.c", 0, "call", f"{PROBE}: {name}")
              for name in path if name in ("bl", "blr")]
    return found


def python(tree):
    """pylint's errors and warnings; of its taste, nothing."""
    files = sorted(set(tree.files("*.py")) | set(
        tree.by_first_line(r"^#!\S*(\b|env )python3?\b")))
    if not files:
        return []
    # Scripts put folders of ours into sys.path, which pylint does not see.
    folders = {os.path.join(tree.root, os.path.dirname(f)) for f in files}
    status, output = tree.run(
        ["pylint", "--disable=C,R", "--score=n", "--persistent=n",
         "--msg-template={path}:{line}: {symbol}: {msg}"] + files,
        PYTHONPATH=":".join(sorted(folders)))
    if status & 32:  # its bit for "usage error"
        raise Broken("pylint", output)
    return tree.parse(output, r"^(?P<path>[^:\s]+):(?P<number>\d+): "
                      r"(?P<kind>[\w-]+): (?P<text>.*)$")


def man(tree):
    """The man page: groff's warnings, and what --help has that it lacks."""
    page = "tool/irqhop.8"
    tool = tree.made("tool/irqhop", "make tool")
    _, output = tree.run(["groff", "-mandoc", "-ww", "-Tutf8", "-z", page])
    found = tree.parse(output, r"^(?:\w+: )?(?P<path>[^:\s]+):"
                       r"(?P<number>\d+): (?P<kind>\w+): (?P<text>.*)$")
    text = tree.read(page)
    _, usage = tree.run([tool, "--help"])
    commands = re.findall(r"^  ([a-z][\w-]*)  ", usage, re.MULTILINE)
    if not commands:
        raise Broken("no command in irqhop --help", usage)
    for command in commands:
        if not re.search(rf"^\.It Cm {command}\b", text, re.MULTILINE):
            found.append(Finding(page, 0, "undocumented",
                                 f"command {command}"))
        _, usage = tree.run([tool, command, "--help"])
        for option in re.findall(r"^ +(?:-., )? *--([a-z-]+)", usage,
                                 re.MULTILINE):
            if not re.search(rf"Fl -{option}\b", text):
                found.append(Finding(page, 0, "undocumented",
                                     f"option --{option} of {command}"))
    return found


def kernel_doc(tree):
    """The kernel's own reader of kernel-doc comments."""
    script = tree.made(f"{KDIR}/scripts/kernel-doc", "make fetch")
    _, output = tree.run(["perl", script, "-none", "-Wall"] +
                         tree.files("kmod/*.[ch]", "core/*.[ch]",
                                    "include/uapi/*.h"))
    return tree.parse(output, r"^(?P<path>[^:\s]+):(?P<number>\d+): "
                      r"(?P<kind>warning|error): (?P<text>.*)$")


def line_rules(path, lines):
    """Findings of LINES in one file."""
    for kind, files, but, pattern, text in LINES:
        if (fnmatch.fnmatchcase(path, files) and
                not fnmatch.fnmatchcase(path, but)):
            for number, line in enumerate(lines, 1):
                if re.search(pattern, line):
                    yield Finding(path, number, kind, text)


def include_rules(tree, path, lines):
    """Findings of INCLUDES in one C file."""
    for files, folders, system in INCLUDES:
        if fnmatch.fnmatchcase(path, files):
            break
    else:
        yield Finding(path, 0, "include", "INCLUDES in test/check/checks.py "
                      "does not say what this may include")
        return
    here = os.path.dirname(path)
    for number, line in enumerate(lines, 1):
        match = re.match(r'\s*#\s*include\s*(?:"(.*)"|<(.*)>)', line)
        if not match:
            continue
        quoted, angled = match.groups()
        if angled:
            good = system and re.fullmatch(system, angled)
        else:
            targets = [os.path.normpath(os.path.join(folder, quoted))
                       for folder in (here,) + folders]
            found = [t for t in targets
                     if os.path.exists(os.path.join(tree.root, t))]
            good = found and os.path.dirname(found[0]) in (here,) + folders
        if not good:
            yield Finding(path, number, "include",
                          f"{quoted or angled} is not for this folder")


def hygiene(tree):
    """What no compiler looks at."""
    found = []
    for path in tree.files("*"):
        text = tree.read(path)
        lines = text.split("\n")
        if text and lines[-1]:
            found.append(Finding(path, len(lines), "no-newline",
                                 "no newline at the end"))
        if not any(fnmatch.fnmatchcase(path, glob) for glob in NO_SPDX):
            if "SPDX-License-Identifier: " not in "".join(lines[:3]):
                found.append(Finding(path, 1, "no-spdx", "no SPDX line"))
        found += line_rules(path, lines)
        if path.endswith((".c", ".h")):
            found += include_rules(tree, path, lines)
    return found


# name: also of its sample, test/check/bad/NAME. what: of its result line.
# run: Tree -> Findings. programs: without which it is skipped. borrows: files
# of the repository that its sample is completed with. prepare: a command in
# the sample. must_find: "path kind" of all that it has to find there. update:
# takes what is for what shall be.
Check = collections.namedtuple(
    "Check", "name what run programs borrows prepare must_find update",
    defaults=((), (), "", (), None))

CHECKS = (
    Check("sparse", "lock contexts, address spaces, endianness: kmod, core",
          sparse, ("sparse", f"{CROSS}gcc"),
          ("kmod/Makefile", "include/uapi/linux/irqhop.h"), "",
          ("kmod/bad.c address-space", "kmod/bad.c context",
           "kmod/bad.c endian")),
    Check("checkpatch", "the kernel's style, in all C", checkpatch,
          ("perl",), (), "", ("kmod/bad.c SPACING",)),
    Check("gcc", "gcc -fanalyzer: tool, core, lab, tests", gcc,
          ("gcc", f"{CROSS}gcc"), (), "",
          ("tool/bad.c -Wanalyzer-double-free", "tool/bad.c -Wunused-variable",
           "tool/forgotten.c uncompiled")),
    Check("cppcheck", "cppcheck: tool, core, lab, tests", cppcheck,
          ("cppcheck",), (), "",
          ("tool/bad.c arrayIndexOutOfBounds",
           "tool/forgotten.c uncompiled")),
    Check("shellcheck", "all shell scripts", shellcheck, ("shellcheck",),
          (), "", ("lab/bad SC2086", "lab/part SC2034")),
    Check("imports", "what the module imports is exported, and known",
          module_imports, (f"{CROSS}nm",), (),
          f"mkdir -p build/kmod build/kmod-test;"
          f"{CROSS}gcc -c -o build/kmod/irqhop.ko bad.c;"
          f"{CROSS}gcc -c -o build/kmod-test/irqhop.ko bad.c",
          ("test/check/imports-6.12.txt not-exported",
           "test/check/imports-6.12.txt new-import",
           "test/check/imports-6.12.txt old-import"), update_imports),
    Check("probe", f"the probe on sched_switch: at most {PROBE_LIMIT} "
          "instructions for a task that is no vCPU", probe,
          (f"{CROSS}objdump",), (),
          f"mkdir -p build/kmod;"
          f"{CROSS}gcc -O2 -c -o build/kmod/irqhop.ko bad.c",
          ("kmod/watch.c long", "kmod/watch.c call")),
    Check("python", "pylint's errors and warnings: lab, bench, test", python,
          ("pylint",), (), "",
          ("lab/bad.py undefined-variable", "lab/script syntax-error")),
    Check("man", "irqhop.8: groff's warnings, all of --help is in it", man,
          ("groff",), (), "",
          ("tool/irqhop.8 warning", "tool/irqhop.8 undocumented")),
    Check("kernel-doc", "kernel-doc comments: kmod, core, uapi", kernel_doc,
          ("perl",), (), "", ("kmod/bad.h warning",)),
    Check("hygiene", "licences, spaces, paths, mirrors, kernel versions, "
          "who includes whom", hygiene, (), (), "",
          ("core/bad.c include", "core/bad.c kernel-version",
           "kmod/bad.c include", "kmod/bad.c no-spdx", "lab/bad mirror",
           "lab/bad no-newline", "lab/bad private-path",
           "lab/bad trailing-space", "other/bad.c include")),
)

// SPDX-License-Identifier: GPL-2.0-only
/*
 * probes: who is called at a tracepoint of the running kernel.
 *
 *	probes sched_switch sched_process_exit
 *
 * A line for each probe: the tracepoint, and the probe's function as
 * /proc/kallsyms has it. Read out of the
 * kernel's memory (/proc/kcore), where its type information (BTF) says that
 * it is: what counts is what the kernel does, not what a module says it did.
 */
#include <elf.h>
#include <err.h>
#include <fcntl.h>
#include <linux/btf.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BTF_SIZE_MAX	(64 << 20)
#define PHDRS_MAX	512
#define POINTS_MAX	16
#define PROBES_MAX	64

struct place {
	uint32_t offset;	/* of the member, in bytes */
	uint32_t size;		/* of the structure */
};

/* What follows a type of each kind: so much, and so much for each member. */
static const struct {
	uint32_t once, each;
} trailers[NR_BTF_KINDS] = {
	[BTF_KIND_INT]		= { .once = 4 },
	[BTF_KIND_ARRAY]	= { .once = sizeof(struct btf_array) },
	[BTF_KIND_STRUCT]	= { .each = sizeof(struct btf_member) },
	[BTF_KIND_UNION]	= { .each = sizeof(struct btf_member) },
	[BTF_KIND_ENUM]		= { .each = sizeof(struct btf_enum) },
	[BTF_KIND_FUNC_PROTO]	= { .each = sizeof(struct btf_param) },
	[BTF_KIND_VAR]		= { .once = sizeof(struct btf_var) },
	[BTF_KIND_DATASEC]	= { .each = sizeof(struct btf_var_secinfo) },
	[BTF_KIND_DECL_TAG]	= { .once = sizeof(struct btf_decl_tag) },
	[BTF_KIND_ENUM64]	= { .each = sizeof(struct btf_enum64) },
};

static char *btf_load(void)
{
	char *data = malloc(BTF_SIZE_MAX);
	int fd = open("/sys/kernel/btf/vmlinux", O_RDONLY);
	size_t len = 0;
	ssize_t got;

	if (!data || fd < 0)
		err(1, "/sys/kernel/btf/vmlinux");
	while ((got = read(fd, data + len, BTF_SIZE_MAX - len)) > 0)
		len += got;
	if (got < 0)
		err(1, "/sys/kernel/btf/vmlinux");
	close(fd);
	if (len < sizeof(struct btf_header) ||
	    ((struct btf_header *)data)->magic != BTF_MAGIC)
		errx(1, "/sys/kernel/btf/vmlinux: not BTF");
	return data;
}

static uint32_t member_offset(const struct btf_type *type, const char *strings,
			      const char *name)
{
	const struct btf_member *member = (const void *)(type + 1);
	uint32_t i;

	for (i = 0; i < BTF_INFO_VLEN(type->info); i++)
		if (!strcmp(strings + member[i].name_off, name))
			return (BTF_INFO_KFLAG(type->info) ?
				BTF_MEMBER_BIT_OFFSET(member[i].offset) :
				member[i].offset) / 8;
	errx(1, "struct %s has no member %s", strings + type->name_off, name);
}

static struct place btf_find(const char *btf, const char *structure,
			     const char *member)
{
	const struct btf_header *head = (const void *)btf;
	const char *at = btf + head->hdr_len + head->type_off;
	const char *strings = btf + head->hdr_len + head->str_off;
	const char *end = at + head->type_len;

	while (at < end) {
		const struct btf_type *type = (const void *)at;
		uint32_t kind = BTF_INFO_KIND(type->info);

		if (kind >= NR_BTF_KINDS)
			errx(1, "BTF of a kind that is not known here: %u", kind);
		if (kind == BTF_KIND_STRUCT &&
		    !strcmp(strings + type->name_off, structure))
			return (struct place){
				member_offset(type, strings, member),
				type->size,
			};
		at += sizeof(*type) + trailers[kind].once +
		      trailers[kind].each * BTF_INFO_VLEN(type->info);
	}
	errx(1, "no struct %s in BTF", structure);
}

static uint64_t kcore_read(uint64_t addr)
{
	static Elf64_Phdr phdrs[PHDRS_MAX];
	static Elf64_Ehdr head;
	static int fd = -1;
	uint64_t value;
	unsigned int i;

	if (fd < 0) {
		fd = open("/proc/kcore", O_RDONLY);
		if (fd < 0 || pread(fd, &head, sizeof(head), 0) != sizeof(head))
			err(1, "/proc/kcore");
		if (head.e_phnum > PHDRS_MAX ||
		    pread(fd, phdrs, sizeof(phdrs), head.e_phoff) <
		    (ssize_t)(head.e_phnum * sizeof(*phdrs)))
			errx(1, "/proc/kcore: %u segments", head.e_phnum);
	}
	for (i = 0; i < head.e_phnum; i++) {
		const Elf64_Phdr *p = &phdrs[i];

		if (p->p_type != PT_LOAD || addr < p->p_vaddr ||
		    addr - p->p_vaddr >= p->p_memsz)
			continue;
		if (pread(fd, &value, sizeof(value),
			  p->p_offset + (addr - p->p_vaddr)) != sizeof(value))
			err(1, "/proc/kcore at %#lx", addr);
		return value;
	}
	errx(1, "/proc/kcore has nothing at %#lx", addr);
}

/* What is looked for in /proc/kallsyms: by its name, or else by its address. */
struct symbol {
	char name[256];
	uint64_t addr;
	char line[320];		/* from its name on; empty: not found */
	const char *point;	/* of a probe: its tracepoint */
};

/* A symbol that a line of /proc/kallsyms may be, if it is one at all. */
static bool symbol_is(const struct symbol *s, const char *line)
{
	char digits[17];

	if (s->name[0])
		return strstr(line, s->name);
	snprintf(digits, sizeof(digits), "%016lx", s->addr);
	return !strncmp(line, digits, 16);
}

static void symbol_found(struct symbol *s, const char *line)
{
	char symbol[256];
	uint64_t value;
	int at;

	if (s->line[0] || sscanf(line, "%lx %*c %n%255s", &value, &at, symbol) != 2 ||
	    (s->name[0] && strcmp(symbol, s->name)))
		return;
	s->addr = value;
	snprintf(s->line, sizeof(s->line), "%s", line + at);
}

/*
 * All of them in one go, as there are 200,000 lines. Those of data, which the
 * tracepoints are, have another type than those of code, which probes are.
 */
static void symbols_find(struct symbol *symbols, unsigned int nr,
			 const char *types)
{
	FILE *file = fopen("/proc/kallsyms", "r");
	char line[512];
	unsigned int i;

	if (!file)
		err(1, "/proc/kallsyms");
	while (fgets(line, sizeof(line), file)) {
		if (strlen(line) < 20 || !strchr(types, line[17]))
			continue;
		for (i = 0; i < nr; i++)
			if (symbol_is(&symbols[i], line))
				symbol_found(&symbols[i], line);
	}
	fclose(file);
	for (i = 0; i < nr; i++)
		if (!symbols[i].line[0])
			errx(1, "/proc/kallsyms has no %s at %#lx",
			     symbols[i].name, symbols[i].addr);
}

/* The probes at a tracepoint. Return: how many there are now. */
static unsigned int probes_read(const struct symbol *point, const char *name,
				const struct place *funcs,
				const struct place *func,
				struct symbol *probes, unsigned int nr)
{
	uint64_t list, probe;

	for (list = kcore_read(point->addr + funcs->offset);
	     list && (probe = kcore_read(list + func->offset));
	     list += func->size) {
		if (nr == PROBES_MAX)
			errx(1, "more than %d probes", PROBES_MAX);
		probes[nr++] = (struct symbol){ .addr = probe, .point = name };
	}
	return nr;
}

int main(int argc, char **argv)
{
	static struct symbol points[POINTS_MAX], probes[PROBES_MAX];
	struct place funcs, func;
	unsigned int nr = 0;
	char *btf;
	int i;

	if (argc < 2 || argc > POINTS_MAX)
		errx(2, "usage: probes TRACEPOINT...");
	for (i = 1; i < argc; i++)
		snprintf(points[i - 1].name, sizeof(points[0].name),
			 "__tracepoint_%s", argv[i]);
	symbols_find(points, argc - 1, "dDbBrR");
	btf = btf_load();
	funcs = btf_find(btf, "tracepoint", "funcs");
	func = btf_find(btf, "tracepoint_func", "func");
	for (i = 1; i < argc; i++)
		nr = probes_read(&points[i - 1], argv[i], &funcs, &func,
				 probes, nr);
	if (nr)
		symbols_find(probes, nr, "tTwW");
	for (i = 0; i < (int)nr; i++)
		printf("%s %s", probes[i].point, probes[i].line);
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * probes: who is called at a tracepoint of the running kernel.
 *
 *	probes sched_switch
 *
 * A line for each probe, as /proc/kallsyms has its function. Read out of the
 * kernel's memory (/proc/kcore), where its type information (BTF) says that
 * it is: what counts is what the kernel does, not what a module says it did.
 */
#include <elf.h>
#include <err.h>
#include <fcntl.h>
#include <linux/btf.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BTF_SIZE_MAX	(64 << 20)
#define PHDRS_MAX	512

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

/*
 * Of a name its address, or of an address the rest of its line. Return: 0 if
 * there is none.
 */
static uint64_t symbol_find(const char *name, uint64_t addr, char line[512])
{
	FILE *file = fopen("/proc/kallsyms", "r");
	char symbol[256], digits[17];
	uint64_t found = 0;
	uint64_t value;
	int at;

	if (!file)
		err(1, "/proc/kallsyms");
	snprintf(digits, sizeof(digits), "%016lx", addr);
	while (!found && fgets(line, 512, file)) {
		/* There are 200,000 lines: most are to be done with at once. */
		if (name ? !strstr(line, name) : strncmp(line, digits, 16))
			continue;
		if (sscanf(line, "%lx %*c %n%255s", &value, &at, symbol) != 2)
			continue;
		if (name ? !strcmp(symbol, name) : value == addr) {
			found = value;
			memmove(line, line + at, strlen(line + at) + 1);
		}
	}
	fclose(file);
	return found;
}

int main(int argc, char **argv)
{
	struct place funcs, func;
	uint64_t point, list, probe;
	char name[256], line[512];
	char *btf;

	if (argc != 2)
		errx(2, "usage: probes TRACEPOINT");
	snprintf(name, sizeof(name), "__tracepoint_%s", argv[1]);
	point = symbol_find(name, 0, line);
	if (!point)
		errx(1, "/proc/kallsyms has no %s", name);
	btf = btf_load();
	funcs = btf_find(btf, "tracepoint", "funcs");
	func = btf_find(btf, "tracepoint_func", "func");

	for (list = kcore_read(point + funcs.offset);
	     list && (probe = kcore_read(list + func.offset));
	     list += func.size) {
		if (!symbol_find(NULL, probe, line))
			errx(1, "/proc/kallsyms has nothing at %#lx", probe);
		fputs(line, stdout);
	}
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqhop: the table of a VM's interrupts. No event says that a guest has
 * mapped or discarded an LPI, so KVM's own table is scanned: a few at a time,
 * when there is reason to, and all of it by the worker.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/sched/clock.h>
#include <linux/slab.h>

#include "fault.h"
#include "irqhop.h"

/* LPIs that a VM's table has room for at first, and at most. */
#define TABLE_FIRST	256
#define TABLE_MOST	16384
/*
 * Turns of a scan in interrupt context are at least this far apart: it is the
 * guest that brings them about, and that says how many LPIs there are.
 */
#define TABLE_SCAN_GAP	(2 * NSEC_PER_MSEC)

static u16 *table_slot(struct irqhop_vm *vm, u32 intid)
{
	return &vm->slot[intid - IRQHOP_LPI_FIRST];
}

/**
 * irqhop_table_find - the engine's number of an LPI
 * @vm: the VM
 * @intid: the guest's number
 *
 * Context: @vm's lock held.
 *
 * Return: the number, %IRQHOP_NONE if it is not in the table.
 */
u16 irqhop_table_find(struct irqhop_vm *vm, u32 intid)
{
	u16 slot = 0;

	lockdep_assert_held(&vm->lock);
	if (intid >= IRQHOP_LPI_FIRST && intid < IRQHOP_LPI_END)
		slot = *table_slot(vm, intid);
	return slot ? slot - 1 : IRQHOP_NONE;
}

static void table_written_set(struct irqhop_vm *vm, struct irqhop_irq *irq,
			      u16 written)
{
	vm->nr_written -= irq->written != IRQHOP_NONE;
	vm->nr_written += written != IRQHOP_NONE;
	irq->written = written;
}

/**
 * irqhop_table_resolve - what KVM's record does not say of an LPI any more
 * @vm: the VM
 * @h: the LPI, held
 * @info: what was found then; gets its home
 *
 * Of an injected LPI KVM has one vCPU only. If that is the one that we have
 * written there, its home is what was there before; any other is the guest's
 * doing. (The guest may also want it just where we have it: see
 * irqhop_command_write().)
 *
 * If it has become direct meanwhile, KVM has mapped it by that record, which
 * then has to name its home again. The mapping stays: it is a direct LPI that
 * is away. The same if that mapping is gone already, and KVM does not know.
 *
 * Context: @vm's lock held.
 */
void irqhop_table_resolve(struct irqhop_vm *vm, struct irqhop_arch_hold *h,
			  struct irqhop_arch_irq *info)
{
	u16 i = irqhop_table_find(vm, info->intid);
	struct irqhop_irq *irq;

	if (i == IRQHOP_NONE || vm->irq[i].written == IRQHOP_NONE)
		return;
	irq = &vm->irq[i];
	if (info->home != irq->written) {
		table_written_set(vm, irq, IRQHOP_NONE);
		return;
	}
	info->home = irq->home;
	if (info->direct || info->target == IRQHOP_NONE) {
		irqhop_arch_irq_record(h, irq->written, irq->home);
		table_written_set(vm, irq, IRQHOP_NONE);
	}
}

/**
 * irqhop_table_gone - an LPI that was injected and away is not there any more
 * @vm: the VM
 * @i: the engine's number of it
 *
 * The engine is not told.
 *
 * Context: @vm's lock held.
 */
void irqhop_table_gone(struct irqhop_vm *vm, u16 i)
{
	table_written_set(vm, &vm->irq[i], IRQHOP_NONE);
}

/**
 * irqhop_table_moved - an LPI was moved
 * @vm: the VM
 * @info: what was found before
 * @to: where to
 *
 * Context: @vm's lock held.
 */
void irqhop_table_moved(struct irqhop_vm *vm,
			const struct irqhop_arch_irq *info, u16 to)
{
	u16 i = irqhop_table_find(vm, info->intid);

	if (info->direct || i == IRQHOP_NONE)
		return;
	vm->irq[i].home = info->home;
	table_written_set(vm, &vm->irq[i],
			  to == info->home ? IRQHOP_NONE : to);
}

/**
 * irqhop_table_has_place - is it known where an LPI goes, and where it shall
 * @info: what was found
 *
 * Return: true if so; otherwise there is nothing to be done with it.
 */
bool irqhop_table_has_place(const struct irqhop_arch_irq *info)
{
	return info->home != IRQHOP_NONE && info->target != IRQHOP_NONE;
}

/**
 * irqhop_table_forget - an LPI is unmapped, or goes nowhere
 * @vm: the VM
 * @i: the engine's number of it
 *
 * Context: @vm's lock held.
 */
void irqhop_table_forget(struct irqhop_vm *vm, u16 i)
{
	lockdep_assert_held(&vm->lock);
	*table_slot(vm, vm->irq[i].intid) = 0;
	table_written_set(vm, &vm->irq[i], IRQHOP_NONE);
	irqhop_engine_irq_del(&vm->engine, i);
}

/* Take over what the scan has found. */
static void table_found(struct irqhop_vm *vm,
			const struct irqhop_arch_irq *info)
{
	enum irqhop_path path = info->direct ? IRQHOP_PATH_DIRECT :
				IRQHOP_PATH_INJECTED;
	u16 *slot;
	u16 i;

	if (info->intid < IRQHOP_LPI_FIRST || info->intid >= IRQHOP_LPI_END)
		return;
	slot = table_slot(vm, info->intid);
	if (!irqhop_table_has_place(info)) {
		if (*slot)
			irqhop_table_forget(vm, *slot - 1);
		return;
	}
	if (*slot) {
		i = *slot - 1;
		irqhop_engine_path_set(&vm->engine, i, path);
		if (irqhop_engine_irq_seen(&vm->engine, i, info->home,
					   info->target))
			irqhop_engine_irq_mark(&vm->engine, i);
	} else {
		i = irqhop_engine_irq_add(&vm->engine, info->home,
					  info->target, path);
		if (i == IRQHOP_NONE) {
			vm->want_room = true;
			return;
		}
		*slot = i + 1;
		vm->irq[i].intid = info->intid;
		vm->irq[i].written = IRQHOP_NONE;
	}
	vm->irq[i].gen = vm->scan_gen;
}

/**
 * irqhop_table_scan_begin - begin a scan
 * @vm: the VM
 * @reload: what is away is to be read again in any case
 *
 * Context: @vm's lock held.
 *
 * Return: the scan's number.
 */
u32 irqhop_table_scan_begin(struct irqhop_vm *vm, bool reload)
{
	u64 mark = irqhop_arch_vm_mark(&vm->arch);

	lockdep_assert_held(&vm->lock);
	/* One that is cut short has not reloaded everything yet. */
	vm->reload = reload || mark != vm->mark ||
		     (vm->reload && vm->scanning);
	vm->mark = mark;
	vm->stale = false;
	vm->scanning = true;
	vm->scan_next = IRQHOP_LPI_FIRST;
	return ++vm->scan_gen;
}

/* One that is away may have missed an INVALL. */
static void table_reload(struct irqhop_vm *vm, struct irqhop_arch_hold *h)
{
	u64 start = sched_clock();

	if (irqhop_mutant(RELOAD))
		return;
	irqhop_arch_irq_reload(h);
	if (sched_clock() - start > IRQHOP_COST_LIMIT)
		irqhop_vm_break(vm, "the ITS does not answer");
}

/* The scan is through: who was not seen is gone. */
static void table_scan_end(struct irqhop_vm *vm)
{
	u16 i;

	for (i = 0; i < vm->engine.max_irqs; i++)
		if (vm->engine.irq[i].live && vm->irq[i].gen != vm->scan_gen)
			irqhop_table_forget(vm, i);
	if (vm->want_room && !vm->room_asked &&
	    vm->engine.max_irqs < TABLE_MOST) {
		vm->room_asked = true;
		irqhop_vm_work_soon(0);
	}
}

/**
 * irqhop_table_scan_some - go on with a scan
 * @vm: the VM, with a scan under way
 * @looks: for so many looks; a reload takes as long as four
 *
 * Context: @vm's lock held.
 */
void irqhop_table_scan_some(struct irqhop_vm *vm, unsigned int looks)
{
	struct irqhop_arch_irq info;
	struct irqhop_arch_hold h;

	lockdep_assert_held(&vm->lock);
	for (; looks && !vm->closing; looks--) {
		if (irqhop_look_irq_next(vm, vm->scan_next, &info, &h)) {
			vm->scanning = false;
			break;
		}
		if (info.direct && info.home != IRQHOP_NONE &&
		    irqhop_fault(IRQHOP_FAULT_DRIFT))
			info.home = (info.home + 1) % vm->nr_vcpus;
		if (vm->reload && info.direct && info.home != info.target) {
			table_reload(vm, &h);
			looks -= min(looks - 1, 3U);
		}
		irqhop_arch_irq_release(&h);
		table_found(vm, &info);
		vm->scan_next = info.intid + 1;
	}
	if (!vm->scanning)
		table_scan_end(vm);
}

/**
 * irqhop_table_scan_turn - scan on, if there is reason to and it is time to
 * @vm: the VM
 * @now: sched_clock()
 *
 * Context: @vm's lock held.
 */
void irqhop_table_scan_turn(struct irqhop_vm *vm, u64 now)
{
	if (!vm->scanning && !vm->stale &&
	    irqhop_arch_vm_mark(&vm->arch) == vm->mark)
		return;
	if (now - vm->scanned < TABLE_SCAN_GAP)
		return;
	vm->scanned = now;
	if (!vm->scanning)
		irqhop_table_scan_begin(vm, false);
	irqhop_table_scan_some(vm, IRQHOP_LOOKS);
}

static int table_size_set(struct irqhop_vm *vm, u16 max_irqs)
{
	size_t size = irqhop_engine_size(vm->nr_vcpus, max_irqs);
	struct irqhop_engine engine;
	void *mem, *old_mem;
	struct irqhop_irq *irq, *old_irq;
	unsigned long flags;
	u64 begun;
	u16 i;

	mem = kvzalloc(size, GFP_KERNEL);
	irq = kvcalloc(max_irqs, sizeof(*irq), GFP_KERNEL);
	if (!mem || !irq ||
	    !irqhop_engine_init(&engine, mem, size, vm->nr_vcpus, max_irqs,
				irqhop_policy_get(0))) {
		kvfree(mem);
		kvfree(irq);
		return -ENOMEM;
	}
	for (i = 0; i < max_irqs; i++)
		irq[i].written = IRQHOP_NONE;
	flags = irqhop_turn_lock(vm, &begun);
	if (vm->engine_mem) {
		irqhop_engine_copy(&engine, &vm->engine);
		memcpy(irq, vm->irq, vm->engine.max_irqs * sizeof(*irq));
	}
	old_mem = vm->engine_mem;
	old_irq = vm->irq;
	vm->engine = engine;
	vm->engine_mem = mem;
	vm->irq = irq;
	vm->want_room = false;
	vm->room_asked = false;
	irqhop_turn_unlock(vm, flags, begun);
	kvfree(old_mem);
	kvfree(old_irq);
	return 0;
}

/**
 * irqhop_table_init - make a VM's table
 * @vm: the VM, not known to anybody else yet
 *
 * Context: process, may sleep.
 *
 * Return: 0 or -ENOMEM; what was allocated goes with irqhop_table_free().
 */
int irqhop_table_init(struct irqhop_vm *vm)
{
	vm->slot = kvcalloc(IRQHOP_LPI_END - IRQHOP_LPI_FIRST,
			    sizeof(*vm->slot), GFP_KERNEL);
	return vm->slot ? table_size_set(vm, TABLE_FIRST) : -ENOMEM;
}

/**
 * irqhop_table_free - free a VM's table
 * @vm: the VM, not known to anybody else any more
 */
void irqhop_table_free(struct irqhop_vm *vm)
{
	kvfree(vm->engine_mem);
	kvfree(vm->irq);
	kvfree(vm->slot);
}

/**
 * irqhop_table_grow - make room for more interrupts, if that is wanted
 * @vm: the VM
 *
 * Without the memory for it those that do not fit stay at home.
 *
 * Context: process, may sleep; irqhop_mutex held.
 */
void irqhop_table_grow(struct irqhop_vm *vm)
{
	u16 max_irqs = min(READ_ONCE(vm->engine.max_irqs) * 2, TABLE_MOST);

	if (!READ_ONCE(vm->want_room) || max_irqs <= vm->engine.max_irqs)
		return;
	if (table_size_set(vm, max_irqs))
		pr_warn_once("no memory for more than %u interrupts\n",
			     vm->engine.max_irqs);
}

static const char *table_check_some(struct irqhop_vm *vm, u16 first, u16 nr)
{
	const struct irqhop_engine *e = &vm->engine;
	u16 i;

	for (i = first; i < first + nr; i++)
		if (e->irq[i].live &&
		    irqhop_table_find(vm, vm->irq[i].intid) != i)
			return "an interrupt is not where its number says";
	return irqhop_engine_check(e, first, nr);
}

/**
 * irqhop_table_check - do a VM's tables contradict themselves
 * @vm: the VM
 *
 * Context: process, irqhop_mutex held. Takes @vm's lock, for a part of the
 * table at a time.
 *
 * Return: NULL, or what contradicts what.
 */
const char *irqhop_table_check(struct irqhop_vm *vm)
{
	const char *what;
	unsigned long flags;
	u32 first;

	raw_spin_lock_irqsave(&vm->lock, flags);
	what = irqhop_engine_check_vcpus(&vm->engine);
	raw_spin_unlock_irqrestore(&vm->lock, flags);

	/* The table itself changes under irqhop_mutex only. */
	for (first = 0; !what && first < vm->engine.max_irqs;
	     first += IRQHOP_LOOKS) {
		u16 nr = min(vm->engine.max_irqs - first, IRQHOP_LOOKS);

		raw_spin_lock_irqsave(&vm->lock, flags);
		what = table_check_some(vm, first, nr);
		raw_spin_unlock_irqrestore(&vm->lock, flags);
		cond_resched();
	}
	return what;
}

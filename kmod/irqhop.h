/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * irqhop: what the module's files share. The locking rules are in
 * docs/locking.md.
 */
#ifndef _IRQHOP_H
#define _IRQHOP_H

#include <linux/atomic.h>
#include <linux/hrtimer.h>
#include <linux/kvm_host.h>
#include <linux/list.h>
#include <linux/netlink.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#include <uapi/linux/irqhop.h>

#include "arch.h"
#include "compat.h"
#include "engine.h"
#include "mutant.h"

#define IRQHOP_VERSION	"0.1.0"

#ifdef IRQHOP_TEST
#define irqhop_is_test	true
#else
#define irqhop_is_test	false
#endif

/*
 * Interrupts looked at in one turn under a VM's lock, and moves made by default.
 * A look takes some 1000 instructions, with a move 2300, measured in the
 * emulated host: interrupts are off for some 85,000 at most.
 */
#define IRQHOP_LOOKS		64
#define IRQHOP_MOVES		16
/* An ITS that takes longer than this for a move, in ns, does not answer. */
#define IRQHOP_COST_LIMIT	(500 * NSEC_PER_MSEC)

/* LPIs start here, and KVM gives a guest 16 bits of interrupt number. */
#define IRQHOP_LPI_FIRST	8192
#define IRQHOP_LPI_END		65536

struct irqhop_vm;

/*
 * A vCPU's state word: where it is, in the low bits, and a sequence number
 * that grows with each switch in and out. Whoever draws a conclusion about a
 * vCPU that left stores it by cmpxchg, so that one which has come back in the
 * meantime is not overwritten.
 */
#define IRQHOP_WORD_STATE	GENMASK_ULL(3, 0)
#define IRQHOP_WORD_HANDLER	BIT_ULL(4)
#define IRQHOP_WORD_SEQ		BIT_ULL(8)	/* one step */
#define IRQHOP_WORD_SEQ_MASK	GENMASK_ULL(63, 8)

/**
 * struct irqhop_vcpu - a vCPU of an enabled VM
 * @node: in the hash table of all of them, by @kvm_vcpu
 * @kvm_vcpu: KVM's; alive as long as @vm is, which holds a reference to it
 * @vm: the VM
 * @idx: its number in the engine, KVM's vcpu_idx
 * @word: the state word
 * @since: when it was scheduled in last; written before @word
 * @left: when it was scheduled out last; written before @word
 * @seen: the word that the engine was told about, under @vm's lock
 * @mark: what irqhop_arch_vcpu_mark() said last, under @vm's lock
 * @epoch: irqhop_arch_vm_epoch() of the kernel that it belongs to, under @vm's
 *	lock; 0: not known
 * @accounted: until when @time goes, sched_clock(), under @vm's lock
 * @time: ns in each state, by &enum irqhop_vcpu_state_uapi, under @vm's lock
 * @at_command: KVM is carrying out a command that it has given, under @vm's lock
 * @in_user: it has left KVM_RUN, and its thread may still run, under @vm's lock
 * @exits: irqhop_arch_vcpu_exits() of either, under @vm's lock
 * @armed: its doorbell is to ring, under @vm's lock
 * @summoned: somebody asked for it since it came in last, under @vm's lock
 * @came_summoned: somebody had when it came in, under @vm's lock
 * @spins: irqhop_arch_vcpu_spins() when it went out last, under @vm's lock
 * @space: the guest's address space when it was last preempted in user space
 */
struct irqhop_vcpu {
	struct hlist_node node;
	struct kvm_vcpu *kvm_vcpu;
	struct irqhop_vm *vm;
	u16 idx;
	atomic64_t word;
	u64 since;
	u64 left;
	u64 seen;
	u32 mark;
	u64 epoch;
	u64 accounted;
	u64 time[IRQHOP_NR_VCPU_STATES];
	bool at_command;
	bool in_user;
	bool armed;
	bool summoned;
	bool came_summoned;
	u64 spins;
	u64 space;
	u64 exits;
} ____cacheline_aligned_in_smp;

/**
 * struct irqhop_irq - what the module knows about an interrupt in the engine
 * @intid: the guest's number
 * @gen: the scan that saw it last
 * @written: the vCPU that we have written into KVM's record of its home, if it
 *	is injected and away, else %IRQHOP_NONE
 * @home: what was there before
 */
struct irqhop_irq {
	u32 intid;
	u32 gen;
	u16 written;
	u16 home;
};

/* Counters of a VM, see enum irqhop_stat_attr. */
struct irqhop_stats {
	u64 hops;
	u64 returns;
	u64 failed;
	u64 stranded;
	u64 in_handler;
	u64 held_back;
	u64 over_bound;
	u64 preemptions;
	u64 summons;
	u64 summons_held;
	u64 donations;
	u64 donated;
	u64 turns;
	u64 irqs_off_sum;
	u64 irqs_off_max;
	u64 cost_max;
	u64 cost_sum;
	u64 cost_hist[IRQHOP_COST_BUCKETS];
};

/**
 * struct irqhop_vm - an enabled VM
 * @node: in irqhop_vms: changed under irqhop_mutex, read under it or RCU
 * @kvm: KVM's, with a reference held
 * @pid: the process that created it
 * @lock: protects everything below; taken in hard interrupt context
 * @closing: nothing is decided any more
 * @broken: let go of this VM, and why
 * @fails: moves refused in a row
 * @slow: moves that the ITS took too long for
 * @engine: states, homes, targets
 * @engine_mem: its tables
 * @irq: by the engine's number
 * @slot: by INTID, the engine's number + 1, or 0
 * @want_room: there are interrupts that did not fit
 * @room_asked: the worker was told
 * @arch: the architecture's
 * @mark: what irqhop_arch_vm_mark() said when the last scan began
 * @stale: the table is out of date for another reason
 * @scanned: when a scan had its last turn in interrupt context
 * @scanning: a scan is under way
 * @reload: what is away is to be reloaded: the guest has given ITS commands
 *	since the scan before, or the worker scans
 * @scan_next: INTID where it goes on
 * @scan_gen: its number
 * @nr_written: interrupts that are injected and away
 * @commands: some vCPU may be at a command, or in user space
 * @recall: what is injected is being sent home for KVM's sake
 * @barred: nothing injected hops in this turn; negative: nobody has asked yet
 * @poked: when vCPUs that are taken to be out were looked for last
 * @summon_due: when the next one may be summoned, if none is to spare
 * @summoned_at: when one was summoned last, sched_clock(); 0: never
 * @summoned: vCPUs are summoned of which any will do
 * @came: runs of vCPUs that were summoned; see giveway.c
 * @spun: those of them in which the vCPU spun for a lock
 * @spinning: they were so many that nobody is summoned for a while
 * @spinning_since: since then, sched_clock()
 * @look: the timer that looks for injected interrupts
 * @looking: it is running
 * @hurry: how often the worker is to look soon whether anybody still uses the
 *	VM; no lock, a lost update costs a second
 * @stats: counters
 * @nr_vcpus: fixed, since KVM creates no more once the VM's GIC is initialised
 * @vcpu: the vCPUs
 */
struct irqhop_vm {
	struct list_head node;
	struct kvm *kvm;
	pid_t pid;

	raw_spinlock_t lock;
	bool closing;
	const char *broken;
	unsigned int fails;
	unsigned int slow;
	struct irqhop_engine engine;
	void *engine_mem;
	struct irqhop_irq *irq;
	u16 *slot;
	bool want_room;
	bool room_asked;
	struct irqhop_arch_vm arch;
	u64 mark;
	bool stale;
	u64 scanned;
	bool scanning;
	bool reload;
	u32 scan_next;
	u32 scan_gen;
	u32 nr_written;
	bool commands;
	bool recall;
	int barred;
	u64 poked;
	u64 summon_due;
	u64 summoned_at;
	bool summoned;
	unsigned int came;
	unsigned int spun;
	bool spinning;
	u64 spinning_since;
	struct hrtimer look;
	bool looking;
	int hurry;
	struct irqhop_stats stats;

	u16 nr_vcpus;
	struct irqhop_vcpu vcpu[] __counted_by(nr_vcpus);
};

/* vcpu_id, for people; the engine has indices. */
static inline int irqhop_vcpu_id(const struct irqhop_vm *vm, u16 idx)
{
	return idx == IRQHOP_NONE ? -1 : vm->vcpu[idx].kvm_vcpu->vcpu_id;
}

/**
 * enum irqhop_event_kind - what happened
 * @IRQHOP_EV_IN: a vCPU was scheduled in
 * @IRQHOP_EV_OUT: a vCPU was switched out
 * @IRQHOP_EV_MORE: a VM has work left from an earlier event
 */
enum irqhop_event_kind {
	IRQHOP_EV_IN,
	IRQHOP_EV_OUT,
	IRQHOP_EV_MORE,
};

/**
 * struct irqhop_event - from the scheduler hook to the irq_work, on one pCPU
 * @kind: what happened
 * @preempted: out: it could have gone on
 * @loaded: out: it was inside KVM_RUN
 * @vcpu: in, out
 * @vm: always
 * @word: out: the state word that was written then
 * @at: when it happened, sched_clock()
 */
struct irqhop_event {
	enum irqhop_event_kind kind;
	bool preempted;
	bool loaded;
	struct irqhop_vcpu *vcpu;
	struct irqhop_vm *vm;
	u64 word;
	u64 at;
};

/* main.c */
extern unsigned int irqhop_max_moves;

/* watch.c */
int irqhop_watch_init(void);
void irqhop_watch_exit(void);
int irqhop_watch_start(void);
void irqhop_watch_stop(void);
void irqhop_watch_vm_add(struct irqhop_vm *vm);
void irqhop_watch_vm_del(struct irqhop_vm *vm);
void irqhop_watch_poke(int cpu);
struct irqhop_vcpu *irqhop_watch_running(void);
bool irqhop_watch_runs(int cpu, const struct irqhop_vm *vm);

/* turn.c */
bool irqhop_turn_event(const struct irqhop_event *ev, u64 off);
unsigned long irqhop_turn_lock(struct irqhop_vm *vm, u64 *begun);
void irqhop_turn_unlock(struct irqhop_vm *vm, unsigned long flags, u64 begun);
bool irqhop_turn_run(struct irqhop_vm *vm, bool later);

/* look.c */
int irqhop_look_irq(struct irqhop_vm *vm, u32 intid,
		    struct irqhop_arch_irq *info, struct irqhop_arch_hold *h);
int irqhop_look_irq_next(struct irqhop_vm *vm, u32 from,
			 struct irqhop_arch_irq *info,
			 struct irqhop_arch_hold *h);
void irqhop_look_vcpu(struct irqhop_vm *vm, struct irqhop_vcpu *v);
void irqhop_look_left(struct irqhop_vm *vm, const struct irqhop_event *ev);
void irqhop_look_poke(struct irqhop_vm *vm);
void irqhop_look_account(struct irqhop_vcpu *v, u64 now);
u32 irqhop_look_state_uapi(u64 word);

/* move.c */
int irqhop_move(struct irqhop_vm *vm, struct irqhop_arch_hold *h,
		const struct irqhop_arch_irq *info, u16 to);

/* command.c */
void irqhop_command_first(struct irqhop_vm *vm);
bool irqhop_command_pending(struct irqhop_vm *vm);
void irqhop_command_write(struct irqhop_vcpu *v, u64 gpa);
void irqhop_command_user(struct irqhop_vcpu *v);

/* giveway.c */
void irqhop_giveway_in(struct irqhop_vcpu *v);
void irqhop_giveway_out(struct irqhop_vcpu *v);
void irqhop_giveway_to(int cpu);
void irqhop_giveway_poked(void);
void irqhop_giveway_start(void);
void irqhop_giveway_stop(void);

/* donate.c */
void irqhop_donate_out(struct irqhop_vm *vm, struct irqhop_vcpu *v);
void irqhop_donate_check(const struct irqhop_vm *vm);
bool irqhop_donate_is_asked(void);
void irqhop_donate_work(void);
void irqhop_donate_vm_exit(const struct irqhop_vm *vm);

/* summon.c */
void irqhop_summon_vm_init(struct irqhop_vm *vm);
void irqhop_summon_vm_exit(struct irqhop_vm *vm);
bool irqhop_summon_arm(struct irqhop_vm *vm);
void irqhop_summon_came(struct irqhop_vm *vm);
void irqhop_summon_out(struct irqhop_vm *vm, struct irqhop_vcpu *v);
void irqhop_summon_doorbell(struct irqhop_vcpu *v);
void irqhop_summon_ipi(struct irqhop_vcpu *from,
		       const struct irqhop_arch_ipi *ipi);

/* summon-thread.c */
int irqhop_summon_start(void);
void irqhop_summon_stop(void);
bool irqhop_summon_ask(const struct irqhop_vm *vm, struct task_struct *task,
		       u64 delay, int cpu, bool any);
void irqhop_summon_now(int cpu);
void irqhop_summon_off(const struct irqhop_vm *vm);
void irqhop_summon_wake(void);

/* table.c */
int irqhop_table_init(struct irqhop_vm *vm);
void irqhop_table_free(struct irqhop_vm *vm);
void irqhop_table_grow(struct irqhop_vm *vm);
u16 irqhop_table_find(struct irqhop_vm *vm, u32 intid);
void irqhop_table_resolve(struct irqhop_vm *vm, struct irqhop_arch_hold *h,
			  struct irqhop_arch_irq *info);
bool irqhop_table_has_place(const struct irqhop_arch_irq *info);
void irqhop_table_gone(struct irqhop_vm *vm, u16 i);
void irqhop_table_moved(struct irqhop_vm *vm,
			const struct irqhop_arch_irq *info, u16 to);
void irqhop_table_forget(struct irqhop_vm *vm, u16 i);
u32 irqhop_table_scan_begin(struct irqhop_vm *vm, bool reload);
void irqhop_table_scan_some(struct irqhop_vm *vm, unsigned int looks);
void irqhop_table_scan_turn(struct irqhop_vm *vm, u64 now);
const char *irqhop_table_check(struct irqhop_vm *vm);

/* vm.c */
extern struct mutex irqhop_mutex;
extern struct list_head irqhop_vms;
extern unsigned int irqhop_vms_gen;	/* changes with the list */

/**
 * struct irqhop_options - how a VM is to be treated
 * @policy: NULL: the default, or as it is
 * @rule: the return rule, if @has_rule; otherwise the policy's own
 * @has_rule: @rule is given
 * @halted: the halted rule, if @has_halted; otherwise the policy's own
 * @has_halted: @halted is given
 * @max_hops: most hops per second, 0 for no bound, if @has_max_hops
 * @has_max_hops: @max_hops is given
 */
struct irqhop_options {
	const struct irqhop_policy *policy;
	enum irqhop_return_rule rule;
	bool has_rule;
	enum irqhop_halted_rule halted;
	bool has_halted;
	u32 max_hops;
	bool has_max_hops;
};

int irqhop_vm_init(void);
void irqhop_vm_unload(void);
void irqhop_vm_exit(void);
void irqhop_vm_work_soon(unsigned int ms);
void irqhop_vm_break(struct irqhop_vm *vm, const char *why);
void irqhop_vm_task_exit(struct task_struct *p);
struct irqhop_vm *irqhop_vm_find(struct kvm *kvm);
int irqhop_vm_enable(struct kvm *kvm, const struct irqhop_options *options,
		     struct netlink_ext_ack *extack);
int irqhop_vm_set(struct kvm *kvm, const struct irqhop_options *options,
		  struct netlink_ext_ack *extack);
int irqhop_vm_disable(struct kvm *kvm, struct netlink_ext_ack *extack);

/* report.c */
size_t irqhop_report_vm_size(u16 nr_vcpus);
int irqhop_report_info(struct sk_buff *msg);
int irqhop_report_vm(struct sk_buff *msg, struct irqhop_vm *vm);
int irqhop_report_irq(struct sk_buff *msg, struct kvm *kvm,
		      struct irqhop_vm *vm, u32 from, u32 *next);

/* netlink.c */
int irqhop_netlink_init(void);
void irqhop_netlink_exit(void);
void irqhop_notify_enabled(const struct irqhop_vm *vm);
void irqhop_notify_disabled(const struct irqhop_vm *vm,
			    enum irqhop_reason reason, unsigned int not_home);

#endif /* _IRQHOP_H */

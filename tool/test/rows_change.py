# SPDX-License-Identifier: GPL-2.0-only
"""irqhop enable, disable and policy: what the module is asked to change."""

from tap import Row

ON = {"FAKE_ENABLED": "101:recent"}
# The log: request, pid, policy, return rule, bound.
ALL = [101, 102, 103, 104, 105, 106]


def change(text, args, log, status=0, err=None, **more):
    """A row of which only the requests and standard error count."""
    return Row(text, args, status, None, err, log=log, **more)


ENABLE = [
    change("enable", "enable web", ["enable 101 - - -"]),
    change("enable with a policy", "enable web --policy home",
           ["enable 101 home - -"]),
    change("enable with -p first", "enable -p home 101",
           ["enable 101 home - -"]),
    change("enable with all options",
           "enable -p home --return lazy --max-hops 4294967295 web",
           ["enable 101 home lazy 4294967295"]),
    change("enable without a bound", "enable -m 0 web", ["enable 101 - - 0"]),
    change("enable several", "enable db web",
           ["enable 102 - - -", "enable 101 - - -"]),
    change("enable one that is named twice", "enable web 101 web",
           ["enable 101 - - -"]),
    change("enable nothing if a name is bad", "enable web nobody db", [], 4,
           "no VM 'nobody'"),
    change("each bad name is said", "enable x web y", [], 4, "no VM 'y'",
           errors=2),
    change("enable nothing if a name is ambiguous", "enable web twin", [], 4,
           "103 104"),
    change("enable nothing with an unknown policy", "enable web -p best", [],
           2, "^irqhop: no policy 'best'; the module has: recent home$"),
    change("enable nothing with an unknown return rule",
           "enable web --return never", [], 2,
           "^irqhop: no return rule 'never'; the module has: eager lazy$"),
    change("enable again", "enable web", ["enable 101 - - -"], 0,
           r"^irqhop: VM 101 \(web\) is already enabled$", env=ON),
    change("enable again with a policy", "enable web -p home",
           ["enable 101 home - -", "set 101 home - -"], 0,
           r"^irqhop: VM 101 \(web\) is already enabled; changed to "
           "policy home$", env=ON),
    change("enable again with all options", "enable web -p home -r lazy -m 9",
           ["enable 101 home lazy 9", "set 101 home lazy 9"], 0,
           "changed to policy home, return lazy, max-hops 9$", env=ON),
    change("enable again with a bound, which is refused", "enable web -m 0",
           ["enable 101 - - 0"], 1,
           r"^irqhop: cannot change VM 101 \(web\): letting go$",
           env={**ON, "FAKE_FAIL": "6:16:letting go"}),
    change("enable refused with the kernel's reason", "enable web", [], 1,
           r"^irqhop: cannot enable VM 101 \(web\): no GICv4.1$",
           env={"FAKE_FAIL": "2:95:no GICv4.1"}),
    change("enable refused without a reason", "enable web", [], 1,
           r"^irqhop: cannot enable VM 101 \(web\): Device or resource busy$",
           env={"FAKE_FAIL": "2:16:"}),
    change("enable not permitted", "enable web", [], 5,
           r"no permission to enable VM 101 \(web\)",
           env={"FAKE_FAIL": "2:1:"}),
    change("enable without privilege", "enable web", [], 5, "needs root",
           env={"FAKE_NOCAP": 1}),
    change("enable without the module", "enable web", [], 3, "not loaded",
           env={"FAKE_ABSENT": 1}),
    change("enable with another ABI version", "enable web", [], 3,
           r"\(9.9.9\) speaks version 3.* install both from the same release",
           env={"FAKE_ABI": 3}),
    change("enable with another family version", "enable web", [], 3,
           "speaks version 1.* install both from the same release",
           env={"FAKE_FAMILY": 1}),
    change("another family version that refuses", "enable web", [], 3,
           r"the module \(irqhop\) speaks version 1",
           env={"FAKE_FAMILY": 1, "FAKE_FAIL": "1:95:"}),
    change("enable when the module will not talk", "enable web", [], 5,
           "no permission", env={"FAKE_FAIL": "1:1:"}),
    change("enable --all does what it can", "enable --all",
           [f"enable {pid} - - -" for pid in ALL], 1, "holds several VMs"),
    change("enable --all leaves those that have ended", "enable -a", [], 1,
           "holds several VMs", env={"FAKE_PIDFD": 3}),
    change("the module is unloaded meanwhile", "enable web db",
           ["enable 101 - - -"], 3,
           "^irqhop: the irqhop module was unloaded meanwhile; load it with "
           "'modprobe irqhop'$", env={"FAKE_GONE_AT": 2}),
]
# Without the process that holds several VMs.
ENABLE_ALL = [
    change("enable --all", "enable --all",
           [f"enable {pid} - - -" for pid in ALL + [107]]),
]
DISABLE = [
    change("disable", "disable web", ["disable 101 - - -"], env=ON),
    change("disable one that is not enabled", "disable web",
           ["disable 101 - - -"], 0,
           r"^irqhop: VM 101 \(web\) is not enabled$"),
    change("disable nothing if a name is bad", "disable web nobody", [], 4,
           "no VM 'nobody'"),
    change("disable --all does what it can", "disable --all",
           [f"disable {pid} - - -" for pid in ALL], 1, "holds several VMs"),
    change("disable that fails for each", "disable web db", [], 1,
           r"VM 102 \(db\): Connection timed out", errors=2,
           env={"FAKE_FAIL": "3:110:"}),
    change("disable that leaves an interrupt away", "disable web", [], 1,
           r"cannot disable VM 101 \(web\): 1 could not be sent home$",
           env={"FAKE_FAIL": "3:5:1 could not be sent home"}),
    change("disable, and the module is unloaded meanwhile", "disable web", [],
           3, "was unloaded meanwhile", env={**ON, "FAKE_GONE_AT": 1}),
]
NOT_ENABLED = r"^irqhop: VM 102 \(db\) is not enabled; 'irqhop enable 102'"
POLICY = [
    Row("policy: what there is", "policy",
        exact="policy   recent home\nreturn   eager lazy\nmax-hops 20000\n"),
    Row("policy --json: what there is", "policy --json", schema="policy",
        holds=lambda found: found == {
            "policies": ["recent", "home"], "returns": ["eager", "lazy"],
            "max_hops": 20000}),
    Row("policy VM", "policy web", env=ON,
        exact="policy   recent\nreturn   lazy\nmax-hops 500\n"),
    Row("policy VM --json", "policy --json web", env=ON, schema="policy-vm",
        holds=lambda found: found == {
            "pid": 101, "name": "web", "policy": "recent", "return": "lazy",
            "max_hops": 500}),
    change("policy VM that is not enabled", "policy db", [], 1, NOT_ENABLED),
    change("policy VM POLICY", "policy web home", ["set 101 home - -"],
           env=ON),
    change("policy VM --return", "policy web --return eager",
           ["set 101 - eager -"], env=ON),
    change("policy VM --max-hops", "policy --max-hops 0 web",
           ["set 101 - - 0"], env=ON),
    change("policy VM with everything", "policy web home -r lazy -m 7",
           ["set 101 home lazy 7"], env=ON),
    change("policy VM POLICY that is not enabled", "policy db home",
           ["set 102 home - -"], 1, NOT_ENABLED),
    change("policy VM with an unknown policy", "policy web best", [], 2,
           "no policy 'best'; the module has: recent home$", env=ON),
    change("policy VM with an unknown return rule", "policy web -r x", [], 2,
           "no return rule 'x'; the module has: eager lazy$", env=ON),
    change("policy of a bad name", "policy nobody", [], 4, "no VM 'nobody'"),
    change("policy of a VM that ends", "policy web", [], 4, "has ended",
           env={**ON, "FAKE_PIDFD": 3}),
    change("policy VM POLICY that is refused", "policy web home", [], 1,
           r"^irqhop: cannot change VM 101 \(web\): letting go of it$",
           env={**ON, "FAKE_FAIL": "6:16:letting go of it"}),
    change("policy without the module", "policy", [], 3, "not loaded",
           env={"FAKE_ABSENT": 1}),
    change("policy without privilege", "policy", [], 5, "needs root",
           env={"FAKE_NOCAP": 1}),
]

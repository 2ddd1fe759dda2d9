# SPDX-License-Identifier: GPL-2.0-only
"""Where a slow operation's time went."""

# In the order in which they can happen.
WAITS = ("interrupt_preempted", "in_handler", "poll_window", "second_wait",
         "own_task_preempted", "device", "other")

MEANING = {
    "interrupt_preempted": "the interrupt was with a vCPU that was "
    "preempted, and its handler could not begin",
    "in_handler": "the interrupt's vCPU was preempted inside a handler, and "
    "keeps its interrupts until it is back",
    "poll_window": "the driver polls with its interrupt masked, and the vCPU "
    "that polls was preempted",
    "second_wait": "the interrupt was taken; the vCPU of the task that it "
    "wakes was preempted",
    "own_task_preempted": "the task that does the operation was about to go "
    "on, and its vCPU was preempted",
    "device": "from the request to the device until its interrupt",
    "other": "the rest: the way through the kernels, and tracing",
}

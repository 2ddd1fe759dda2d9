# SPDX-License-Identifier: GPL-2.0-only
"""From a directory of raw measurements to result.json, a report, a picture.

raw      reads and checks what the runner left (RAW/<round>/<cell>/)
stats    percentiles, means, histograms: every definition in one place
oracle   the best that any redirect of interrupts could have done
path     which way the interrupts came, and whether all did
slow     what the slow operations waited for
penalty  the share of the preemption penalty that was removed
result   puts these together as result.json
schema   checks result.json against bench/result.schema.json
text     report.txt, written from result.json alone
plot     latency.svg, by gnuplot
"""

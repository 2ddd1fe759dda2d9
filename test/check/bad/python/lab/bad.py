# SPDX-License-Identifier: GPL-2.0-only
"""A name that nobody defined."""
print(answer)

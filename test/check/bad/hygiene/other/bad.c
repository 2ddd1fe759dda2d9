// SPDX-License-Identifier: GPL-2.0-only
/* In a folder that the table of includes does not know. */

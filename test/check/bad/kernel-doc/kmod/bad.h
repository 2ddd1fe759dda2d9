/* SPDX-License-Identifier: GPL-2.0-only */
/**
 * bad - does not say what it takes
 *
 * Return: what it was given
 */
int bad(int answer);

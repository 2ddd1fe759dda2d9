// SPDX-License-Identifier: GPL-2.0-only
char bad(void)
{
	const char answer[4] = ANSWER;

	return answer[4];
}

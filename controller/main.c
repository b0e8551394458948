/* SPDX-License-Identifier: Apache-2.0 */
/* The sluice program: command table. */
int main(void)
{
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* placeholder until the folder has code */
typedef int database_empty;

# SPDX-License-Identifier: Apache-2.0
sluice_test(plan_test SOURCES unit/plan_test.c LINK sluice_plan)

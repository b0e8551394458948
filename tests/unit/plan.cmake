# SPDX-License-Identifier: Apache-2.0
sluice_test(plan_test SOURCES unit/plan_test.c unit/plan_world.c LINK sluice_plan)
sluice_test(plan_rows_test SOURCES unit/plan_rows_test.c unit/plan_world.c LINK sluice_plan)
sluice_test(plan_problems_test SOURCES unit/plan_problems_test.c unit/plan_world.c LINK sluice_plan)
sluice_test(plan_journal_test SOURCES unit/plan_journal_test.c unit/plan_world.c LINK sluice_plan)
sluice_test(plan_repair_test SOURCES unit/plan_repair_test.c unit/plan_world.c LINK sluice_plan)

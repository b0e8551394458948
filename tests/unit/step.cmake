# SPDX-License-Identifier: Apache-2.0
# 10,000 seeds, 1,000 under the sanitizers; SLUICE_SEED=N replays one, arguments FIRST COUNT run others.
add_executable(step_simulation unit/step_simulation.c unit/step_world.c unit/step_checks.c)
target_link_libraries(step_simulation PRIVATE sluice_step)
sluice_unit(step_simulation 900 program)
sluice_test(step_conditions_test
  SOURCES unit/step_conditions_test.c unit/step_world.c unit/step_checks.c LINK sluice_step TIMEOUT 120)
sluice_test(step_rollout_test
  SOURCES unit/step_rollout_test.c unit/step_world.c unit/step_checks.c LINK sluice_step TIMEOUT 120)
sluice_test(step_window_test
  SOURCES unit/step_window_test.c unit/step_world.c unit/step_checks.c LINK sluice_step TIMEOUT 120)
sluice_test(step_database_test
  SOURCES unit/step_database_test.c unit/step_world.c unit/step_checks.c LINK sluice_step TIMEOUT 120)
sluice_test(step_walk_test
  SOURCES unit/step_walk_test.c unit/step_view.c unit/step_checks.c LINK sluice_step TIMEOUT 600)
sluice_test(step_observe_test SOURCES unit/step_observe_test.c LINK sluice_step)
sluice_test(step_events_test
  SOURCES unit/step_events_test.c unit/step_world.c unit/step_checks.c LINK sluice_step)
sluice_test(step_corners_test
  SOURCES unit/step_corners_test.c unit/step_world.c unit/step_checks.c LINK sluice_step TIMEOUT 120)
sluice_test(step_order_test
  SOURCES unit/step_order_test.c unit/step_world.c unit/step_checks.c LINK sluice_step TIMEOUT 120)
sluice_test(step_order_members_test
  SOURCES unit/step_order_members_test.c unit/step_world.c unit/step_checks.c
  LINK sluice_step TIMEOUT 120)
sluice_test(step_order_catch_up_test
  SOURCES unit/step_order_catch_up_test.c unit/step_world.c unit/step_checks.c
  LINK sluice_step TIMEOUT 120)
sluice_test(step_order_proof_test
  SOURCES unit/step_order_proof_test.c unit/step_world.c unit/step_checks.c
  LINK sluice_step TIMEOUT 120)
sluice_test(step_order_walk_test
  SOURCES unit/step_order_walk_test.c unit/step_view.c unit/step_checks.c LINK sluice_step TIMEOUT 600)
sluice_test(step_wishes_test SOURCES unit/step_wishes_test.c LINK sluice_step)

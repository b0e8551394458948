# SPDX-License-Identifier: Apache-2.0
# The model check of the order of roll-outs; SLUICE_SEED=N replays one seed, arguments FIRST COUNT run
# others. tests/integration/order_check.sh runs 100,000 in the release build.
add_executable(order_check unit/order_check.c unit/order_script.c unit/order_events.c
  unit/order_edits.c unit/order_spec.c unit/order_observe.c unit/order_act.c unit/order_databases.c
  unit/order_git.c unit/order_world.c unit/order_oracle.c unit/order_oracle_answers.c
  unit/order_oracle_list.c unit/order_oracle_waves.c unit/step_checks.c)
target_link_libraries(order_check PRIVATE sluice_step)
sluice_unit(order_check 900 program)

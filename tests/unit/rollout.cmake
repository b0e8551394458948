# SPDX-License-Identifier: Apache-2.0
sluice_test(rollout_test SOURCES unit/rollout_test.c LINK sluice_rollout)
sluice_test(rollout_first_test SOURCES unit/rollout_first_test.c LINK sluice_rollout)
sluice_test(rollout_window_test SOURCES unit/rollout_window_test.c LINK sluice_rollout)

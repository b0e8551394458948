# SPDX-License-Identifier: Apache-2.0
sluice_test(local_manifests_test SOURCES unit/local_manifests_test.c LINK sluice_local)
sluice_test(local_state_test SOURCES unit/local_state_test.c LINK sluice_local)
sluice_test(local_jobs_test SOURCES unit/local_jobs_test.c LINK sluice_local)

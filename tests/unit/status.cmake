# SPDX-License-Identifier: Apache-2.0
sluice_test(status_test SOURCES unit/status_test.c LINK sluice_model)

# SPDX-License-Identifier: Apache-2.0
sluice_test(docs_test SOURCES unit/docs_test.c LINK sluice_model)

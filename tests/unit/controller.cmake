# SPDX-License-Identifier: Apache-2.0
sluice_test(controller_queue_test SOURCES unit/controller_queue_test.c LINK sluice_controller)
sluice_test(controller_webhook_test SOURCES unit/controller_webhook_test.c LINK sluice_controller)
sluice_test(controller_metrics_test SOURCES unit/controller_metrics_test.c LINK sluice_controller)
sluice_test(controller_http_test SOURCES unit/controller_http_test.c LINK sluice_controller)
sluice_test(controller_owners_test SOURCES unit/controller_owners_test.c LINK sluice_controller)
sluice_test(controller_writes_test SOURCES unit/controller_writes_test.c LINK sluice_controller)

# SPDX-License-Identifier: Apache-2.0
foreach(part version text tree target mplan assignment)
  sluice_test(model_${part}_test SOURCES unit/model_${part}_test.c LINK sluice_model)
endforeach()

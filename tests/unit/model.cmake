# SPDX-License-Identifier: Apache-2.0
foreach(part version text tree target command mplan assignment)
  sluice_test(model_${part}_test SOURCES unit/model_${part}_test.c LINK sluice_model)
endforeach()
sluice_test(model_mplan_corpus_test LINK sluice_model
  SOURCES unit/model_mplan_corpus_test.c support/mplan_corpus.c)
sluice_test(model_mplan_crd_test LINK sluice_model SOURCES unit/model_mplan_crd_test.c)

# Asks a real API server about the same corpus: cluster/crd_corpus.sh.
add_executable(mplan_post support/mplan_post.c support/mplan_corpus.c)
target_link_libraries(mplan_post PRIVATE sluice_model sluice_base)

# SPDX-License-Identifier: Apache-2.0
foreach(part version naming text tree large lines target command)
  sluice_test(model_${part}_test SOURCES unit/model_${part}_test.c LINK sluice_model)
endforeach()
sluice_test(model_assignment_test SOURCES unit/model_assignment_test.c LINK sluice_runner)
foreach(part mplan secret_hosts)
  sluice_test(model_${part}_test SOURCES unit/model_${part}_test.c LINK sluice_manifest)
endforeach()
sluice_test(model_mplan_corpus_test LINK sluice_manifest
  SOURCES unit/model_mplan_corpus_test.c support/mplan_corpus.c)
sluice_test(model_mplan_crd_test LINK sluice_manifest SOURCES unit/model_mplan_crd_test.c)

# Asks a real API server about the same corpus: cluster/crd_corpus.sh.
add_executable(mplan_post support/mplan_post.c support/mplan_corpus.c)
target_link_libraries(mplan_post PRIVATE sluice_manifest sluice_model sluice_base)

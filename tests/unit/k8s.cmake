# SPDX-License-Identifier: Apache-2.0
sluice_test(k8s_job_build_test SOURCES unit/k8s_job_build_test.c LINK sluice_k8s_platform)
sluice_test(k8s_job_index_test SOURCES unit/k8s_job_index_test.c LINK sluice_k8s_platform)
sluice_test(k8s_job_read_test SOURCES unit/k8s_job_read_test.c LINK sluice_k8s_platform)
foreach(name answer limit watch leader config)
  sluice_test(k8s_${name}_test SOURCES unit/k8s_${name}_test.c LINK sluice_k8s_client)
endforeach()

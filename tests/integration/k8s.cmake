# SPDX-License-Identifier: Apache-2.0
# k8s/ from the command line, for the k8s_*.sh scripts.
add_executable(kubecat support/kubecat.c)
target_link_libraries(kubecat PRIVATE sluice_k8s_platform sluice_k8s_client sluice_model sluice_base)

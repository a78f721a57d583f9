/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_NATIVE_BPF_ENDIAN_H
#define SLUICE_NATIVE_BPF_ENDIAN_H

/* Stands in for libbpf's header where the data plane is built natively. */
#include <endian.h>

#define bpf_htons(x) htobe16(x)
#define bpf_ntohs(x) be16toh(x)
#define bpf_htonl(x) htobe32(x)
#define bpf_ntohl(x) be32toh(x)

#endif

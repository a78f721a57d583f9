/* SPDX-License-Identifier: Apache-2.0 */
#include "capture.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <pcap/pcap.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int read_packets(pcap_t *capture, const char *path, capture_take *take, void *context,
			struct error *err)
{
	struct pcap_pkthdr *header;
	const u_char *bytes;
	uint64_t number = 0;
	int r = 0, more = 0;

	while (r == 0 && (more = pcap_next_ex(capture, &header, &bytes)) == 1)
		r = take(context, path, ++number, bytes, header->caplen, err);
	if (r == 0 && more == PCAP_ERROR) /* who wrote it was killed */
		printf("# %s: read as far as it goes: %s\n", path, pcap_geterr(capture));
	if (r == 0)
		printf("%s: %" PRIu64 " packets\n", path, number);
	return r;
}

static int read_file(const char *path, capture_take *take, void *context, struct error *err)
{
	char message[PCAP_ERRBUF_SIZE];
	pcap_t *capture = pcap_open_offline(path, message);
	const char *type;
	int r;

	if (!capture)
		return error_set(err, EINVAL, "%s: %s", path, message);
	type = pcap_datalink_val_to_name(pcap_datalink(capture));
	if (pcap_datalink(capture) == DLT_EN10MB)
		r = read_packets(capture, path, take, context, err);
	else
		r = error_set(err, EINVAL, "%s: the link type is %s, not Ethernet", path,
			      type ? type : "unknown");
	pcap_close(capture);
	return r;
}

static int is_capture(const struct dirent *entry)
{
	const char *dot = strrchr(entry->d_name, '.');

	return dot && (strcmp(dot, ".pcap") == 0 || strcmp(dot, ".pcapng") == 0 ||
		       strcmp(dot, ".cap") == 0);
}

static int read_directory(const char *path, capture_take *take, void *context, struct error *err)
{
	struct dirent **entries;
	char file[PATH_MAX];
	int i, r = 0, count = scandir(path, &entries, is_capture, alphasort);

	if (count < 0)
		return error_set(err, errno, "%s: %s", path, strerror(errno));
	if (count == 0)
		r = error_set(err, ENOENT, "%s: no file ends in .pcap, .pcapng or .cap", path);
	for (i = 0; i < count; i++) {
		snprintf(file, sizeof(file), "%s/%s", path, entries[i]->d_name);
		if (r == 0)
			r = read_file(file, take, context, err);
		free(entries[i]);
	}
	free(entries);
	return r;
}

int capture_read(const char *path, capture_take *take, void *context, struct error *err)
{
	struct stat status;

	if (stat(path, &status) != 0)
		return error_set(err, errno, "%s: %s", path, strerror(errno));
	return S_ISDIR(status.st_mode) ? read_directory(path, take, context, err)
				       : read_file(path, take, context, err);
}

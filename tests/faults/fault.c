/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Preloaded into lbagent, makes one call of the system fail: the next one from the place that is
 * armed in the file FAULT_CONTROL. Every place from which such calls come is listed there. What
 * libraries ask for counts as asked for by the place of the program that called the library.
 *
 * Only the program's own thread counts. Interposed functions are found with dlsym(), which
 * allocates; until they are, what it needs comes from a small store.
 */
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <linux/bpf.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fault.h"

#define DEPTH_MAX   32
#define STORE_BYTES 65536

static struct fault_control *control;
static uintptr_t base, end; /* of the program */
static __thread bool inside;

#define FAULT_KIND_ERRNO(id, word, error) [FAULT_##id] = (error),
static const int errors[] = {FAULT_KINDS(FAULT_KIND_ERRNO)};

/* --- places --- */

static int find_program(struct dl_phdr_info *info, size_t size, void *context)
{
	(void)size;
	(void)context;
	base = info->dlpi_addr;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];

		if (segment->p_type == PT_LOAD && (segment->p_flags & PF_X))
			end = base + segment->p_vaddr + segment->p_memsz;
	}
	return 1; /* the first is the program */
}

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("FAULT_CONTROL");
	void *frames[1], *mapped;
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;

	if (fd < 0)
		return;
	inside = true;
	dl_iterate_phdr(find_program, NULL);
	backtrace(frames, 1); /* loads what it needs */
	mapped = mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	/* Programs that it starts are not to be disturbed. */
	unsetenv("LD_PRELOAD");
	inside = false;
	if (mapped != MAP_FAILED)
		control = mapped;
}

/* The program's innermost place on the stack; 0 if there is none. */
static uint32_t place(void)
{
	void *frames[DEPTH_MAX];
	int count = backtrace(frames, DEPTH_MAX);

	for (int i = 0; i < count; i++) {
		uintptr_t address = (uintptr_t)frames[i];

		if (address >= base && address < end)
			return (uint32_t)(address - base);
	}
	return 0;
}

static uint32_t find_site(enum fault_kind kind, uint32_t at)
{
	uint32_t i;

	for (i = 0; i < control->count; i++) {
		if (control->sites[i].kind == kind && control->sites[i].place == at)
			return i;
	}
	if (i < FAULT_SITES_MAX) {
		control->sites[i] = (struct fault_site){.kind = kind, .place = at};
		control->count++;
	}
	return i;
}

/* Is this call to fail? Then errno is set. */
static bool fails(enum fault_kind kind)
{
	int former = errno;
	bool fail = false;
	uint32_t at, site;

	if (!control || inside || gettid() != getpid())
		return false;
	inside = true;
	at = place();
	site = at ? find_site(kind, at) : FAULT_SITES_MAX;
	if (site < FAULT_SITES_MAX) {
		control->sites[site].calls++;
		fail = control->armed == site + 1;
	}
	if (fail) {
		control->armed = 0;
		control->failures++;
	}
	inside = false;
	errno = fail ? errors[kind] : former;
	return fail;
}

/* --- the functions --- */

#define NEXT(name) next_##name
#define FIND(name)                                                                                 \
	do {                                                                                       \
		if (!NEXT(name))                                                                   \
			*(void **)&NEXT(name) = dlsym(RTLD_NEXT, #name);                           \
	} while (0)

static char store[STORE_BYTES];
static size_t stored;

static void *from_store(size_t size)
{
	char *taken = store + stored;

	stored += (size + 15) & ~(size_t)15;
	return stored <= sizeof(store) ? taken : NULL;
}

static void *(*next_malloc)(size_t);
static void *(*next_calloc)(size_t, size_t);
static void *(*next_realloc)(void *, size_t);
static void (*next_free)(void *);

static bool find_allocator(void)
{
	static bool found, finding;

	if (found || finding)
		return found;
	finding = true;
	FIND(malloc);
	FIND(calloc);
	FIND(realloc);
	FIND(free);
	found = true;
	return true;
}

void *malloc(size_t size)
{
	if (!find_allocator())
		return from_store(size);
	return fails(FAULT_MEMORY) ? NULL : next_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	if (!find_allocator())
		return from_store(count * size); /* zero, as it is given once */
	return fails(FAULT_MEMORY) ? NULL : next_calloc(count, size);
}

void *realloc(void *object, size_t size)
{
	if (!find_allocator())
		return NULL;
	return fails(FAULT_MEMORY) ? NULL : next_realloc(object, size);
}

void *reallocarray(void *object, size_t count, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(count, size, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	return realloc(object, bytes);
}

void free(void *object)
{
	if ((char *)object >= store && (char *)object < store + sizeof(store))
		return;
	if (find_allocator())
		next_free(object);
}

char *strdup(const char *text)
{
	size_t size = strlen(text) + 1;
	char *copy = malloc(size);

	return copy ? memcpy(copy, text, size) : NULL;
}

char *strndup(const char *text, size_t most)
{
	size_t length = strnlen(text, most);
	char *copy = malloc(length + 1);

	if (!copy)
		return NULL;
	copy[length] = '\0';
	return memcpy(copy, text, length);
}

int vasprintf(char **ret_text, const char *format, va_list arguments)
{
	va_list again;
	int length;
	char *text;

	va_copy(again, arguments);
	length = vsnprintf(NULL, 0, format, again);
	va_end(again);
	text = length < 0 ? NULL : malloc((size_t)length + 1);
	if (!text)
		return -1;
	vsnprintf(text, (size_t)length + 1, format, arguments);
	*ret_text = text;
	return length;
}

int asprintf(char **ret_text, const char *format, ...)
{
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vasprintf(ret_text, format, arguments);
	va_end(arguments);
	return length;
}

void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset)
{
	static void *(*next_mmap)(void *, size_t, int, int, int, off_t);

	FIND(mmap);
	return fails(FAULT_MAP) ? MAP_FAILED
				: next_mmap(address, length, protection, flags, fd, offset);
}

/* bpf(2) has no function of its own. */
long syscall(long number, ...)
{
	static long (*next_syscall)(long, ...);
	long given[6];
	va_list arguments;

	va_start(arguments, number);
	for (int i = 0; i < 6; i++)
		given[i] = va_arg(arguments, long);
	va_end(arguments);
	FIND(syscall);
	if (number == SYS_bpf && fails(FAULT_BPF))
		return -1;
	return next_syscall(number, given[0], given[1], given[2], given[3], given[4], given[5]);
}

static bool is_netlink(int fd)
{
	struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
	socklen_t length = sizeof(address);

	return getsockname(fd, (struct sockaddr *)&address, &length) == 0 &&
	       address.ss_family == AF_NETLINK;
}

static bool netlink_fails(int fd)
{
	return control && is_netlink(fd) && fails(FAULT_NETLINK);
}

ssize_t sendto(int fd, const void *data, size_t size, int flags, const struct sockaddr *to,
	       socklen_t length)
{
	static ssize_t (*next_sendto)(int, const void *, size_t, int, const struct sockaddr *,
				      socklen_t);

	FIND(sendto);
	return netlink_fails(fd) ? -1 : next_sendto(fd, data, size, flags, to, length);
}

ssize_t send(int fd, const void *data, size_t size, int flags)
{
	return sendto(fd, data, size, flags, NULL, 0);
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
	static ssize_t (*next_recvmsg)(int, struct msghdr *, int);

	FIND(recvmsg);
	return netlink_fails(fd) ? -1 : next_recvmsg(fd, message, flags);
}

static bool is_file(int fd)
{
	return fd > STDERR_FILENO && lseek(fd, 0, SEEK_CUR) >= 0;
}

ssize_t write(int fd, const void *data, size_t size)
{
	static ssize_t (*next_write)(int, const void *, size_t);

	FIND(write);
	return control && is_file(fd) && fails(FAULT_WRITE) ? -1 : next_write(fd, data, size);
}

int fsync(int fd)
{
	static int (*next_fsync)(int);

	FIND(fsync);
	return fails(FAULT_SYNC) ? -1 : next_fsync(fd);
}

int open(const char *path, int flags, ...)
{
	static int (*next_open)(const char *, int, ...);
	va_list arguments;
	mode_t mode;

	va_start(arguments, flags);
	mode = va_arg(arguments, mode_t);
	va_end(arguments);
	FIND(open);
	return fails(FAULT_OPEN) ? -1 : next_open(path, flags, mode);
}

int openat(int dir, const char *path, int flags, ...)
{
	static int (*next_openat)(int, const char *, int, ...);
	va_list arguments;
	mode_t mode;

	va_start(arguments, flags);
	mode = va_arg(arguments, mode_t);
	va_end(arguments);
	FIND(openat);
	return fails(FAULT_OPEN) ? -1 : next_openat(dir, path, flags, mode);
}

FILE *fopen(const char *path, const char *mode)
{
	static FILE *(*next_fopen)(const char *, const char *);

	FIND(fopen);
	return fails(FAULT_OPEN) ? NULL : next_fopen(path, mode);
}

int rename(const char *from, const char *to)
{
	static int (*next_rename)(const char *, const char *);

	FIND(rename);
	return fails(FAULT_RENAME) ? -1 : next_rename(from, to);
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	static int (*next_renameat)(int, const char *, int, const char *);

	FIND(renameat);
	return fails(FAULT_RENAME) ? -1 : next_renameat(from_dir, from, to_dir, to);
}

int socket(int family, int type, int protocol)
{
	static int (*next_socket)(int, int, int);

	FIND(socket);
	return fails(FAULT_SOCKET) ? -1 : next_socket(family, type, protocol);
}

/* What programs call whose files may be larger than 2 GiB on every machine. */
#define ALIAS(name) __attribute__((alias(name)))
void *mmap64(void *address, size_t length, int protection, int flags, int fd, off64_t offset)
	ALIAS("mmap");
int open64(const char *path, int flags, ...) ALIAS("open");
int openat64(int dir, const char *path, int flags, ...) ALIAS("openat");
FILE *fopen64(const char *path, const char *mode) ALIAS("fopen");

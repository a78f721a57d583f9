/* SPDX-License-Identifier: Apache-2.0 */
#include "page.h"

#include <string.h>

#include "page_files.h"

/* Nothing from elsewhere, nothing inline, nobody's frame. Strings must not become code, either. */
#define POLICY                                                                                     \
	"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "                \
	"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "        \
	"require-trusted-types-for 'script'"

struct file {
	const char *path;
	const char *etag;
	const char *start;
	const char *end;
};

/* The assembler takes the files in as they are. */
#define X(id, name, source, digest)                                                                \
	extern const char page_##id[], page_##id##_end[];                                          \
	__asm__(".pushsection .rodata\n"                                                           \
		".global page_" #id ", page_" #id "_end\n"                                         \
		"page_" #id ": .incbin \"" source "\"\n"                                           \
		"page_" #id "_end: .byte 0\n"                                                      \
		".popsection\n");
PAGE_FILES(X)
#undef X

static const struct file files[] = {
#define X(id, name, source, digest) {"/ui/" name, "\"" digest "\"", page_##id, page_##id##_end},
	PAGE_FILES(X)
#undef X
};

static const struct file *find(const char *path)
{
	size_t i;

	if (strcmp(path, "/") == 0)
		path = "/ui/index.html";
	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		if (strcmp(files[i].path, path) == 0)
			return &files[i];
	}
	return NULL;
}

static const char *content_type(const char *path)
{
	static const char *const types[][2] = {
		{".html", "text/html; charset=utf-8"},
		{".css", "text/css; charset=utf-8"},
		{".js", "text/javascript; charset=utf-8"},
		{".mjs", "text/javascript; charset=utf-8"},
		{".svg", "image/svg+xml"},
	};
	const char *extension = strrchr(path, '.');
	size_t i;

	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (strcmp(types[i][0], extension) == 0)
			return types[i][1];
	}
	return "text/plain; charset=utf-8";
}

bool page_answer(const char *method, const char *path, const char *if_none_match,
		 struct http_response *ret_response)
{
	const struct file *file = find(path);
	bool known;

	if (!file || (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0))
		return false;
	/* The tag's quotes make it no part of another. */
	known = if_none_match &&
		(strcmp(if_none_match, "*") == 0 || strstr(if_none_match, file->etag));
	*ret_response = (struct http_response){
		.status = known ? 304 : 200,
		.content_type = content_type(file->path),
		.lasting = file->start,
		.length = known ? 0 : (size_t)(file->end - file->start),
		.headers = {{"Cache-Control", "no-cache"}, /* an upgrade is seen at once */
			    {"Content-Security-Policy", POLICY},
			    {"Referrer-Policy", "no-referrer"}},
	};
	ret_response->headers[3].name = "ETag";
	strncpy(ret_response->headers[3].value, file->etag,
		sizeof(ret_response->headers[3].value) - 1);
	return true;
}

# SPDX-License-Identifier: Apache-2.0
# The tables of sbom.sh as an SPDX 2.3 document.

def rows: split("\n")[] | select(. != "") | split("\t");
def id: "SPDXRef-" + gsub("[^a-zA-Z0-9.-]"; "-");

def sluice: {
	SPDXID: "SPDXRef-sluice", name: "sluice", versionInfo: $version,
	supplier: "Organization: The Sluice authors", downloadLocation: "NOASSERTION",
	filesAnalyzed: false, primaryPackagePurpose: "APPLICATION",
	licenseConcluded: "NOASSERTION", copyrightText: "2026 The Sluice authors",
	licenseDeclared: "Apache-2.0 AND (GPL-2.0-only OR BSD-2-Clause)"
};

def package: . as [$name, $installed, $architecture, $purpose, $licence, $said] | {
	SPDXID: ($name | id), name: $name, versionInfo: $installed, supplier: "Organization: Debian",
	downloadLocation: "NOASSERTION", filesAnalyzed: false, primaryPackagePurpose: $purpose,
	licenseConcluded: "NOASSERTION", licenseDeclared: $licence, copyrightText: "NOASSERTION",
	licenseComments: "Of the files that nothing else is said of, the copyright file says: \($said)",
	externalRefs: [{
		referenceCategory: "PACKAGE-MANAGER", referenceType: "purl",
		referenceLocator: "pkg:deb/debian/\($name | @uri)@\($installed | @uri)?arch=\($architecture)"
	}]
};

def file: . as [$name, $licence, $sha1, $sha256] | {
	SPDXID: ("file-" + $name | id), fileName: "./\($name)", fileTypes: ["BINARY"],
	checksums: [
		{algorithm: "SHA1", checksumValue: $sha1}, {algorithm: "SHA256", checksumValue: $sha256}
	],
	licenseConcluded: $licence, copyrightText: "2026 The Sluice authors"
};

def relation: . as [$from, $type, $to] |
	{spdxElementId: ($from | id), relationshipType: $type, relatedSpdxElement: ($to | id)};

{
	spdxVersion: "SPDX-2.3", dataLicense: "CC0-1.0", SPDXID: "SPDXRef-DOCUMENT",
	name: "sluice-\($version)",
	documentNamespace: "https://sluice.invalid/spdx/sluice-\($version)-\($digest)",
	creationInfo: {
		created: $created, creators: ["Organization: The Sluice authors", "Tool: debian-sbom.sh"]
	},
	packages: ([sluice] + [$packages | rows | package]),
	files: [$files | rows | file],
	relationships: [$relations | rows | relation]
}

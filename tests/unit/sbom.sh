#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The bill of materials has what SPDX 2.3 asks for, and names what the programs are linked with.
#
#   tests/unit/sbom.sh
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source-path=SCRIPTDIR/../lab
. tests/lab/check.sh
build=${O:-build}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
sbom=$scratch/sbom.json

# holds NAME FILTER: jq's filter finds nothing that is wrong
holds() {
	check_none "$1" "$(jq -r "$2" "$sbom" 2>&1)"
}

written() {
	bash debian/sbom.sh "$build" >"$sbom"
}
check "it is written" written

# --- SPDX 2.3: what is mandatory, and in which form ---

# shellcheck disable=SC2016 # jq's variables
holds "the document has its fields" '
	{spdxVersion: "^SPDX-2\\.3$", dataLicense: "^CC0-1\\.0$", SPDXID: "^SPDXRef-DOCUMENT$", name: ".",
	 documentNamespace: "^https://[^#]+$"} as $form | . as $doc | $form | to_entries[] |
	. as $field | select($doc[$field.key] // "" | test($field.value) | not).key'
holds "when and by whom" '.creationInfo |
	select((.created | test("^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\dZ$") | not) or
		(.creators | length == 0 or any(test("^(Tool|Person|Organization): .") | not)))'
holds "each package has its fields" '.packages[] |
	select((.name and .SPDXID and .downloadLocation and .versionInfo) | not)'
holds "each package without files analysed has no code over them" \
	'.packages[] | select(.filesAnalyzed != false or has("packageVerificationCode"))'
holds "each file has its fields" '.files[] | select((.fileName | startswith("./") | not) or
	(.checksums | any(.algorithm == "SHA1" and (.checksumValue | test("^[0-9a-f]{40}$"))) | not))'
holds "each name of an element is one, and once there" '[.packages[], .files[] | .SPDXID] |
	(group_by(.)[] | select(length > 1)[0]), (.[] | select(test("^SPDXRef-[a-zA-Z0-9.-]+$") | not))'
# shellcheck disable=SC2016 # jq's variables
holds "each relation is of elements that are there" '[.SPDXID, (.packages[], .files[]).SPDXID] as $ids |
	.relationships[] | select((.spdxElementId, .relatedSpdxElement) as $id | $ids | index($id) | not)'
holds "licences are in the names of SPDX" '[.packages[] | .licenseDeclared, .licenseConcluded] | unique[] |
	select(. != "NOASSERTION") | gsub("[()]"; "") | split(" (AND|OR) "; null)[] |
	select(test("^((L?GPL-[23]\\.[01])-(only|or-later)|MIT|Zlib|ISC|curl|X11|Apache-2\\.0|OLDAP-2\\.8|BSD-[23]-Clause)$") | not)'

# --- true to the build ---

# linked FILTER: packages that a program is linked with
linked() {
	jq -r --arg id "SPDXRef-file-$1" \
		'.relationships[] | select(.spdxElementId == $id and .relationshipType == "DYNAMIC_LINK").relatedSpdxElement' \
		"$sbom" | sed 's/^SPDXRef-//' | sort
}

# needed PROGRAM: where the libraries are that it names itself
needed() {
	readelf --dynamic "$build/$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' |
		awk 'NR == FNR {wanted[$1]; next} $1 in wanted && $3 ~ "^/" {print $3; print "/usr" $3}' - \
			<(ldd "$build/$1")
}

missing=
for program in lbagent lbctl lbnode hello orders store unstable; do
	missing+=$(needed "$program" | xargs dpkg-query --search 2>/dev/null | sed 's/:.*//' | sort -u |
		comm -23 - <(linked "$program") | sed "s|^|\n$program: |")
done
check_none "every library that a program names is in it" "$missing"
check_equal "libxdp is the agent's, in the version that is installed" \
	"$(dpkg-query --show --showformat '${Version}' libxdp1)" \
	"$(jq -r '.packages[] | select(.name == "libxdp1").versionInfo' "$sbom")"
check_equal "Chart.js is in it, with its licence" MIT \
	"$(jq -r '.packages[] | select(.name == "libjs-chart.js").licenseDeclared' "$sbom")"
check_equal "files are those that were built" "$(sha256sum <"$build/lbagent" | cut -d ' ' -f 1)" \
	"$(jq -r '.files[] | select(.fileName == "./lbagent").checksums[1].checksumValue' "$sbom")"
again() {
	bash debian/sbom.sh "$build" | cmp - "$sbom"
}
check "written again, it is the same" again
checks_done

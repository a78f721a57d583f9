# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Completion of lbctl in bash. `lbctl complete` knows the verbs, the flags and, from the agent,
# the names of services and backends; here is only what bash needs around it.

_lbctl() {
	local line=${COMP_LINE:0:COMP_POINT} words current kept breaks
	read -ra words <<<"$line"
	# What comes before the command's name, such as an assignment, is not ours.
	while [[ ${#words[@]} -gt 0 && ${words[0]} != "$1" ]]; do
		words=("${words[@]:1}")
	done
	words=("${words[@]:1}")
	if [[ $line == *[[:space:]] || ${#words[@]} -eq 0 ]]; then
		words+=("")
	fi
	mapfile -t COMPREPLY < <("$1" complete -- "${words[@]}" 2>/dev/null)
	# Where bash parts words at = and : it replaces only what is behind the last of them.
	breaks=${COMP_WORDBREAKS//[^=:]/}
	if [[ -n $breaks ]]; then
		current=${words[${#words[@]} - 1]}
		kept=${current%"${current##*["$breaks"]}"}
		COMPREPLY=("${COMPREPLY[@]#"$kept"}")
	fi
}

complete -F _lbctl lbctl

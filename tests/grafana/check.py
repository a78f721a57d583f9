# SPDX-License-Identifier: Apache-2.0
"""Checks dashboards without Grafana: their JSON, and with --prometheus what their queries return.

Prints "ok NAME" or "not ok NAME" and why for each case, as tests/run.sh counts them.
"""

import argparse
import sys
import time

import boards
import live
import schema


def verdict(name, problems):
    print(f"{'not ' if problems else ''}ok {name}")
    for problem in problems:
        print(f"# {problem}")
    sys.stdout.flush()
    return not problems


def check_schema(all_boards):
    places = {place for board in all_boards.values() for place in schema.places_of(board)}
    good = verdict("every board has its own uid and title", [
        *schema.unique((board.get("uid") for board in all_boards.values()), "uid"),
        *schema.unique((board.get("title") for board in all_boards.values()), "title"),
    ])
    for path, board in all_boards.items():
        good &= verdict(f"{path}: schema", list(schema.board_problems(board, places)))
    return good


def check_live(all_boards, options):
    prometheus = live.Prometheus(options.prometheus)
    deadline = time.monotonic() + options.within
    good = True
    for board in all_boards.values():
        shown = live.Board(prometheus, board, options.window, options.range, deadline)
        for name, call in shown.cases():
            name = f"{board['uid']}: {name}"
            try:
                good &= verdict(f"{name} ({call()})", [])
            except ValueError as why:
                good &= verdict(name, [why])
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", metavar="FILE", help="a dashboard's JSON")
    parser.add_argument("--print", action="store_true", help="show what is in the boards, instead")
    parser.add_argument("--prometheus", metavar="URL", help="ask it each query: each needs data")
    parser.add_argument("--window", type=int, default=60, help="$__rate_interval, in seconds")
    parser.add_argument("--range", type=int, default=600, help="$__range, in seconds")
    parser.add_argument("--within", type=int, default=0,
                        help="seconds in which the figures must have come")
    options = parser.parse_args()
    all_boards = {path: boards.load(path) for path in options.files}
    if options.print:
        for board in all_boards.values():
            print("\n".join(boards.outline(board)), end="\n\n")
        return 0
    good = check_schema(all_boards)
    if options.prometheus:
        good = good and check_live(all_boards, options)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())

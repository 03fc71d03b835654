"""The matrix of clients in README.md: `matrix.py WORK README [--update]`.

WORK is where tests/clients/run has put what the programs printed. Without --update a cell of README.md that is
not what was seen is a failure; a version is told only.
"""

import pathlib
import re
import sys

BEGIN = "<!-- matrix of clients: written by tests/clients/run --update-readme -->"
END = "<!-- end of the matrix -->"
COLUMNS = {
    "native": "native", "native_tls": "native TLS", "sha2": "sha2", "sha2_tls": "sha2 TLS", "list": "`LIST`",
    "put": "40 MB", "prepared": "prepared", "error": "no such stage", "kill": "`KILL`", "restart": "restart",
}


def read(path):
    return path.read_text(errors="replace") if path.exists() else ""


class Seen:
    """What a program has printed."""

    def __init__(self, work, name, title):
        self.title = title
        log = read(work / "log" / name) + read(work / "log" / f"{name}.restart")
        self.ran = bool(log)
        found = re.search(r"(?m)^version (.*)$", log)
        self.version = found.group(1).strip() if found else "?"
        self.cells, self.reasons = {}, {}
        for line in re.findall(r"(?m)^cell (.*)$", log):
            column, value, *reason = line.strip().split(" ", 2)
            self.cells[column] = value
            if reason:
                self.reasons[column] = reason[0]
        self.steps = ", ".join(re.findall(r"(?m)^did (.*)$", log))

    def row(self):
        return [self.title, self.version] + [self.cells.get(column, "?") for column in COLUMNS]

    def tool(self):
        return [self.title, self.version, self.steps]


def line(cells):
    return "| " + " | ".join(cells) + " |"


def reasons_of(clients, old):
    """Each reason once, with all whom it is true of. `old` are those of clients that were not asked now."""
    whom = {}
    for column, reason, titles in old:
        whom[column, reason] = titles
    for client in clients:
        for column, reason in client.reasons.items():
            whom.setdefault((COLUMNS[column], reason), []).append(client.title)
    return [f"- {column} - {reason}: {', '.join(titles)}" for (column, reason), titles in whom.items() if titles]


def old_reasons(text, but):
    found = re.findall(r"(?m)^- (.+?) - (.+): (.+)$", text)
    return [(column, reason, [title for title in titles.split(", ") if title in but]) for column, reason, titles in found]


def rows_of(text):
    """The rows of README.md by their first cells."""
    rows = [[cell.strip() for cell in row.strip("|").split(" | ")] for row in re.findall(r"(?m)^\|.*\|$", text)]
    return {row[0]: row for row in rows}


def table(head, rows):
    return [line(head), line(["---"] * len(head))] + [line(row) for row in rows] + [""]


def differences(old, new, tools):
    """Every cell that is not as README.md has it; of a version only a warning."""
    for row in new:
        known = old.get(row[0])
        if known is None:
            yield f"{row[0]}: not in README.md"
            continue
        if known[1] != row[1]:
            print(f"matrix: {row[0]} is {row[1]} here, and {known[1]} in README.md")
        heads = ["steps"] if row[0] in tools else list(COLUMNS.values())
        for head, seen, written in zip(heads, row[2:], known[2:]):
            if seen != written:
                yield f"{row[0]}, {head}: {seen} here, {written} in README.md"


def main():
    work, readme = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    text = readme.read_text()
    before, rest = text.split(BEGIN)
    old_text, after = rest.split(END)
    old = rows_of(old_text)

    def seen(kind):
        lines = read(work / f"order-{kind}").splitlines()
        return [Seen(work, *line.split("\t")) for line in lines]

    clients, tools = seen("files"), seen("tools")
    new = [client.row() for client in clients if client.ran] + [tool.tool() for tool in tools if tool.ran]
    if "--update" not in sys.argv:
        found = list(differences(old, new, {tool.title for tool in tools}))
        for difference in found:
            print("matrix:", difference)
        sys.exit("matrix: README.md says otherwise; tests/clients/run --update-readme writes it" if found else 0)

    # Who was not asked now keeps his row.
    rows = [client.row() if client.ran else old.get(client.title) for client in clients]
    tool_rows = [tool.tool() if tool.ran else old.get(tool.title) for tool in tools]
    others = {client.title for client in clients if not client.ran}
    reasons = reasons_of([client for client in clients if client.ran], old_reasons(old_text, others))
    lines = [BEGIN, ""]
    lines += table(["client", "version"] + list(COLUMNS.values()), filter(None, rows))
    lines += ["What is `-`, and why:", ""] + reasons + [""] if reasons else []
    lines += table(["tool", "version", "what it did"], filter(None, tool_rows))
    readme.write_text(before + "\n".join(lines) + END + after)


main()

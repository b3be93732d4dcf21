/** What docs/observability.md promises, read from its tables. */
import { readFileSync } from "node:fs"

const text = readFileSync(new URL("../../../../docs/observability.md", import.meta.url), "utf8")

/** The rows of a section's table, each as its cells. */
const rows = (section: string): ReadonlyArray<ReadonlyArray<string>> => {
  const [, body = ""] = text.split(`\n## ${section}\n`)
  return body.split("\n## ")[0]!.split("\n")
    .filter((line) => line.startsWith("| `"))
    .map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim()))
}

const names = (cell: string): ReadonlyArray<string> => [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name!)

export interface Row {
  readonly name: string
  /** Labels of a metric, attributes of a span. */
  readonly members: ReadonlyArray<string>
}

const table = (section: string, column: number): ReadonlyArray<Row> =>
  rows(section).flatMap((cells) => names(cells[0]!).map((name) => ({ name, members: names(cells[column] ?? "") })))

export const metrics = table("Metrics", 3)
export const spans = table("Spans", 2)
export const logFields = table("Logs", 1).map(({ name }) => name)

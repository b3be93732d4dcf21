/**
 * The table of the documents: which program, of which version, was seen to do what. Tests say what they saw, and the last
 * one of a program compares; with `LOCKSTEP_WRITE_TABLE=1` it writes the row instead.
 */
import { assert } from "@effect/vitest"
import * as Programs from "@lockstep/testkit/processes/Programs"
import * as Option from "effect/Option"
import { readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

const DOCUMENT = fileURLToPath(new URL("../../../../docs/tools.md", import.meta.url))

export type Seen = "reads" | "is read" | "shared" | "recipe"

const COLUMNS: ReadonlyArray<Seen> = ["reads", "is read", "shared", "recipe"]

const observed = new Map<string, Set<Seen>>()

/** Answers with what a test calls when it has seen something. */
export const observe = (row: string, program: Programs.Name): (seen: Seen) => void => {
  const all = observed.get(row) ?? new Set<Seen>()
  observed.set(row, all)
  return (seen) => void (Option.isSome(Programs.find(program)) && all.add(seen))
}

const cells = (line: string): ReadonlyArray<string> => line.split("|").slice(1, -1).map((cell) => cell.trim())

/** Compares the row with what was seen. A cell that no test can see for itself keeps what a person wrote. */
export const compare = (row: string, program: Programs.Name): void => {
  const { isPinned, version } = Option.getOrThrow(Programs.find(program))
  const text = readFileSync(DOCUMENT, "utf8")
  const present = text.split("\n").find((line) => cells(line)[0] === row)
  assert.isDefined(present, `${DOCUMENT} has no row for ${row}`)
  const [, writtenVersion = "", date = "", ...answers] = cells(present!)
  const seen = observed.get(row) ?? new Set<Seen>()
  const expected = COLUMNS.map((column, i) =>
    seen.has(column) ? "yes" : answers[i] === "yes" ? "no" : answers[i] ?? "no"
  )
  // A program of the system has another version on another machine: what it was seen to do there is compared.
  const isWriting = process.env["LOCKSTEP_WRITE_TABLE"] === "1"
  const named = isPinned || isWriting ? version : writtenVersion
  const isSame = writtenVersion === named && expected.every((answer, i) => answer === answers[i])
  if (!isSame && isWriting) {
    const today = new Date().toISOString().slice(0, 10)
    writeFileSync(DOCUMENT, text.replace(present!, `| ${[row, version, today, ...expected].join(" | ")} |`))
    return
  }
  assert.deepStrictEqual(cells(present!), [row, named, date, ...expected])
}

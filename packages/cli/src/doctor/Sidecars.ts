/**
 * What lies beside the store and is not a record of it: locks, journals and answers of logins that are not stored, things in
 * the place of a sidecar, and the locks of other programs.
 *
 * No lock file is ever said to be removable: a process that has it open would hold a lock that no other process sees.
 *
 * @since 0.1.0
 */
import * as ShellWord from "@lockstep/core/ShellWord"
import { Home } from "@lockstep/node/Home"
import * as SidecarNames from "@lockstep/node/SidecarNames"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as fs from "node:fs"
import * as path from "node:path"
import * as Times from "../terminal/Times.js"
import * as Finding from "./Finding.js"
import { type Sidecar, Subject } from "./Subject.js"

const kindOf = (stat: fs.Stats): string => {
  if (stat.isSymbolicLink()) return "a symbolic link"
  if (stat.isDirectory()) return "a directory"
  return stat.isFIFO() ? "a pipe" : "no regular file"
}

const misplaced = (file: string): ReadonlyArray<Finding.Finding> => {
  const stat = fs.lstatSync(file, { throwIfNoEntry: false })
  return stat === undefined || stat.isFile()
    ? []
    : [Finding.problem(
      "sidecar_kind",
      `${file} is ${kindOf(stat)}, where a file of ours belongs: it is neither followed nor used`,
      `find out which program made it; when none of them runs, put it aside: \`mv ${ShellWord.quote(file)} ` +
        `${ShellWord.quote(`${file}.aside`)}\``
    )]
}

const WORDS: Readonly<Record<Sidecar["kind"], string>> = { lock: "a lock", json: "a journal", answer: "an answer" }

/** A journal goes on counting after a logout, and its lock belongs to it. */
const unknown = (
  sidecar: Sidecar,
  known: ReadonlySet<string>
): ReadonlyArray<Finding.Finding> =>
  Option.isNone(sidecar.tenant) || known.has(sidecar.tenant.value)
    ? []
    : [Finding.remark(
      "sidecar_unknown",
      `${sidecar.path} is ${
        WORDS[sidecar.kind]
      } of ${sidecar.tenant.value}, which is not logged in here; it is harmless`,
      "leave it: the next login of that name uses it",
      sidecar.tenant.value
    )]

/** Directories that are locks, by the protocol of proper-lockfile: beside the file, or called after its directory. */
const directoryLocks = (file: string): ReadonlyArray<string> => {
  const directory = path.dirname(file)
  const beside = fs.existsSync(directory) ? fs.readdirSync(directory) : []
  return [
    ...beside.filter((name) => name.endsWith(".lock")).map((name) => path.join(directory, name)),
    `${directory}.lock`
  ].filter((one) => fs.lstatSync(one, { throwIfNoEntry: false })?.isDirectory() === true)
}

/** Beyond it every tool that is known takes such a lock for left behind. Milliseconds. */
const STALE = 60_000

const foreign = (lock: string, now: number): Finding.Finding => {
  const age = now - fs.statSync(lock).mtimeMs
  return age > STALE
    ? Finding.remark(
      "lock_foreign",
      `${lock} is a lock of another program, and not renewed for ${Times.span(age)}`,
      "leave it: the next program that wants it finds its holder dead and takes it over"
    )
    : Finding.remark(
      "lock_foreign",
      `${lock} is a lock that another program holds, renewed ${Times.span(age)} ago`,
      "wait: it is renewed for as long as its holder lives"
    )
}

/**
 * Checks what lies beside the store.
 *
 * @since 0.1.0
 * @category checks
 */
export const check = Effect.gen(function*() {
  const home = yield* Home
  const { remembered, sidecars, tenants, unreachable } = yield* Subject
  const now = yield* Clock.currentTimeMillis
  return yield* Effect.sync((): Finding.Checked => {
    const known = new Set<string>([...tenants, ...remembered])
    const aggregate = path.join(home.lockDirectory, SidecarNames.aggregateLock(path.basename(home.file)))
    const ours = new Set([aggregate, ...sidecars.map((sidecar) => sidecar.path)])
    return {
      check: "sidecars",
      findings: [
        ...[...ours].flatMap(misplaced),
        ...sidecars
          // An answer may hold tokens, which is the journals' finding.
          .filter(({ kind }) => kind !== "answer" && Option.isNone(unreachable))
          .flatMap((sidecar) => unknown(sidecar, known)),
        ...directoryLocks(home.file).filter((lock) => !ours.has(lock)).map((lock) => foreign(lock, now))
      ]
    }
  }).pipe(
    Effect.catchAllDefect(() =>
      Effect.succeed<Finding.Checked>({
        check: "sidecars",
        findings: [Finding.problem(
          "unlisted",
          `${path.dirname(home.file)} cannot be looked through`,
          "check owner and permissions of the directory"
        )]
      })
    )
  )
})

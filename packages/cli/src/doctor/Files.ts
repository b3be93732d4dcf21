/**
 * The home and what lies in it: whose it is, who may read it, what was left behind, what is damaged.
 *
 * @since 0.1.0
 */
import * as AuthJson from "@lockstep/node/AuthJson"
import { Home } from "@lockstep/node/Home"
import * as WholeFile from "@lockstep/node/WholeFile"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as fs from "node:fs"
import * as path from "node:path"
import * as Finding from "./Finding.js"

/** A temporary file of a writer: it carries the writer's pid. */
const TEMP = /\.lockstep-(\d+)-\d+\.tmp$/

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM"
  }
}

const octal = (mode: number): string => (mode & 0o777).toString(8).padStart(3, "0")

const permissions = (file: string, stat: fs.Stats, owner: number): ReadonlyArray<Finding.Finding> => {
  const isDirectory = stat.isDirectory()
  return [
    ...(stat.uid !== owner
      ? [Finding.problem(`${file} belongs to user ${stat.uid}`, `give it back with \`chown ${owner} '${file}'\``)]
      : []),
    ...((stat.mode & 0o077) !== 0
      ? [Finding.problem(
        `${file} is open to others (mode ${octal(stat.mode)})`,
        `close it with \`chmod ${isDirectory ? 700 : 600} '${file}'\``
      )]
      : [])
  ]
}

const leftover = (file: string): ReadonlyArray<Finding.Finding> => {
  const match = TEMP.exec(file)
  return match === null || isAlive(Number(match[1]))
    ? []
    : [Finding.problem(
      `${file} was left by a process that died while writing, and may hold tokens`,
      "any write of the store removes it: run `lockstep refresh TENANT`"
    )]
}

const isOurs = (name: string, store: string): boolean => name === "store.json" || name.startsWith(store)

/**
 * Checks owner and permissions of the home and of every file in it, and looks for what dead writers left.
 *
 * @since 0.1.0
 * @category checks
 */
export const files = Effect.gen(function*() {
  const home = yield* Home
  return yield* Effect.sync((): Finding.Checked => {
    const findings: Array<Finding.Finding> = []
    const user = process.geteuid?.()
    for (const directory of new Set([home.directory, path.dirname(home.file), home.lockDirectory])) {
      const stat = fs.statSync(directory, { throwIfNoEntry: false })
      if (stat === undefined) {
        findings.push(Finding.remark(`${directory} does not exist yet; the first import or login creates it`))
        continue
      }
      if (!stat.isDirectory()) {
        findings.push(
          Finding.problem(`${directory} is not a directory`, "name another one with --home or LOCKSTEP_HOME")
        )
        continue
      }
      if (user === undefined) continue
      if (user !== 0 && stat.uid !== user) {
        findings.push(Finding.problem(
          `${directory} belongs to user ${stat.uid}, and this is user ${user}: it is only read`,
          "run lockstep as its owner, or choose a home of your own"
        ))
      }
      findings.push(...permissions(directory, stat, stat.uid))
      for (const name of fs.readdirSync(directory)) {
        if (!isOurs(name, path.basename(home.file))) continue
        const file = path.join(directory, name)
        const entry = fs.lstatSync(file, { throwIfNoEntry: false })
        if (entry === undefined || entry.isSymbolicLink()) continue
        findings.push(...permissions(file, entry, stat.uid), ...leftover(file))
      }
    }
    return { check: "files", findings }
  }).pipe(
    Effect.catchAllDefect(() =>
      Effect.succeed<Finding.Checked>({
        check: "files",
        findings: [
          Finding.problem(`${home.directory} cannot be listed`, "check owner and permissions of the directory")
        ]
      })
    )
  )
})

/**
 * Reads the store file whole and names every damage by its place.
 *
 * @since 0.1.0
 * @category checks
 */
export const store = Effect.gen(function*() {
  const home = yield* Home
  const findings: Array<Finding.Finding> = []
  const damaged = (detail: string) =>
    Finding.problem(
      `${home.file} is damaged (${detail}); nobody writes it until it is repaired`,
      "repair it by hand or restore it; sound entries are still served"
    )
  yield* Effect.catchAll(home.check, (error) => Effect.sync(() => findings.push(Finding.fromError(error))))
  yield* WholeFile.read(home.file).pipe(
    Effect.flatMap(Option.match({
      onNone: () => Effect.void,
      onSome: ({ bytes }) =>
        Effect.map(WholeFile.decodeText(home.file, bytes), (text) => {
          const parsed = AuthJson.parse(text)
          if (Either.isLeft(parsed)) return void findings.push(damaged(parsed.left))
          const damage = AuthJson.findDamage(parsed.right)
          if (Option.isSome(damage)) findings.push(damaged(damage.value))
          if (Option.isSome(parsed.right.movedTo)) {
            findings.push(Finding.problem(
              `${home.file} was moved to ${parsed.right.movedTo.value}`,
              "start this process again with the new store"
            ))
          }
        })
    })),
    Effect.catchAll((error) => Effect.sync(() => void findings.push(Finding.fromError(error))))
  )
  return { check: "store", findings } satisfies Finding.Checked
})

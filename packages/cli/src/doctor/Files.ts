/**
 * The home and what lies in it: its owner, which users may read it, what was left behind.
 *
 * @since 0.1.0
 */
import * as ShellWord from "@lockstep/core/ShellWord"
import { Home } from "@lockstep/node/Home"
import * as Replaceable from "@lockstep/node/Replaceable"
import * as SidecarNames from "@lockstep/node/SidecarNames"
import { NativeHome } from "@lockstep/node/stores/ResolvedHome"
import * as Effect from "effect/Effect"
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

/**
 * Whether a file is its owner's alone.
 *
 * @since 0.1.0
 * @category checks
 */
export const permissions = (file: string, stat: fs.Stats, owner: number): ReadonlyArray<Finding.Finding> => {
  const quoted = ShellWord.quote(file)
  return [
    ...(stat.uid !== owner
      ? [
        Finding.problem(
          "owner",
          `${file} belongs to user ${stat.uid}`,
          `give it back with \`chown ${owner} ${quoted}\``
        )
      ]
      : []),
    ...((stat.mode & 0o077) !== 0
      ? [Finding.problem(
        "open_to_others",
        `${file} is open to others (mode ${octal(stat.mode)})`,
        `close it with \`chmod ${stat.isDirectory() ? 700 : 600} ${quoted}\``
      )]
      : [])
  ]
}

/** What may be in a file that a dead writer left, and how it goes. */
interface Leftover {
  readonly what: string
  readonly advice: (file: string) => string
}

const OF_STORE: Leftover = {
  what: "may hold tokens",
  advice: () => "any write of the store removes it: run `lockstep refresh TENANT`"
}

const OF_VENDORS: Leftover = {
  what: "may hold client secrets",
  advice: () => "any write of it removes it: run `lockstep vendors secret VENDOR --from FILE`"
}

/** No process looks for these again. */
const OF_NOTES: Leftover = {
  what: "holds no secret",
  advice: (file) => `remove it: \`rm ${ShellWord.quote(file)}\``
}

/** What is written beside the store. */
const SETTINGS: ReadonlyMap<string, Leftover> = new Map([
  ["vendors.json", OF_VENDORS],
  ["drift.json", OF_NOTES],
  ["move.json", OF_NOTES],
  ["store.json", OF_NOTES]
])

/** What a temporary file was to become. */
const finalName = (name: string): string => name.replace(TEMP, "")

const leftover = (file: string): ReadonlyArray<Finding.Finding> => {
  const match = TEMP.exec(file)
  if (match === null || isAlive(Number(match[1]))) return []
  const { advice, what } = SETTINGS.get(finalName(path.basename(file))) ?? OF_STORE
  return [
    Finding.problem("leftover", `${file} was left by a process that died while writing, and ${what}`, advice(file))
  ]
}

/** Whether another file can take the place of this one. Locks and answers are written where they are. */
const irreplaceable = (place: Place, file: string): ReadonlyArray<Finding.Finding> => {
  const kind = Option.map(SidecarNames.parse(place.store, path.basename(file)), ({ kind }) => kind)
  if (Option.exists(kind, (one) => one !== "json")) return []
  return Option.toArray(
    Option.map(
      Replaceable.obstacle(fs.realpathSync(file)),
      (found) => Finding.fromError(Replaceable.failure(file, found), "irreplaceable")
    )
  )
}

interface Place {
  readonly directory: string
  /** The name of the store's file. */
  readonly store: string
  /** Whether a name in there is one of ours. The rest belongs to other programs. */
  readonly isOurs: (name: string) => boolean
  /** Whether others may look at the names in it: another tool decides about its own directory. */
  readonly isPrivate: boolean
}

const examine = (place: Place, user: number | undefined): ReadonlyArray<Finding.Finding> => {
  const { directory } = place
  const stat = fs.statSync(directory, { throwIfNoEntry: false })
  if (stat === undefined) {
    return [
      Finding.remark(
        "directory_missing",
        `${directory} does not exist yet; the first import or login creates it`,
        "log in with `lockstep login VENDOR`"
      )
    ]
  }
  if (!stat.isDirectory()) {
    return [Finding.problem(
      "not_a_directory",
      `${directory} is not a directory`,
      "name another one with --home or LOCKSTEP_HOME"
    )]
  }
  // Windows knows neither.
  if (user === undefined) return []
  const findings: Array<Finding.Finding> = []
  if (user !== 0 && stat.uid !== user) {
    findings.push(Finding.problem(
      "owner",
      `${directory} belongs to user ${stat.uid}, and this is user ${user}: it is only read`,
      "run lockstep as its owner, or choose a home of your own"
    ))
  }
  if (place.isPrivate) findings.push(...permissions(directory, stat, stat.uid))
  for (const name of fs.readdirSync(directory)) {
    if (!place.isOurs(name)) continue
    const file = path.join(directory, name)
    const entry = fs.lstatSync(file, { throwIfNoEntry: false })
    if (entry === undefined || entry.isSymbolicLink()) continue
    findings.push(...permissions(file, entry, stat.uid), ...leftover(file), ...irreplaceable(place, file))
  }
  return findings
}

const unlisted = (directory: string): Finding.Finding =>
  Finding.problem("unlisted", `${directory} cannot be listed`, "check owner and permissions of the directory")

/**
 * Checks owner and permissions of the home and of every file of ours in it, and looks for what dead writers left. Where
 * the store is another tool's file, its directory is the tool's.
 *
 * @since 0.1.0
 * @category checks
 */
export const files = Effect.gen(function*() {
  const home = yield* Home
  const native = yield* NativeHome
  return yield* Effect.sync((): Finding.Checked => {
    const places = new Map<string, Place>()
    for (const one of [native.home, home]) {
      const store = path.basename(one.file)
      for (const directory of [one.directory, path.dirname(one.file), one.lockDirectory]) {
        if (places.has(directory)) continue
        places.set(directory, {
          directory,
          store,
          isOurs: (name) => SETTINGS.has(finalName(name)) || name.replace(/^\d+-\d+\./, "").startsWith(store),
          isPrivate: one === native.home || one.directory === native.home.directory
        })
      }
    }
    const user = process.geteuid?.()
    const findings = [...places.values()].flatMap((place) => {
      try {
        return examine(place, user)
      } catch {
        return [unlisted(place.directory)]
      }
    })
    return { check: "files", findings }
  })
})
